"""What a new user does wrong gets its one line; what can go on goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from project import Project, executed


def error_lines(printed: str) -> list[str]:
    """What the pipeline says went wrong, without DVC's own word on it."""
    assert "Traceback" not in printed
    return [line for line in printed.splitlines() if line.startswith("ERROR: ") and "failed to reproduce" not in line]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["res=15"], "ERROR: params.yaml: res: 15: input should be 14, 28 or 56"),
        (["dataset.path=../nowhere"], "ERROR: dataset.path: ../nowhere does not exist; it should be a folder"),
        (["dataset.test=0.01", "dataset.people=10"], "ERROR: params.yaml: dataset: test: 0.01 of 10 people leaves"),
        (
            ["+dataset.poeple=10"],
            "ERROR: params.yaml: dataset.poeple: unknown key (value 10); known here: source, path",
        ),
    ],
)
def test_a_wrong_param_is_one_line(project: Project, settings: list[str], said: str) -> None:
    changes = [argument for setting in settings for argument in ("-S", setting)]
    (line,) = error_lines(project.dvc("exp", "run", *changes, check=False))
    assert line.startswith(said)


def test_an_empty_section_is_one_line(project: Project) -> None:
    params = project.root / "params.yaml"
    head, _, rest = params.read_text().partition("align:")
    params.write_text(head + "align:\n\n" + rest[rest.index("recognition:") :])
    (line,) = error_lines(project.run("python", "stages/align.py", check=False))
    assert line == "ERROR: params.yaml: align: is empty; expected the keys detection_score, face_width"
    assert "Traceback" not in project.dvc("repro", check=False)


def _no_subfolders(photos: Path) -> None:
    for person in list(photos.iterdir()):
        shutil.rmtree(person)
    (photos / "photo.jpg").write_bytes(b"")


def _three_people(photos: Path) -> None:
    for person in sorted(photos.iterdir())[3:]:
        shutil.rmtree(person)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_no_subfolders, "ERROR: dataset.path: ../photos has no folders with photos (.jpg, .jpeg, .png, .webp) in it"),
        (_three_people, "ERROR: dataset: 3 people leave 0 to train on beside 2 for val and 2 for test"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line(project: Project, change: Callable[[Path], None], said: str) -> None:
    change(project.photos)
    (line,) = error_lines(project.dvc("repro", check=False))
    assert line.startswith(said)


def test_photos_that_cannot_be_used_are_listed_and_the_rest_goes_on(project: Project) -> None:
    people = sorted(project.photos.iterdir())
    (people[0] / "0000.jpg").write_text("a text")
    (people[1] / "0000.jpg").write_bytes((people[1] / "0001.jpg").read_bytes()[:3000])
    for name in ("0001.jpg", "0002.jpg", "0003.jpg"):
        (people[2] / name).unlink()
    printed = project.dvc("repro", "align")
    assert executed(printed) == {"fetch", "align"}
    assert "align: 3 photos rejected" in printed
    rejects = {
        row["face_id"]: row["reason"] for row in pq.read_table(project.root / "data/rejects.parquet").to_pylist()
    }
    assert rejects == {
        f"{people[0].name}/0000.jpg": "unreadable: not an image",
        f"{people[1].name}/0000.jpg": "unreadable: image file is truncated",
        f"{people[2].name}/0000.jpg": "the only usable photo of this person",
    }


def test_a_stage_that_fails_leaves_no_result(project: Project) -> None:
    (line,) = error_lines(project.dvc("exp", "run", "-S", "train.learning_rate=1e30", check=False))
    assert line.startswith("ERROR: train: the loss is not finite at step")
    assert not (project.root / "data/model/generator.safetensors").exists()
    assert "train" in project.dvc("status")


def test_a_gpu_that_is_not_there_is_one_line(project: Project) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (line,) = error_lines(project.dvc("exp", "run", "-S", "train.device=cuda", check=False))
    assert line == "ERROR: train.device: 'cuda', but torch finds no GPU here; set it to cpu"
