"""Mistakes of a new user give a one-line error, and a pipeline that can continue does."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from documentation import documentation
from project import Project, executed, new_project
from small_disk import small_disk

from ftlgan.faces import SPLITS
from ftlgan.params import EVERYBODY, NO_PAIRS, NO_PHOTOS, NO_UNLABELLED


def error_lines(printed: str) -> list[str]:
    """Return the pipeline's error message, without DVC's own."""
    assert "Traceback" not in printed
    return [line for line in printed.splitlines() if line.startswith("ERROR: ") and "failed to reproduce" not in line]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["res=15"], "ERROR: params.yaml: res: 15: input should be 14, 28 or 56"),
        (["dataset.path=../nowhere"], "ERROR: dataset.path: ../nowhere does not exist; it should be a folder"),
        (["dataset.unlabelled=../photos/person-0000"], "ERROR: dataset.unlabelled: ../photos/person-0000 lies in ../"),
    ],
)
def test_a_wrong_param_is_one_line(project: Project, settings: list[str], said: str) -> None:
    """Single errors in params are tested in tests/test_params.py."""
    changes = [argument for setting in settings for argument in ("-S", setting)]
    (line,) = error_lines(project.dvc("exp", "run", *changes, check=False))
    assert line.startswith(said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("methods=bicubic", "'Value' object is not iterable"),
        ("models=", "'Value' object is not iterable"),
        ("recognition.judges=dlib", "'Value' object is not iterable"),
        ("dataset.path=", "unexpected error"),
        ("dataset.path=../fotografías", "LexerNoViableAltException"),
        ("dataset.path=../photos (1)", "mismatched input"),
        ("methods=[bicubic", "no viable alternative"),
        ("dataset.path=../a,b", "Sweep overrides can't be used without --queue"),
    ],
)
def test_what_dvc_says_of_a_value_is_explained_in_the_docs(tmp_path: Path, setting: str, said: str) -> None:
    """DVC reads it before a stage runs, and leaves params.yaml as it was."""
    (tmp_path / "none").mkdir()
    project = new_project(tmp_path / "here", tmp_path / "none")
    printed = project.dvc("exp", "run", "-S", setting, "locate", check=False).replace("`--queue`", "--queue")
    assert said in printed
    assert "Traceback" not in printed
    assert project.run("git", "status", "--porcelain", "params.yaml") == ""
    table = [line for line in documentation().splitlines() if line.startswith("| `")]
    assert [line for line in table if f"`{said}`" in line.split(" | ")[0]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fotografías (1), a=b", "it's [写真] a$b#50%"])
def test_a_path_between_double_quotes_may_have_any_letter(tmp_path: Path, name: str) -> None:
    (tmp_path / "none").mkdir()
    project = new_project(tmp_path / "here", tmp_path / "none")
    (project.photos / name).mkdir()
    project.dvc("exp", "run", "-S", f'dataset.path="../photos/{name}"', "locate")
    located = (project.root / "data/located.txt").read_text(encoding="utf-8")
    assert located == f"../photos/{name}\n{NO_UNLABELLED}\n{NO_PAIRS}\n{EVERYBODY}\n"


@pytest.mark.slow
def test_a_stage_in_a_subfolder_says_where_to_go(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    project = new_project(tmp_path / "here", tmp_path / "none")
    scripts = sorted(path.name for path in (project.root / "stages").glob("*.py"))
    program = f"""
import runpy
for script in {scripts}:
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        print(error)
"""
    lines = error_lines(project.run("bash", "-c", f"cd stages && python - <<'END'\n{program}\nEND"))
    assert len(lines) == len(scripts)
    for line in lines:
        assert "run from the root of the project" in line or "run `dvc repro`" in line
    assert "dvc.yaml' does not exist" in project.run("bash", "-c", "cd src && dvc repro", check=False)
    assert [path for path in project.root.glob("stages/*") if path.name in ("data", "dvc_plots", "metrics")] == []


def test_an_empty_section_is_one_line(project: Project) -> None:
    project.set_params(align=None)
    (line,) = error_lines(project.run("python", "stages/align.py", check=False))
    assert (
        line
        == "ERROR: params.yaml: align: is empty; expected the keys detection_score, face_width, aligned, small_aligned"
    )
    assert "Traceback" not in project.dvc("repro", check=False)


def test_a_folder_that_will_not_do_is_one_line(project: Project) -> None:
    """Other folders are in tests/sources."""
    for person in sorted(project.photos.iterdir())[3:]:
        shutil.rmtree(person)
    (line,) = error_lines(project.dvc("repro", check=False))
    assert line.startswith("ERROR: dataset: 3 people with 2 or more photos give 0 for train, 1 for val and 2")


def test_a_full_disk_is_one_line_and_once_there_is_room_the_stage_runs_again(tmp_path: Path, photos: Path) -> None:
    project = new_project(tmp_path, photos)
    with small_disk(project.root / "data", kib=200):
        (line,) = error_lines(project.dvc("repro", "fetch", check=False))
        assert line.startswith("ERROR: data/raw/part-00000.parquet: the disk is full")
        assert list((project.root / "data/raw").iterdir()) == []
        assert "fetch" not in (project.root / "dvc.lock").read_text()
    assert "fetch" in executed(project.dvc("repro", "fetch"))
    assert pq.read_table(project.root / "data/raw").num_rows == 36


def test_no_network_is_one_line(tmp_path: Path, photos: Path) -> None:
    """Nobody listens on port 9 of this machine."""
    project = new_project(tmp_path / "here", photos)
    project.set_params(dataset={"source": "lfw", "path": NO_PHOTOS})
    command = f"XDG_CACHE_HOME={tmp_path} no_proxy= https_proxy=http://127.0.0.1:9 python stages/fetch.py"
    (line,) = error_lines(project.run("bash", "-c", command, check=False))
    assert line.startswith("ERROR: https://")
    assert "can't be downloaded ([Errno 111] Connection refused); run again with a network" in line
    assert f"put it at {tmp_path}/ftlgan/lfw/lfw.tgz by hand (its SHA-256 is " in line
    assert line.endswith("); or set dataset.source to null")


def people_by_split(project: Project) -> dict[str, list[Path]]:
    """The folders of the people in each split."""
    rows = pq.read_table(project.root / "data/raw", columns=["identity", "split"]).to_pylist()
    split_of = {row["identity"]: row["split"] for row in rows}
    return {split: [project.photos / who for who in split_of if split_of[who] == split] for split in SPLITS}


def test_photos_that_cannot_be_used_are_listed_and_the_rest_trains_or_is_tested(project: Project) -> None:
    people = people_by_split(project)
    alone, nobody, tested = project.photos / "alone", project.root.parent / "nobody", people["test"][0]
    (people["train"][1] / "0000.jpg").write_text("a text")
    for name in ("0000.jpg", "0001.jpg"):
        (tested / name).write_bytes((tested / name).read_bytes()[:3000])
    for folder, person in ((alone, 0), (nobody, 2), (nobody, 3)):
        folder.mkdir(exist_ok=True)
        shutil.move(people["train"][person] / "0000.jpg", folder / f"{person}.jpg")
    project.set_params(dataset={"unlabelled": "../nobody"})
    printed = project.dvc("repro")
    assert "align: 4 photos rejected" in printed
    rejects = {
        row["face_id"]: row["reason"] for row in pq.read_table(project.root / "data/rejects.parquet").to_pylist()
    }
    assert rejects == {
        f"{people['train'][1].name}/0000.jpg": "unreadable: not an image",
        **{f"{tested.name}/{name}": "unreadable: image file is truncated" for name in ("0000.jpg", "0001.jpg")},
        f"{tested.name}/0002.jpg": "the only usable photo of this person",
    }
    own = {"alone/0.jpg", "unlabelled/2.jpg", "unlabelled/3.jpg"}
    triplets = pq.read_table(project.root / "data/targets/ftlgan/_triplets").to_pylist()
    assert {row["anchor"] for row in triplets if row["anchor"] == row["positive"]} == own
    for table in ("gallery/dlib", "restored/bicubic/ftlgan", "probes/bicubic/ftlgan/dlib"):
        assert not own & set(pq.read_table(project.root / "data" / table)["face_id"].to_pylist())
    origin = json.loads((project.root / "metrics/origin.json").read_text())
    counted = origin["split"]["train"]
    assert (counted["single_photo_people"], counted["unlabelled_photos"]) == (1, 2)
    assert origin["left_out"]["rejects"] == {"unreadable": 3, "the only usable photo of this person": 1}

    shutil.copy(people["train"][4] / "0000.jpg", nobody / "4.jpg")
    gallery = project.root / "data/gallery/dlib/part-00000.parquet"
    before = gallery.read_bytes()
    assert executed(project.dvc("repro", "train@ftlgan", "gallery@dlib", "embed@bicubic-dlib-bicubic")) == {
        *("fetch", "align", "embed_teacher@sface", "triplets@sface", "targets@ftlgan", "degrade", "train@ftlgan"),
        *("gallery@dlib", "align_small", "degrade_test@bicubic"),
    }
    assert gallery.read_bytes() == before


def test_a_stage_that_fails_leaves_no_result(project: Project) -> None:
    (line,) = error_lines(project.dvc("exp", "run", "-S", "train.learning_rate=1e30", "train@ftlgan", check=False))
    assert line.startswith("ERROR: train: not finite at step")
    assert not (project.root / "data/model/ftlgan/generator.safetensors").exists()
    assert "train" in project.dvc("status")


def test_a_gpu_that_is_not_there_is_one_line(project: Project) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    project.set_params(train={"device": "cuda"})
    (line,) = error_lines(project.run("python", "stages/train.py", "ftlgan", check=False))
    assert line == "ERROR: train.device: 'cuda', but torch finds no GPU here; set it to cpu"
