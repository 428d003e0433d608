"""The examples of docs/extend: each is applied to a copy of the project, as its page says, and run there."""

import csv
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from code_deps import COMMAND
from documentation import DOCS, Block, blocks
from project import ROOT, Project, executed
from shell import run_block

from ftlgan.faces import decode_images, read_faces

EXTEND = DOCS / "extend"


def apply(block: Block, root: Path) -> None:
    """Make the file of a block, or change it as the block says: a diff without line numbers.

    The lines of a diff that begin with a space or a minus are to be in the file once, one after the other. Comments
    behind them don't count, and stay.
    """
    file = root / block.title
    if block.language != "diff":
        assert not file.exists(), f"{block.place}: {block.title} is there already"
        file.write_text(block.text, encoding="utf-8")
        return
    changes = [(line[:1], line[1:]) for line in block.text.splitlines()]
    before = [code(line) for sign, line in changes if sign in (" ", "-")]
    lines = file.read_text(encoding="utf-8").splitlines()
    codes = [code(line) for line in lines]
    places = [i for i in range(len(lines)) if codes[i : i + len(before)] == before]
    assert len(places) == 1, f"{block.place}: {block.title} has these lines {len(places)} times: {before}"
    kept = iter(lines[places[0] : places[0] + len(before)])
    after: list[str] = []
    for sign, line in changes:
        old = "" if sign == "+" else next(kept)
        if sign != "-":
            after.append(line if sign == "+" else old)
    lines[places[0] : places[0] + len(before)] = after
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def code(line: str) -> str:
    """Return a line without the comment behind it."""
    return re.sub(r"\s+# .*$", "", line).rstrip()


def extended(project: Project, page: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Follow a page in a project: change the files that it names, then run its commands. Return what they printed."""
    every = list(blocks(EXTEND / f"{page}.md"))
    for block in every:
        if block.title:
            apply(block, project.root)
    monkeypatch.setenv("PYTHONPATH", str(project.root / "src"))  # the project's own code, not that of the tests
    shutil.copytree(ROOT / "tests/pipeline", project.root / "tests/pipeline", ignore=shutil.ignore_patterns("test_*"))
    project.run(*COMMAND.split())
    project.commit()
    return "\n".join(run_block(project, block) for block in every if block.language == "bash" and not block.mark)


def metrics(project: Project) -> dict[str, dict[str, float]]:
    """Return the headline."""
    return json.loads((project.root / "metrics/metrics.json").read_text(encoding="utf-8"))


def test_a_method_is_one_file_and_one_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = extended(project, "method", monkeypatch)
    assert "train@ftlgan" not in executed(printed)
    assert metrics(project).keys() == {"hr", "bicubic", "nearest", "ftlgan"}
    assert metrics(project)["nearest"] != metrics(project)["bicubic"]


def test_a_term_of_the_loss_is_trained_and_logged(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    extended(project, "loss", monkeypatch)
    with (project.root / "data/model/ftlgan/losses.csv").open(encoding="utf-8") as file:
        found = [float(row["edges"]) for row in csv.DictReader(file) if row["edges"]]
    assert len(found) == 2, "one for each step"
    assert min(found) > 0


def test_a_metric_has_its_interval_in_the_table(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = extended(project, "metric", monkeypatch)
    assert executed(printed) == {"evaluate", "identify", "verify_pairs", "calibrate"}, "the stages that resample people"
    with (project.root / "metrics/verification.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert 0 <= float(row["youden_lo"]) <= float(row["youden_hi"]) <= 1
        assert float(row["youden"]) >= 1 - 2 * float(row["eer"]) - 1e-6, "at the EER it is 1 - 2 EER"
    with (project.root / "metrics/differences.csv").open(encoding="utf-8") as file:
        assert all(row["youden_lo"] for row in csv.DictReader(file))


def test_a_source_brings_its_photos(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = project.root.parent / "flat"
    flat.mkdir()
    for photo in project.photos.rglob("*.jpg"):
        shutil.copy(photo, flat / f"{photo.parent.name}_{photo.name}")
    extended(project, "source", monkeypatch)
    table = pq.read_table(project.root / "data/raw", columns=["face_id", "identity"]).to_pylist()
    assert len(table) == 36
    assert {row["identity"] for row in table} == {person.name for person in project.photos.iterdir()}
    assert "person-0000/person-0000_0000.jpg" in {row["face_id"] for row in table}


def test_faces_of_another_resolution_are_restored_and_judged(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = project.root / "metrics/validation/ftlgan.json"
    before = judged.read_text(encoding="utf-8")
    project.set_params(generator={"growth": None})  # the tiny one has it for convolutions
    printed = extended(project, "resolution", monkeypatch)
    assert judged.read_text(encoding="utf-8") != before
    assert judged.read_text(encoding="utf-8").strip() in printed
    faces = read_faces(project.root / "data/degraded", ["image"])
    assert decode_images(faces["image"]).shape[1:] == (7, 7, 3)


@pytest.mark.parametrize("page", sorted(EXTEND.glob("*.md")), ids=lambda page: page.stem)
def test_every_change_that_a_page_shows_fits_the_code(page: Path, tmp_path: Path) -> None:
    """Without running anything: so a page that is out of date is found at once."""
    for name in ("src", "stages", "params.yaml"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    for block in blocks(page):
        if block.title:
            apply(block, tmp_path)
