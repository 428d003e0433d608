"""`ftlgan calibrate`, on files that anyone might have made."""

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from people import faces, photos
from PIL import Image

from ftlgan import cli
from ftlgan.verification.calibration.counts import count_pairs
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.calibration.model import Calibration
from ftlgan.verification.calibration.report import report
from ftlgan.verification.pairs import AllPairs, Faces

FEW = ("--replicates", "100")
FILES = ["calibration.json", "calibration.csv", "calibration.png", "entropy.png"]


def run(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ftlgan", "calibrate", *map(str, arguments)])
        cli.main()


def write(path: Path, table: Faces, recognizer: str = "dlib") -> Path:
    rows = {
        "face_id": table.face_ids.tolist(),
        "identity": table.identities.tolist(),
        "split": np.where(table.identities < "person 020", "val", "test").tolist(),
        "embedding": pa.array(list(table.embeddings), pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(rows).replace_schema_metadata({"recognizer": recognizer, "sha256": "0"}), path)
    return path


@pytest.fixture(scope="module")
def people() -> tuple[Faces, Faces]:
    """Probes and references of 40 people, the first 20 of whom are of the split val."""
    lr, hr, who = photos(40, 4, noise=1)
    return faces(lr, who), faces(hr, who)


@pytest.fixture(scope="module")
def tables(people: tuple[Faces, Faces], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `probes.parquet`, `references.parquet`, scores in `one.csv` and, of other people, in `two.csv`."""
    folder = tmp_path_factory.mktemp("tables")
    write(folder / "probes.parquet", people[0])
    write(folder / "references.parquet", people[1])
    for name, table in {"one": people[0].take(np.arange(80)), "two": people[0].take(np.arange(80, 160))}.items():
        lines = ["score,probe_identity,reference_identity"]
        for row in range(80):
            for other in range(row):
                score = float(table.embeddings[row] @ table.embeddings[other])
                lines.append(f"{score!r},{table.identities[row]},{table.identities[other]}")
        (folder / f"{name}.csv").write_text("\n".join(lines))
    return folder


def test_fitted_on_one_split_and_reported_on_the_other(
    people: tuple[Faces, Faces], tables: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    arguments = (
        *(tables / "probes.parquet", "--references", tables / "references.parquet", "--split", "val"),
        *("--test", tables / "probes.parquet", "--test-split", "test"),
        *("--resolution", 14, "--condition", "bicubic", "--protocol", "lr-hr", *FEW),
    )
    run(*arguments, "--to", tmp_path / "out", "--json", tmp_path / "report.json")
    printed = capfd.readouterr().out
    val, test = (
        count_pairs(AllPairs(people[0].take(rows), people[1].take(rows)))
        for rows in (np.arange(80), np.arange(80, 160))
    )
    judge = {"recognizer": "dlib", "sha256": "0"}
    calibration = Calibration.load(tmp_path / "out/calibration.json")
    assert calibration == fit(val, judge, "cosine", "14", "bicubic", "lr-hr", replicates=100)
    expected = report(calibration.line, test, 100)
    found = json.loads((tmp_path / "report.json").read_text())["tests"][str(tables / "probes.parquet")]
    with (tmp_path / "out/calibration.csv").open() as file:
        rows = {(row["set"], row["metric"]): row for row in csv.DictReader(file)}
    assert len(rows) == 8
    for name, title in {"cllr": "Cllr", "cllr_min": "Cllr_min", "cllr_cal": "Cllr_cal", "eer": "EER"}.items():
        estimate = expected.metrics[name]
        assert found["metrics"][name] == pytest.approx(vars(estimate), abs=1e-9)
        assert float(rows["test", name]["hi"]) == pytest.approx(estimate.hi, abs=1e-8)
        assert float(rows["fit", name]["value"]) == pytest.approx(getattr(calibration.metrics, name).value, abs=1e-8)
        assert f"{title:18} {estimate.value:8.4f}   {estimate.lo:.4f} to {estimate.hi:.4f}" in printed
    assert f"Written to {tmp_path / 'out'}: {', '.join(FILES)}" in printed
    run(*arguments, "--to", tmp_path / "again")
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        if name.endswith(".png"):
            with Image.open(tmp_path / "out" / name) as picture:
                assert len(set(picture.convert("L").tobytes())) > 10


def test_without_a_test_half_of_the_people_are_tested(tables: Path, capfd: pytest.CaptureFixture) -> None:
    halves: list[tuple[int, int]] = []
    for arguments in (
        (tables / "probes.parquet", "--references", tables / "references.parquet", "--split", "val"),
        (tables / "one.csv",),
    ):
        run(*arguments, "--json", "-", *FEW)
        found = json.loads(capfd.readouterr().out)
        (test,) = found["tests"].values()
        assert found["halves"] == {"seed": 0}
        assert (found["fit"]["people"], test["people"]) == (10, 10)
        halves.append((found["calibration"]["genuine"], test["impostor"]))
    # 10 people with 4 photos each: across (lr-hr) a photo meets 3 others of its person and 36 of others; within, half.
    assert halves == [(120, 1440), (60, 720)]
    run(tables / "one.csv", *FEW)
    printed = capfd.readouterr().out
    assert f"{tables / 'one.csv'}, half of the people by seed 0: 10 people" in printed
    assert f"{tables / 'one.csv'}, the other half: 10 people" in printed
    assert "recognizer" not in printed


def test_a_table_compared_with_itself_counts_each_pair_once(tables: Path, tmp_path: Path) -> None:
    split = (tables / "probes.parquet", "--split", "val", "--test", tables / "probes.parquet", "--test-split", "test")
    run(*split, "--json", tmp_path / "within.json", *FEW)
    run(*split, "--references", tables / "probes.parquet", "--json", tmp_path / "both.json", *FEW)
    run(*split, "--test-references", tables / "probes.parquet", "--json", tmp_path / "test.json", *FEW)
    within, *others = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("within", "both", "test"))
    for found in others:
        assert found["calibration"] == within["calibration"]
        for name in ("genuine", "impostor", "metrics"):
            assert [test[name] for test in found["tests"].values()] == [t[name] for t in within["tests"].values()]


def test_a_calibration_is_reported_on_other_scores(tables: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    run(tables / "one.csv", "--test", tables / "two.csv", "--to", tmp_path / "new", "--json", "-", *FEW)
    fitted = json.loads(capfd.readouterr().out)
    made = tmp_path / "new/calibration.json"
    run(tables / "two.csv", "--calibration", made, "--to", tmp_path / "old", "--json", "-", *FEW)
    reported = json.loads(capfd.readouterr().out)
    assert reported["tests"] == fitted["tests"]
    assert reported["fit"] is None
    assert not (tmp_path / "old/calibration.json").exists()


BAD: dict[str, Callable[[Path, Path, Faces], list[object]]] = {
    "probes.parquet: person 020 is also among the people of the fit, .*20 such people": lambda tables, folder, probes: [
        *(tables / "probes.parquet", "--test", tables / "probes.parquet"),
    ],
    "other.parquet: embedded by sface, .*probes.parquet: by dlib.*use one recognizer": lambda tables, folder, p: [
        *(tables / "probes.parquet", "--split", "val", "--test", write(folder / "other.parquet", p, "sface")),
    ],
    "two.csv: holds scores, but .*probes.parquet cosines": lambda tables, folder, probes: [
        *(tables / "probes.parquet", "--test", tables / "two.csv"),
    ],
    "few.parquet: 4 people have genuine scores, but a calibration needs 5; half of the 8 people are held out for the "
    "test, so give two photos each of 10 people": lambda tables, folder, probes: [
        *(write(folder / "few.parquet", probes.take(np.arange(32))), "--split", "val"),
    ],
    "few.parquet: 4 people have genuine scores, but a calibration needs 5; give two": lambda tables, folder, probes: [
        write(folder / "few.parquet", probes.take(np.arange(16))),
        *("--split", "val", "--test", tables / "probes.parquet", "--test-split", "test"),
    ],
    "one.parquet: 4 photos of 1 people give no genuine or no impostor pair": lambda tables, folder, probes: [
        *(write(folder / "one.parquet", probes.take(np.arange(4))), "--split", "val"),
    ],
    "same.csv: genuine and impostor scores are all 0.5": lambda tables, folder, probes: [
        same(tables / "one.csv", folder / "same.csv", "0.5"),
    ],
    "far.csv: impostor scores are higher than genuine ones; if these are distances": lambda tables, folder, probes: [
        same(tables / "one.csv", folder / "far.csv", r"-\1"),
    ],
    "who.csv: the identities are unknown": lambda tables, folder, probes: [
        put(folder / "who.csv", "score,genuine\n0.5,1\n0.4,0\n"),
    ],
    "bad.json: is not a calibration: invalid JSON": lambda tables, folder, probes: [
        *(tables / "one.csv", "--calibration", put(folder / "bad.json", '{"kind": "logi')),
    ],
    "nowhere.json: there is no such file": lambda tables, folder, probes: [
        *(tables / "one.csv", "--calibration", folder / "nowhere.json"),
    ],
    "one.csv: holds scores; use references and splits with embeddings only": lambda tables, folder, probes: [
        *(tables / "one.csv", "--split", "val"),
    ],
    "--to .*one.csv: is a file": lambda tables, folder, probes: ["p.npy", "--to", tables / "one.csv"],
    "--names n.txt: use it with embeddings in a .npy file": lambda tables, folder, probes: [
        "t.csv",
        "--names",
        "n.txt",
    ],
}


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def same(scores: Path, path: Path, score: str) -> Path:
    """Write the table anew with another score in each line."""
    return put(path, re.sub(r"^(-?[0-9.e-]+),", f"{score},", scores.read_text(), flags=re.MULTILINE).replace("--", ""))


@pytest.mark.parametrize("message", BAD)
def test_what_will_not_do_is_one_line(message: str, people: tuple[Faces, Faces], tables: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        run(*BAD[message](tables, tmp_path, people[0]), *FEW)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    assert re.search(f"^ERROR: .*{message}", end.value.code)
