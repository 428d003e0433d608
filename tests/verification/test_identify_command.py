"""`ftlgan identify`, on files that anyone might have made."""

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
from people import faces, photos, unit
from PIL import Image

from ftlgan import cli
from ftlgan.verification.identification.gallery import Gallery
from ftlgan.verification.identification.report import report
from ftlgan.verification.identification.search import identify
from ftlgan.verification.pairs import Faces

PEOPLE, EACH = 30, 8
FEW = ("--replicates", "100")


def run(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ftlgan", "identify", *map(str, arguments)])
        cli.main()


def refusal(*arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        run(*arguments, *FEW)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


def write(path: Path, table: Faces, recognizer: str = "") -> Path:
    rows = {
        "face_id": table.face_ids.tolist(),
        "identity": table.identities.tolist(),
        "embedding": pa.array(list(table.embeddings), pa.list_(pa.float32())),
    }
    metadata = {"recognizer": recognizer, "sha256": "0"} if recognizer else {}
    pq.write_table(pa.table(rows).replace_schema_metadata(metadata), path)
    return path


@pytest.fixture
def people() -> tuple[Faces, Faces]:
    """References, and probes of the same photos."""
    lr, hr, who = photos(PEOPLE, EACH, noise=1.5)
    return faces(hr, who), faces(lr, who)


@pytest.fixture
def tables(people: tuple[Faces, Faces], tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "gallery.parquet", people[0]), write(tmp_path / "probes.parquet", people[1])


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("fusion", ["mean", "max"])
def test_files_get_the_metrics_of_the_library(
    fusion: str, people: tuple[Faces, Faces], tables: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    run(*tables, "--fusion", fusion, "--to", tmp_path / "out", "--json", tmp_path / "report.json", *FEW)
    expected = report(*identify(Gallery(people[0], "max" if fusion == "max" else "mean"), people[1]), replicates=100)
    printed, found = capfd.readouterr().out, json.loads((tmp_path / "report.json").read_text())
    rows = {row["metric"]: row for row in read_csv(tmp_path / "out/identification.csv")}
    titles = {"rank_1": "rank-1", "rank_5": "rank-5", "rank_20": "rank-20", "fnir_at_fpir_0.1": "FNIR at FPIR 0.1"}
    assert expected.metrics.keys() == titles.keys()
    for name, estimate in expected.metrics.items():
        assert found["metrics"][name] == pytest.approx(vars(estimate), abs=1e-9)
        assert float(rows[name]["hi"]) == pytest.approx(estimate.hi, abs=1e-8)
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{titles[name]} ")]
        assert f"{estimate.value:.4f}   {estimate.lo:.4f} to {estimate.hi:.4f}" in line
    reason = "120 non-mated searches make 1.2 false positives, but 10 are needed"
    assert rows["fnir_at_fpir_0.01"]["absent"] == found["absent"]["fnir_at_fpir_0.01"] == reason
    assert f"FNIR at FPIR 0.01         -   {reason}" in printed
    assert f"{fusion} of a person's photos in the gallery" in printed
    assert "120 mated and 120 non-mated searches among 15 people (15 left out by seed 0)" in printed
    curve = read_csv(tmp_path / "out/cmc.csv")
    assert [int(row["rank"]) for row in curve] == list(range(1, PEOPLE + 1))
    assert float(curve[0]["rate"]) == pytest.approx(expected.metrics["rank_1"].value, abs=1e-8)
    for name in ("cmc.png", "fnir.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert len(set(picture.convert("L").tobytes())) > 10
    assert f"Written to {tmp_path / 'out'}: identification.csv, cmc.csv, cmc.png, fnir.csv, fnir.png" in printed


def test_arrays_non_mated_probes_and_json_alone(
    people: tuple[Faces, Faces], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    references, probes = people
    known = references.identities < "person 010"
    for name, table in {
        "gallery": references.take(known),
        "known": probes.take(known),
        "unknown": probes.take(~known),
    }.items():
        np.save(tmp_path / f"{name}.npy", table.embeddings)
        (tmp_path / f"{name} names.txt").write_text("\n".join(table.face_ids.tolist()))
    run(
        *(tmp_path / "gallery.npy", tmp_path / "known.npy", "--non-mated", tmp_path / "unknown.npy"),
        *("--gallery-names", tmp_path / "gallery names.txt", "--names", tmp_path / "known names.txt"),
        *("--non-mated-names", tmp_path / "unknown names.txt", "--ranks", 2, "--fpir", 0.2, "--json", "-", *FEW),
    )
    found = json.loads(capfd.readouterr().out)
    searches = identify(Gallery(references.take(known), "mean"), probes.take(known), probes.take(~known))
    expected = report(*searches, 100, ranks=[2], fpirs=[0.2])
    assert found["metrics"].keys() == {"rank_2", "fnir_at_fpir_0.2"}
    for name, estimate in expected.metrics.items():
        assert found["metrics"][name] == pytest.approx(vars(estimate), abs=1e-9)
    assert found["open_set"] == {"mated": 80, "non_mated": 160, "enrolled": 10}


@pytest.mark.filterwarnings("error")
def test_plots_of_searches_that_all_succeed_give_no_warning(tmp_path: Path) -> None:
    lr, hr, who = photos(12, 2, noise=0.05)
    gallery, probes = write(tmp_path / "g.parquet", faces(hr, who)), write(tmp_path / "p.parquet", faces(lr, who))
    run(gallery, probes, "--to", tmp_path / "out", *FEW)
    assert {float(row["fnir"]) for row in read_csv(tmp_path / "out/fnir.csv")} == {0}
    assert (tmp_path / "out/fnir.png").exists()


def test_a_copy_under_another_name_is_left_out(
    people: tuple[Faces, Faces], tables: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    references, probes = people
    copied = Faces(
        np.append(probes.face_ids, "copy"),
        np.append(probes.identities, references.identities[0]),
        np.vstack([probes.embeddings, references.embeddings[:1]]),
    )
    run(tables[0], write(tmp_path / "copied.parquet", copied), "--json", "-", *FEW)
    found = json.loads(capfd.readouterr().out)
    assert found["byte_identical_copies_left_out"] == 1
    assert found["closed_set"]["searches"] == PEOPLE * EACH


BAD: dict[str, Callable[[Path, Faces, Faces], list[object]]] = {
    r"bad.parquet: probes are \(240, 4\), references \(240, 8\); embed both with one recognizer": lambda folder, g, p: [
        folder / "gallery.parquet",
        write(folder / "bad.parquet", Faces(p.face_ids, p.identities, unit(p.embeddings[:, :4]))),
    ],
    "bad.parquet: embedded by sface.*gallery.parquet: by an unknown recognizer": lambda folder, g, p: [
        folder / "gallery.parquet",
        write(folder / "bad.parquet", p, "sface"),
    ],
    "probes.parquet: person 020 is among the probes but not in the gallery .80 such probes of": lambda folder, g, p: [
        write(folder / "bad.parquet", g.take(np.arange(160))),
        folder / "probes.parquet",
    ],
    "bad.parquet: holds no embedding": lambda folder, g, p: [
        write(folder / "bad.parquet", g.take(np.arange(0))),
        folder / "probes.parquet",
    ],
    "probes.parquet: FPIR 0.008 is below one in 120 non-mated searches .0.0083.": lambda folder, g, p: [
        folder / "gallery.parquet",
        folder / "probes.parquet",
        *("--fpir", 0.008),
    ],
    "others.parquet: person 001 is among the non-mated probes, and also in the gallery, .*gallery.parquet": (
        lambda folder, g, p: [
            folder / "gallery.parquet",
            folder / "probes.parquet",
            *("--non-mated", write(folder / "others.parquet", p.take(np.arange(EACH, 2 * EACH)))),
        ]
    ),
    "others.parquet: person 000/00000.jpg is x among the probes, but person 000 among": lambda folder, g, p: [
        folder / "gallery.parquet",
        folder / "probes.parquet",
        *("--non-mated", write(folder / "others.parquet", Faces(p.face_ids[:1], np.array(["x"]), g.embeddings[-1:]))),
    ],
    "scores.csv: is CSV; identification needs embeddings": lambda folder, g, p: [
        folder / "scores.csv",
        folder / "probes.parquet",
    ],
    "nowhere.parquet: there is no such file": lambda folder, g, p: [folder / "nowhere.parquet", folder / "p.npy"],
    "--left-out 1: a share of people is between 0 and 1": lambda folder, g, p: ["g.npy", "p.npy", "--left-out", 1],
    "--ranks 0: ranks begin at 1": lambda folder, g, p: ["g.npy", "p.npy", "--ranks", 0],
    "--fpir 1: a false positive identification rate": lambda folder, g, p: ["g.npy", "p.npy", "--fpir", 1],
    "--non-mated-names n.txt: use it with embeddings in a .npy file, not with nothing": lambda folder, g, p: [
        *("g.npy", "p.npy", "--non-mated-names", "n.txt"),
    ],
    "--to .*probes.parquet: is a file": lambda folder, g, p: ["g.npy", "p.npy", "--to", folder / "probes.parquet"],
}


@pytest.mark.parametrize("message", BAD)
def test_what_will_not_do_is_one_line(
    message: str, people: tuple[Faces, Faces], tables: tuple[Path, Path], tmp_path: Path
) -> None:
    assert re.search(f"^ERROR: .*{message}", refusal(*BAD[message](tmp_path, *people)))


def test_probes_without_a_photo_in_the_gallery_are_refused_or_left_out_and_counted(
    people: tuple[Faces, Faces], tables: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    references, probes = people
    first = np.arange(PEOPLE * EACH) % EACH == 0
    enrolled = references.take(first & ~np.isin(references.identities, ["person 003", "person 004"]))
    others = probes.take(~first & (probes.identities != "person 029"))
    gallery, searched = write(tmp_path / "one.parquet", enrolled), write(tmp_path / "others.parquet", others)
    assert "14 such probes of 2 people in all" in (said := refusal(gallery, searched))
    assert said.endswith("to a table for --non-mated, or leave such probes out with --missing skip")

    unknown = probes.take(probes.identities == "person 029")
    enrolled = enrolled.take(enrolled.identities != "person 029")
    arguments = (
        *(write(gallery, enrolled), searched, "--non-mated", write(tmp_path / "unknown.parquet", unknown)),
        *("--missing", "skip", *FEW),
    )
    run(*arguments)
    assert "left out           14 probes of 2 people without a photo in the gallery" in capfd.readouterr().out
    run(*arguments, "--json", "-")
    found = json.loads(capfd.readouterr().out)
    assert found["without_mate_left_out"] == {"probes": 14, "people": 2}
    mated = others.take(~np.isin(others.identities, ["person 003", "person 004"]))
    expected = report(*identify(Gallery(enrolled, "mean"), mated, unknown), replicates=100)
    assert found["open_set"] == {"mated": 27 * 7, "non_mated": 8, "enrolled": 27}, "strangers are searched for"
    assert found["metrics"]["rank_1"] == pytest.approx(vars(expected.metrics["rank_1"]), abs=1e-9)


def test_a_probe_that_is_the_only_photo_in_the_gallery_is_left_out_too(
    people: tuple[Faces, Faces], tables: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    references, _ = people
    first = references.take(np.arange(PEOPLE * EACH) % EACH == 0)
    gallery = write(tmp_path / "one.parquet", first)
    said = refusal(gallery, tables[1])
    assert (
        f"{first.face_ids[0]} is the only photo of person 000 in the gallery, and is not compared with itself" in said
    )
    assert "(30 such probes of 30 people in all)" in said and said.endswith("--missing skip")
    run(gallery, tables[1], "--missing", "skip", "--json", "-", *FEW)
    assert json.loads(capfd.readouterr().out)["closed_set"]["searches"] == PEOPLE * (EACH - 1)
    said = refusal(gallery, gallery, "--missing", "skip")
    assert f"one.parquet: has photos of only 0 people of {gallery} to compare with, but 2 are needed (30 pr" in said


def test_a_person_whose_only_photo_in_the_gallery_is_a_copy_is_told_so(
    people: tuple[Faces, Faces], tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    references, probes = people
    first = np.arange(PEOPLE * EACH) % EACH == 0
    enrolled = references.take(first)
    enrolled.embeddings[5] = enrolled.embeddings[2]
    gallery = write(tmp_path / "copied.parquet", enrolled)
    searched = write(tmp_path / "others.parquet", probes.take(~first))
    copy, original = enrolled.face_ids[5], enrolled.face_ids[2]
    said = refusal(gallery, searched)
    assert f"{copy} of person 005 is left out of the gallery, because it is a byte-identical copy of {original}" in said
    assert "(7 such probes of 1 person in all); correct or remove one of the two" in said
    run(gallery, searched, "--missing", "skip", "--json", "-", *FEW)
    found = json.loads(capfd.readouterr().out)
    assert (found["byte_identical_copies_left_out"], found["without_mate_left_out"]["people"]) == (1, 1)
