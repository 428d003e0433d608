"""`ftlgan verify`, on files that anyone might have made."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from people import faces, photos

from ftlgan import cli
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.pairs import Faces, compare
from ftlgan.verification.report import report

FEW = ("--replicates", "100")


def run(*arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ftlgan", "verify", *map(str, arguments)])
        cli.main()


def write(path: Path, table: Faces, **columns: object) -> Path:
    """A table of embeddings; a column that is None is left out."""
    found = {
        "face_id": table.face_ids.tolist(),
        "identity": table.identities.tolist(),
        "embedding": list(table.embeddings),
    }
    rows = {name: values for name, values in (found | columns).items() if values is not None}
    pq.write_table(pa.table(rows), path)
    return path


@pytest.fixture
def lr(tmp_path: Path) -> Path:
    embeddings, _, who = photos(12, 4, noise=1)
    return write(tmp_path / "lr.parquet", faces(embeddings, who))


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    _, embeddings, who = photos(12, 4, noise=1)
    return write(tmp_path / "hr.parquet", faces(embeddings, who))


def written(*arguments: object) -> dict:
    """The report as JSON, on standard output and nothing beside it."""
    capture = pytest.MonkeyPatch()
    lines: list[str] = []
    capture.setattr(sys, "stdout", type("Out", (), {"write": lines.append, "flush": lambda _: None})())
    try:
        run(*arguments, *FEW, "--json", "-")
    finally:
        capture.undo()
    return json.loads("".join(lines))


@pytest.mark.parametrize("across", [True, False])
def test_embeddings_get_the_metrics_that_the_pipeline_would_give_them(lr: Path, hr: Path, across: bool) -> None:
    found = written(lr, *(["--references", hr] if across else []))
    probes, references, who = photos(12, 4, noise=1)
    expected = report(score_histogram(compare(probes, references if across else None, who)), replicates=100)
    for name, estimate in expected.metrics.items():
        assert found["metrics"][name] == pytest.approx(vars(estimate), abs=1e-6)
    assert (found["people"], found["genuine"], found["impostor"]) == (12, expected.genuine, expected.impostor)
    assert found["absent"] == expected.absent
    assert found["det"]["fnmr"][0] == 1
    assert found["probes"]["photos"] == 48


def test_a_table_compared_with_itself_counts_each_pair_once(lr: Path, tmp_path: Path) -> None:
    embeddings, _, who = photos(12, 4, noise=1)
    turned = write(tmp_path / "turned.parquet", faces(embeddings, who).take(np.arange(48)[::-1]))
    within = written(lr)
    assert (within["genuine"], within["impostor"]) == (12 * 6, 48 * 47 // 2 - 12 * 6)
    for references in (lr, turned):
        found = written(lr, "--references", references)
        for name in ("genuine", "impostor", "metrics", "absent", "thresholds"):
            assert found[name] == within[name]


def test_the_report_in_the_terminal_has_every_metric_with_its_interval(
    lr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(lr, *FEW, "--json", tmp_path / "report.json")
    printed = capsys.readouterr().out
    metrics = json.loads((tmp_path / "report.json").read_text())["metrics"]
    for title, name in (("d'", "d_prime"), ("AUC", "auc"), ("EER", "eer"), ("FNMR at FMR 0.01", "fnmr_at_fmr_0.01")):
        if name in metrics:
            (line,) = [line for line in printed.splitlines() if line.startswith(f"{title} ")]
            assert f"{metrics[name]['value']:.4f}   {metrics[name]['lo']:.4f} to {metrics[name]['hi']:.4f}" in line
    assert "FNMR at FMR 0.001         -   1056 impostor scores make 1.06 false matches, but 10 are needed" in printed


def test_only_test_people_are_judged_where_a_table_has_splits(lr: Path, tmp_path: Path) -> None:
    embeddings, _, who = photos(12, 4, noise=1)
    splits = ["train" if person < "person 006" else "test" for person in who]
    table = write(tmp_path / "table.parquet", faces(embeddings, who), split=splits)
    assert written(table)["people"] == 6
    assert written(table, "--split", "train")["probes"]["split"] == "train"
    assert written(lr)["people"] == 12


def test_a_copy_under_another_name_is_left_out_of_both_sides(tmp_path: Path) -> None:
    probes, references, who = photos(12, 4, noise=1)
    references[5] = references[4]
    tables = [write(tmp_path / name, faces(side, who)) for name, side in (("lr", probes), ("hr", references))]
    found = written(tables[0], "--references", tables[1])
    assert found["pairs"]["byte_identical_copies_left_out"] == 1
    kept = np.arange(48) != 5
    expected = report(score_histogram(compare(probes[kept], references[kept], np.array(who)[kept])), replicates=100)
    assert found["metrics"]["auc"]["value"] == pytest.approx(expected.metrics["auc"].value, abs=1e-9)


def test_a_list_of_pairs_with_folds_has_an_accuracy(lr: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    names = faces(photos(12, 4, noise=1)[0], photos(12, 4, noise=1)[2]).face_ids
    rows = [
        f"{names[4 * k]},{names[4 * k + 1]},{k % 3}\n{names[4 * k]},{names[4 * k - 1]},{k % 3}\n" for k in range(12)
    ]
    pairs.write_text("probe,reference,fold\n" + "".join(rows))
    found = written(lr, "--pairs", pairs)
    assert (found["genuine"], found["impostor"], found["accuracy"]["folds"]) == (12, 12, 3)
    assert 0.5 < found["accuracy"]["mean"] <= 1
    assert 0 < found["tar_at_far_0.001"]["mean"] <= found["accuracy"]["mean"]
    assert found["tar_at_far_0.001"]["folds"] == 3


def test_a_photo_that_embed_rejected_is_refused_with_its_reason(lr: Path, tmp_path: Path) -> None:
    lr.with_suffix(".rejects.csv").write_text("face_id,reason\nperson 000/dark.jpg,no face found\n")
    pairs = tmp_path / "pairs.csv"
    names = ("person 000/00000.jpg,person 000/00001.jpg", "person 000/00000.jpg,person 001/00004.jpg")
    pairs.write_text("\n".join(["probe,reference", *names, "person 001/00004.jpg,person 000/dark.jpg"]))
    for options in ([], ["--references", lr]):
        with pytest.raises(SystemExit, match=r"pairs.csv: line 4: 'person 000/dark.jpg' has no embedding: no face fou"):
            run(lr, "--pairs", pairs, *options)
    assert written(lr, "--pairs", pairs, "--missing", "skip")["pairs"]["missing_left_out"] == 1
    pairs.write_text("probe;reference\na;b\n")
    with pytest.raises(SystemExit, match=r"pairs.csv: line 1: has the columns probe, reference, separated by semicol"):
        run(lr, "--pairs", pairs)


def test_pairs_that_are_listed_again_are_noted(lr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = faces(photos(12, 4, noise=1)[0], photos(12, 4, noise=1)[2]).face_ids
    pairs = tmp_path / "pairs.csv"
    rows = [f"{names[4 * k]},{names[4 * k + 1]}\n{names[4 * k]},{names[4 * k - 1]}\n" for k in range(12)]
    pairs.write_text("probe,reference\n" + "".join(rows))
    run(lr, "--pairs", pairs, *FEW)
    assert "listed more than once" not in capsys.readouterr().out
    pairs.write_text("probe,reference\n" + "".join([*rows, *rows[:2]]))
    run(lr, "--pairs", pairs, *FEW)
    assert "note: 4 pairs are listed more than once, in either order; each counts every time" in capsys.readouterr().out


def test_scores_have_intervals_where_it_is_known_who_is_compared(tmp_path: Path) -> None:
    embeddings, _, who = photos(12, 4, noise=1)
    pairs = [(who[i], who[j], float(embeddings[i] @ embeddings[j])) for i in range(48) for j in range(i)]
    named, labelled, distant = (tmp_path / f"{name}.csv" for name in ("named", "labelled", "distant"))
    named.write_text("probe_identity,reference_identity,score\n" + "".join(f"{a},{b},{s}\n" for a, b, s in pairs))
    labelled.write_text("score,genuine\n" + "".join(f"{s},{'Yes' if a == b else 'No'}\n" for a, b, s in pairs))
    distant.write_text("distance,genuine\n" + "".join(f"{1 - s},{int(a == b)}\n" for a, b, s in pairs))
    metrics = report(score_histogram(compare(embeddings, None, who)), replicates=100).metrics
    first, second, third = (written(path)["metrics"] for path in (named, labelled, distant))
    assert first["auc"] == pytest.approx(vars(metrics["auc"]), abs=1e-6)
    assert second["auc"] == {"value": first["auc"]["value"], "lo": None, "hi": None}
    assert third["auc"]["value"] == pytest.approx(first["auc"]["value"], abs=1e-9)


def _with(change: Callable[[np.ndarray], object]) -> Callable[[Path, Faces], Path]:
    def table(path: Path, found: Faces) -> Path:
        change(found.embeddings)
        return write(path, found)

    return table


BAD_TABLES: list[tuple[Callable[[Path, Faces], Path], str]] = [
    (_with(lambda e: e.__setitem__((2, 1), np.nan)), "bad.parquet: 1 of 48 embeddings are not finite or not of unit"),
    (_with(lambda e: e.__imul__(3)), "bad.parquet: 48 of 48 embeddings are .* not of unit length, the first in row 0"),
    (lambda p, f: write(p, f, identity=["one"] * 48), "48 photos of 1 people give no genuine or no impostor pair"),
    (lambda p, f: write(p, f, identity=None), "bad.parquet: has no column identity"),
    (lambda p, f: write(p, f, identity=[None, *["a"] * 47]), "bad.parquet: 1 of 48 rows have no identity"),
    (
        lambda p, f: write(p, f, embedding=[[1.0]] * 47 + [[1.0, 0.0]]),
        "bad.parquet: embeddings differ in length .1, 2.",
    ),
    (lambda p, f: write(p, f, embedding=[1.0] * 48), "bad.parquet: embedding is double, not a list of numbers"),
    (lambda p, f: write(p, f, face_id=["same", "same", *"x" * 46]), "bad.parquet: has same 2 times|has x 46 times"),
    (lambda p, f: write(p, f, split=["train", *["test"] * 47]), "person 000 is in the split 'test' and in another"),
    (lambda p, f: write(p, f, split=["train"] * 48), "bad.parquet: has no faces of the split 'test'; it has train"),
]


@pytest.mark.parametrize(("make", "message"), BAD_TABLES)
def test_a_table_that_will_not_do_is_one_line(
    make: Callable[[Path, Faces], Path], message: str, tmp_path: Path
) -> None:
    embeddings, _, who = photos(12, 4, noise=1)
    split = ["--split", "test"] if "has no faces of the split" in message else []
    with pytest.raises(SystemExit, match=f"^ERROR: .*{message}") as end:
        run(make(tmp_path / "bad.parquet", faces(embeddings, who)), *split)
    assert "\n" not in str(end.value)


BAD_SCORES = [
    ("", "is empty; give a CSV with a header"),
    ("score,who\n1,2\n", "has the columns score, who; give score or distance, and genuine or"),
    ("score;genuine\n0,5;1\n", "line 1: has the columns score, genuine, separated by semicolons; separate columns by"),
    ("score,genuine\n0.5,1\nhigh,0\n", "line 3: score is 'high', not a finite number"),
    ("score,genuine\n0.5,1\nnan,0\n", "line 3: score is 'nan', not a finite number"),
    ("score,genuine\n0.5,1\n0.5,maybe\n", "line 3: genuine is 'maybe', not 1 or 0"),
    ("score,genuine\n0.5,1\n0.6,1\n", "2 genuine and 0 impostor scores: verification needs both kinds"),
]


@pytest.mark.parametrize(("text", "message"), BAD_SCORES)
def test_scores_that_will_not_do_are_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(SystemExit, match=f"^ERROR: .*{message}") as end:
        run(tmp_path / "scores.csv")
    assert "\n" not in str(end.value)


def test_tables_that_do_not_go_together_are_one_line(lr: Path, tmp_path: Path) -> None:
    embeddings, _, who = photos(12, 4, noise=1)
    narrow = embeddings[:, :4] / np.linalg.norm(embeddings[:, :4], axis=1, keepdims=True)
    for name, table, columns, message in (
        (
            "narrow",
            faces(narrow, who),
            {},
            r"probes are \(48, 8\), references \(48, 4\); embed both with one recognizer",
        ),
        (
            "nameless",
            faces(embeddings, who),
            {"face_id": None},
            "has no column face_id, which keeps a photo from being",
        ),
        (
            "others",
            faces(embeddings, who),
            {"identity": who[1:] + who[:1]},
            "among the probes, .* among the references",
        ),
    ):
        with pytest.raises(SystemExit, match=f"^ERROR: .*{message}"):
            run(lr, "--references", write(tmp_path / name, table, **columns))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fmr", "0"], "--fmr 0: a false match rate is between 0 and 1"),
        (["--replicates", "5"], "--replicates 5: give 100 or more"),
        (["--confidence", "95"], "--confidence 95: the level of an interval is between 0 and 1"),
        (["--references", "nowhere.parquet"], "nowhere.parquet: there is no such file"),
        (["--json", "nowhere/report.json", *FEW], "nowhere/report.json: No such file or directory"),
    ],
)
def test_options_that_will_not_do_are_one_line(options: list[str], message: str, lr: Path) -> None:
    with pytest.raises(SystemExit, match=f"^ERROR: {message}"):
        run(lr, *options)
