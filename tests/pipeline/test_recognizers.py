"""A recognizer by file, under the real DVC: what it makes stale as a judge and as a teacher, and what it leaves."""

import csv
import json

import pytest
from onnx_models import build, export, save
from project import Project, executed

MODELS = ("ftlgan", "no-triplet")
JUDGED = ("evaluate", "identify", "calibrate", "verify_pairs")
BY_MINE = {
    *("embed_teacher@mine", "triplets@mine", "gallery@mine", "embed@bicubic-mine-bicubic"),
    *(f"embed_model@{model}-mine-bicubic" for model in MODELS),
}
"""The stages that compute with the recognizer that is added."""
OF_FTLGAN = {
    *("targets@ftlgan", "train@ftlgan", "validate@ftlgan", "restore_model@ftlgan-bicubic"),
    *(f"embed_model@ftlgan-{judge}-bicubic" for judge in ("sface", "dlib", "mine")),
    *JUDGED,
    "quality",
}


def boxes(project: Project) -> dict[tuple[str, str], str]:
    """What each judge is to each method."""
    with (project.root / "metrics/verification.csv").open(encoding="utf-8") as file:
        return {(row["judge"], row["method"]): row["box"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_recognizer_by_file_judges_and_teaches_by_params_alone(project: Project) -> None:
    project.set_params(models=list(MODELS))
    project.dvc("repro")
    entry = save(export(build("mobilefacenet"), opset=11), project.root.parent / "mine.onnx")
    mine = {"file": "../mine.onnx", "sha256": entry.sha256, "license": "mine"}

    project.set_params(
        recognizers={"mine": mine}, recognition={"teachers": ["sface", "mine"], "judges": ["sface", "mine", "dlib"]}
    )
    validations = {f"validate@{model}" for model in MODELS}
    targets = {f"targets@{model}" for model in MODELS}
    assert executed(project.dvc("repro")) == {*BY_MINE, *targets, *validations, *JUDGED}, "and nothing was trained"
    assert boxes(project)["mine", "ftlgan"] == boxes(project)["dlib", "ftlgan"] == "black"
    assert json.loads((project.root / "metrics/origin.json").read_text())["judges"]["mine"]["white_for"] == []

    project.set_params(losses={"ftlgan": {"teacher": ["sface", "mine"]}})
    assert project.stale() == {"targets@ftlgan", "train@ftlgan", "restore_model@ftlgan-bicubic"}
    assert executed(project.dvc("repro")) == OF_FTLGAN, "and the other model was not trained"
    found = boxes(project)
    assert {model: found["mine", model] for model in (*MODELS, "bicubic", "hr")} == {
        **{"ftlgan": "white", "no-triplet": "black"},
        **{"bicubic": "black", "hr": "black"},
    }
    assert {found["dlib", model] for model in MODELS} == {"black"}
    judges = json.loads((project.root / "metrics/origin.json").read_text())["judges"]
    assert judges["sface"]["white_for"] == list(MODELS)
    assert judges["mine"]["white_for"] == ["ftlgan"]

    other = save(export(build("iresnet")), project.root.parent / "mine.onnx")
    lines = project.dvc("repro", "--force", "--single-item", "gallery@mine", check=False).splitlines()
    assert any(other.sha256 in line and "set recognizers.mine.sha256" in line for line in lines)
    project.set_params(recognizers={"mine": {"sha256": other.sha256}})
    assert project.stale() == (BY_MINE - {"triplets@mine"}) | validations | {*JUDGED}, "which lack what is gone"


def test_a_relative_file_is_found_from_a_copy_of_the_project(project: Project) -> None:
    entry = save(export(build("mobilefacenet")), project.root / "mine.onnx")
    mine = {"file": "mine.onnx", "sha256": entry.sha256, "license": "mine"}
    project.set_params(recognizers={"mine": mine}, recognition={"judges": ["sface", "dlib", "mine"]})
    printed = project.dvc("exp", "run", "--temp", "gallery@mine")
    assert "gallery@mine" in executed(printed)
