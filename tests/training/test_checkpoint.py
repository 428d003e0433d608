"""A checkpoint is what was written, or it is refused."""

from pathlib import Path

import pytest
import torch
from small import SCHEDULE

from ftlgan.errors import WeightsError
from ftlgan.networks.generator import Generator
from ftlgan.training.checkpoint import Checkpoint, digest
from ftlgan.training.state import State

TENSORS = {"weight": torch.arange(6.0).view(2, 3), "step": torch.tensor(7)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "a" / "c.safetensors", 10)


def test_what_was_written_last_is_read(checkpoint: Checkpoint) -> None:
    assert checkpoint.read() is None
    checkpoint.write({"weight": torch.zeros(1)}, {"step": 1})
    checkpoint.write(TENSORS, {"step": 7, "best": 2.5})
    found = checkpoint.read()
    assert found
    assert found[1] == {"step": 7, "best": 2.5}
    assert found[0].keys() == TENSORS.keys()
    assert all(torch.equal(found[0][name], TENSORS[name]) for name in TENSORS)
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize("content", [b"", b"\x93random bytes" * 100, b"\xff" * 64])
def test_random_bytes_are_refused_in_a_line_with_a_way_out(checkpoint: Checkpoint, content: bytes) -> None:
    checkpoint.path.parent.mkdir()
    checkpoint.path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"c\.safetensors: is no whole checkpoint .*delete it") as error:
        checkpoint.read()
    assert "\n" not in str(error.value)


def test_half_a_file_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.write(TENSORS, {"step": 7})
    whole = checkpoint.path.read_bytes()
    for length in (4, len(whole) // 2, len(whole) - 1):
        checkpoint.path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="no whole checkpoint"):
            checkpoint.read()


@pytest.mark.parametrize("where", ["a tensor", "what is said of it"])
def test_a_flipped_bit_is_refused(checkpoint: Checkpoint, where: str) -> None:
    checkpoint.write(TENSORS, {"step": 7})
    broken = bytearray(checkpoint.path.read_bytes())
    broken[-1 if where == "a tensor" else broken.index(b"7}")] ^= 1
    checkpoint.path.write_bytes(broken)
    with pytest.raises(WeightsError, match="not what was written"):
        checkpoint.read()


def test_what_a_kill_left_half_written_goes_with_the_next_writing(checkpoint: Checkpoint) -> None:
    checkpoint.path.parent.mkdir()
    for name in ("c.123.part", "other.123.part"):
        (checkpoint.path.parent / name).write_bytes(b"half")
    checkpoint.write(TENSORS, {"step": 7})
    assert {path.name for path in checkpoint.path.parent.iterdir()} == {"c.safetensors", "other.123.part"}


def test_a_long_history_fits(checkpoint: Checkpoint) -> None:
    """The header of safetensors ends at 100 MB."""
    state = State(Generator(14, 8, 1, 4), None, SCHEDULE)
    state.history = [
        (step, {"total": 0.1, "val_d_prime": 1.0} if step % 2 else {"total": 0.2}) for step in range(500_000)
    ]
    checkpoint.write(state.tensors(), state.about())
    found, again = checkpoint.read(), State(Generator(14, 8, 1, 4), None, SCHEDULE)
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


def test_other_params_or_other_data_are_another_training(tmp_path: Path) -> None:
    data = tmp_path / "t.parquet"
    data.write_bytes(b"1")
    first = digest({"res": 14}, [data])
    assert digest({"res": 28}, [data]) != first
    assert digest({"res": 14}, [data]) == first
    data.write_bytes(b"2")
    assert digest({"res": 14}, [data]) != first
