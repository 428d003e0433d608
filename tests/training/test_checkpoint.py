"""A checkpoint is read as it was written, or a line says why it is not used."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from small import CONFIG, small_generator

from ftlgan.errors import DataError
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.fingerprint import Fingerprint
from ftlgan.training.state import State

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "step": torch.tensor(7)}
CODE, DATA = "src/ftlgan/training/loop.py", "data/degraded"
FINGERPRINT = Fingerprint({"res": 14, "train.seed": 0}, {CODE: "1a", DATA: "2b"}, "c0ffee1", {"threads": "2"})


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "a", "model", FINGERPRINT)


def other(checkpoint: Checkpoint, **changes: object) -> Checkpoint:
    """The checkpoint of another training of the same model."""
    return replace(checkpoint, fingerprint=replace(FINGERPRINT, **changes))


def said(checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a training says of other checkpoints when it begins."""
    capsys.readouterr()
    with checkpoint.in_use():
        return capsys.readouterr().err.splitlines()


def test_what_was_written_last_is_read(checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkpoint.read() is None
    checkpoint.write({"weight": torch.zeros(1)}, {"step": 1})
    checkpoint.write(TENSORS, {"step": 7, "best": 2.5})
    found = checkpoint.read()
    assert found
    assert found[1] == {"step": 7, "best": 2.5}
    assert found[0].keys() == TENSORS.keys()
    assert all(torch.equal(found[0][name], TENSORS[name]) for name in TENSORS)
    assert list(checkpoint.folder.iterdir()) == [checkpoint.path]
    assert capsys.readouterr().err == ""


def test_what_cannot_be_written_is_one_line(checkpoint: Checkpoint) -> None:
    nowhere = Checkpoint(Path("/dev/null"), "model", checkpoint.fingerprint)
    with pytest.raises(DataError, match=r"^/dev/null/model-[0-9a-f]+\.safetensors: "):
        nowhere.write(TENSORS, {"step": 1})


@pytest.mark.parametrize("content", [b"", b"\x93random bytes" * 100, b"\xff" * 64])
def test_random_bytes_are_removed_and_a_line_says_so(
    checkpoint: Checkpoint, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.folder.mkdir()
    checkpoint.path.write_bytes(content)
    assert checkpoint.read() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{checkpoint.path}: is not a complete checkpoint (")
    assert line.endswith("); removed, training starts again")
    assert not checkpoint.path.exists()


def test_half_a_file_is_removed(checkpoint: Checkpoint) -> None:
    checkpoint.write(TENSORS, {"step": 7})
    whole = checkpoint.path.read_bytes()
    for length in (4, len(whole) // 2, len(whole) - 1):
        checkpoint.path.write_bytes(whole[:length])
        assert checkpoint.read() is None
        assert not checkpoint.path.exists()


@pytest.mark.parametrize("where", ["a tensor", "a number"])
def test_a_flipped_bit_is_noticed(checkpoint: Checkpoint, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint.write(TENSORS, {"step": 7})
    broken = bytearray(checkpoint.path.read_bytes())
    broken[-1 if where == "a tensor" else broken.index(b"7}")] ^= 1
    checkpoint.path.write_bytes(broken)
    assert checkpoint.read() is None
    assert "its digest does not match its content" in capsys.readouterr().err


def test_only_the_first_of_several_processes_speaks(checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint.folder.mkdir()
    checkpoint.path.write_bytes(b"")
    assert checkpoint.read(report=False) is None
    assert capsys.readouterr().err == ""


def test_what_a_kill_left_half_written_goes_with_the_next_writing(checkpoint: Checkpoint) -> None:
    checkpoint.folder.mkdir()
    for name in (f"{checkpoint.path.stem}.123.part", "other.123.part"):
        (checkpoint.folder / name).write_bytes(b"half")
    checkpoint.write(TENSORS, {"step": 7})
    assert {path.name for path in checkpoint.folder.iterdir()} == {checkpoint.path.name, "other.123.part"}


def test_a_long_history_fits(checkpoint: Checkpoint) -> None:
    """The header of safetensors ends at 100 MB."""
    state = State(small_generator(), None, CONFIG)
    state.history = [
        (step, {"total": 0.1, "val_d_prime": 1.0} if step % 2 else {"total": 0.2}) for step in range(500_000)
    ]
    checkpoint.write(state.tensors(), state.numbers())
    found, again = checkpoint.read(), State(small_generator(), None, CONFIG)
    assert found
    again.restore(*found)
    assert again.history == state.history


def test_a_writing_that_was_cut_short_leaves_the_old_one(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write(TENSORS, {"step": 7})

    def half(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("ftlgan.training.checkpoint.save_file", half)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write(TENSORS, {"step": 8})
    found = checkpoint.read()
    assert found
    assert found[1]["step"] == 7


@pytest.mark.parametrize("changes", [{"params": {"res": 28}}, {"files": {CODE: "3c"}}])
def test_other_params_or_files_are_another_training(checkpoint: Checkpoint, changes: dict[str, object]) -> None:
    assert other(checkpoint, **changes).path != checkpoint.path


@pytest.mark.parametrize("changes", [{"platform": {"threads": "8"}}, {"commit": None}])
def test_another_platform_or_commit_with_the_same_code_is_the_same_training(
    checkpoint: Checkpoint, changes: dict[str, object]
) -> None:
    assert other(checkpoint, **changes).path == checkpoint.path


def test_on_another_platform_a_training_goes_on_and_says_what_differs(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    other(checkpoint, platform={"threads": "8"}).write(TENSORS, {"step": 7})
    assert checkpoint.read()
    (line,) = capsys.readouterr().err.splitlines()
    assert "another platform (threads 8, now 2); training resumes from it" in line


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"params": {"res": 14, "train.seed": 1}}, "train.seed was 1, is 0; set it back to resume from it"),
        ({"params": {"res": 28, "train.seed": 1}}, "res was 28, is 14 (and 1 more); set it back to resume from it"),
        ({"files": {CODE: "1a", DATA: "9f"}}, f"{DATA} has changed since; restore it to resume from it"),
        ({"files": {CODE: "9f", DATA: "2b"}}, f"{CODE} has changed since; check out c0ffee1 to resume from it"),
    ],
)
def test_a_checkpoint_that_can_be_used_again_is_kept_and_a_line_says_how(
    checkpoint: Checkpoint, changes: dict[str, object], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = other(checkpoint, **changes)
    earlier.write(TENSORS, {"step": 7})
    assert said(checkpoint, capsys) == [f"{earlier.path}: is not used: {reason}"]
    assert list(checkpoint.folder.iterdir()) == [earlier.path]


@pytest.mark.parametrize("kind", ["another version", "other fields", "random bytes"])
def test_a_checkpoint_that_can_never_be_used_again_is_removed_and_a_line_says_so(
    checkpoint: Checkpoint, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = other(checkpoint, params={"res": 28})
    earlier.write(TENSORS, {"step": 7})
    path = earlier.path
    if kind == "another version":
        path = earlier.path.rename(checkpoint.folder / f"{os.urandom(8).hex()}.safetensors")
        path.write_bytes(path.read_bytes().replace(b"fingerprint", b"fingerprimt"))
    if kind == "other fields":
        path.write_bytes(path.read_bytes().replace(b"platform", b"platforn"))
    if kind == "random bytes":
        path.write_bytes(os.urandom(500))
    (line,) = said(checkpoint, capsys)
    assert line.startswith(f"{path}: is not used: it is not a complete checkpoint of this version (")
    assert line.endswith("); removed")
    assert list(checkpoint.folder.iterdir()) == []


def test_a_checkpoint_of_code_that_was_never_committed_goes_when_the_training_is_done(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    """Until then, the user can restore the code."""
    earlier = other(checkpoint, files={CODE: "9f", DATA: "2b"}, commit=None)
    earlier.write(TENSORS, {"step": 7})
    with pytest.raises(KeyboardInterrupt), checkpoint.in_use():
        checkpoint.write(TENSORS, {"step": 1})
        raise KeyboardInterrupt
    assert earlier.path.exists()
    capsys.readouterr()
    with checkpoint.in_use():
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{earlier.path}: is not used: {CODE} has changed since, and the old code was not")
        checkpoint.remove()
    assert list(checkpoint.folder.iterdir()) == []


def test_a_second_training_of_the_same_waits_and_says_so(
    checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    began = threading.Event()

    def second() -> None:
        with checkpoint.in_use():
            began.set()

    with checkpoint.in_use():
        thread = threading.Thread(target=second)
        thread.start()
        assert not began.wait(0.5)
    thread.join(30)
    assert began.is_set()
    assert "the same training runs in another process; this one waits" in capfd.readouterr().err


def test_the_checkpoint_of_a_training_under_way_is_left_alone(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = other(checkpoint, files={CODE: "9f"}, commit=None)
    earlier.write(TENSORS, {"step": 7})
    with FileLock(earlier.path.with_suffix(".lock")):
        assert said(checkpoint, capsys) == []
    assert earlier.path.exists()


def test_checkpoints_of_other_models_are_left_alone(checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("model-2", "mod", "another"):
        replace(other(checkpoint, commit=None, files={CODE: "9f"}), model=model).write(TENSORS, {"step": 7})
    assert said(checkpoint, capsys) == []
    assert len(list(checkpoint.folder.iterdir())) == 3


def test_a_training_that_is_done_leaves_nothing(checkpoint: Checkpoint) -> None:
    with checkpoint.in_use():
        checkpoint.write(TENSORS, {"step": 7})
        checkpoint.remove()
    assert list(checkpoint.folder.iterdir()) == []
