"""A fingerprint is what dvc.yaml lists for the training, read from the real files and from a real git repository."""

import subprocess
from pathlib import Path

import pytest
from small import PARAMS

from ftlgan.errors import DataError
from ftlgan.training.fingerprint import Fingerprint, check_unchanged, take_fingerprint

DVC_YAML = """
stages:
  train:
    matrix: {model: ["ftlgan", "esrgan-like"]}
    params: [res, "losses.${item.model}", train.seed, train.validate]
    deps: [data/degraded, src/loop.py]
"""


def git(*command: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *identity, *command], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project with a table in two shards and a module."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    for name in ("data/degraded/part-00000.parquet", "data/degraded/part-00001.parquet", "src/loop.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("data\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "state")
    return tmp_path


def test_it_has_the_params_that_dvc_yaml_lists_and_the_commit_of_the_code(project: Path) -> None:
    found = take_fingerprint(PARAMS, "ftlgan")
    assert found.params == {
        "res": 14,
        "losses.ftlgan": PARAMS.losses["ftlgan"].model_dump(by_alias=True),
        "train.seed": 0,
        "train.validate": PARAMS.train.validate_every,
    }
    assert set(found.files) == {"data/degraded", "src/loop.py"}
    assert found.commit == git("rev-parse", "--short", "HEAD")
    assert {"torch", "numpy", "threads", "processor"} <= set(found.platform)
    assert take_fingerprint(PARAMS, "esrgan-like").key != found.key


@pytest.mark.parametrize("name", ["data/degraded/part-00001.parquet", "src/loop.py"])
def test_another_byte_in_data_or_code_is_another_training(project: Path, name: str) -> None:
    before = take_fingerprint(PARAMS, "ftlgan")
    (project / name).write_text("changed")
    after = take_fingerprint(PARAMS, "ftlgan")
    assert after.key != before.key
    assert after.changed_files(before) == [name if name.startswith("src") else "data/degraded"]
    assert (after.commit is None) == name.startswith("src"), "git does not watch the data"


def test_params_or_data_that_change_while_it_trains_are_refused(project: Path) -> None:
    begun = take_fingerprint(PARAMS, "ftlgan")
    (project / "src/loop.py").write_text("a comment more")
    check_unchanged(begun, PARAMS.model_copy(update={"seed": 7}), "ftlgan")
    with pytest.raises(DataError, match="its params or data changed while it ran: res was 14, is 28; change"):
        check_unchanged(begun, PARAMS.model_copy(update={"res": 28}), "ftlgan")
    (project / "data/degraded/part-00001.parquet").write_text("of another res")
    with pytest.raises(DataError, match="data/degraded has changed; change them back and run again"):
        check_unchanged(begun, PARAMS, "ftlgan")


def test_what_dvc_yaml_does_not_list_is_the_same_training(project: Path) -> None:
    before = take_fingerprint(PARAMS, "ftlgan")
    (project / "src/errors.py").write_text("a typo less")
    train = PARAMS.train.model_copy(update={"checkpoint": 7})
    assert take_fingerprint(PARAMS.model_copy(update={"train": train}), "ftlgan").key == before.key


def test_two_params_that_differ_are_named_with_both_values() -> None:
    one, other = (Fingerprint({"res": 14, "train.seed": seed}, {}, None, {}) for seed in (0, 1))
    assert other.changed_params(one) == ["train.seed was 0, is 1"]


@pytest.mark.parametrize("content", ["", "stages: {}", "stages: [a]", "stages:"])
def test_a_dvc_yaml_without_the_stage_is_one_line(project: Path, content: str) -> None:
    """Otherwise, all trainings would have the same fingerprint."""
    (project / "dvc.yaml").write_text(content)
    with pytest.raises(DataError, match=r"^dvc\.yaml: has no params or no deps of the stage train"):
        take_fingerprint(PARAMS, "ftlgan")
