"""What git and DVC's files say of the project, compared with DVC's own answer."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from ftlgan.repository import git, locked_stages, stage_deps, stage_metrics, stage_params, stages_in, upstream_stages


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_git_returns_what_it_prints_and_none_without_a_repository(root: Path) -> None:
    assert git("rev-parse", "--is-inside-work-tree") is None
    subprocess.run(["git", "init", "-q"], check=True)
    assert git("rev-parse", "--is-inside-work-tree") == "true"
    assert git("rev-parse", "--verify", "--quiet", "HEAD") is None


def test_the_stages_of_no_matrix_and_of_matrices_of_any_dimension_are_those_that_dvc_names() -> None:
    params = {"methods": ["bicubic", "no-triplet"], "recognition": {"judges": ["sface", "dlib"]}, "sizes": [14, 28]}
    Path("params.yaml").write_text(f"{params}")
    matrices = {
        "gallery": "{judge: '${recognition.judges}'}",
        "embed": "{method: '${methods}', judge: '${recognition.judges}'}",
        "table": "{judge: [dlib], size: '${sizes}', method: '${methods}'}",
    }
    lines = [f"{name}: {{matrix: {matrix}, cmd: 'true'}}" for name, matrix in matrices.items()]
    Path("dvc.yaml").write_text(f"stages: {{align: {{cmd: 'true'}}, {', '.join(lines)}}}")
    with Repo.init(no_scm=True) as repo:
        names = {stage.addressing for stage in repo.index.stages}
    assert len(names) == 1 + 2 + 4 + 4
    gone = {"align@a", "gallery", "gallery@arcface", "embed@bicubic", "embed@sface-bicubic", "embed@gfpgan-sface", "x"}
    Path("dvc.lock").write_text(f"stages: {{{', '.join(f'{name}: {{}}' for name in names | gone)}}}")
    assert set(locked_stages(params)) == names


def test_params_and_deps_of_a_stage_are_those_of_its_item() -> None:
    Path("dvc.yaml").write_text(
        """
stages:
  train:
    matrix: {model: '${models}'}
    cmd: 'true'
    params: [res, 'losses.${item.model}', other.yaml: [a], train]
    deps: [data/aligned, 'data/${item.model}/x-${item.model}', src/train.py]
  locate: {cmd: 'true'}
"""
    )
    assert stage_params("train", "no-triplet") == ["res", "losses.no-triplet", "train"]
    assert stage_deps("train", "a") == [Path("data/aligned"), Path("data/a/x-a"), Path("src/train.py")]
    assert stage_params("locate", "") == stage_deps("locate", "") == []
    assert stage_params("nonsense", "") == stage_deps("nonsense", "") == []


def test_stages_are_upstream_through_others() -> None:
    Path("dvc.yaml").write_text("stages: {evaluate: {deps: [data/probes, dvc.yaml]}}")
    Path("lock").write_text(
        """
stages:
  align: {outs: [{path: data/aligned}]}
  embed@a-b: {deps: [{path: data/aligned/faces}], outs: [{path: data/probes/a/b}]}
  other: {deps: [{path: data/aligned}], outs: [{path: data/probes.txt}]}
  evaluate: {deps: [{path: data/probes}], outs: [{path: metrics}]}
"""
    )
    assert set(upstream_stages("evaluate", stages_in(Path("lock")))) == {"align", "embed@a-b"}


def test_metrics_of_a_stage_are_the_numbers_in_its_files() -> None:
    Path("dvc.yaml").write_text("stages: {evaluate: {metrics: [a.json, b.json: {cache: false}, missing.json]}}")
    Path("a.json").write_text('{"hr": {"auc": 1, "d\'": 2.5}, "judge": "dlib"}')
    Path("b.json").write_text('{"psnr": 25.5}')
    assert stage_metrics("evaluate") == {"hr.auc": 1, "hr.d'": 2.5, "psnr": 25.5}
    assert stage_metrics("align") == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "1",
        "stages: {",
        "stages:",
        "stages: [a]",
        "stages: {a: 1}",
        "a: 2026-99-99",
        "<<<<<<< HEAD\nstages:\n=======\n",
    ],
)
def test_a_file_that_cannot_be_read_has_no_stages(content: str) -> None:
    assert stages_in(content) == {}
    assert stages_in(Path("missing")) == {}
