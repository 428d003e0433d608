"""Pretrained weights: the right file loads, any other gives a one-line error, and no code in it runs."""

import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from spandrel.architectures.ESRGAN import ESRGAN

from ftlgan.errors import FtlganError
from ftlgan.params import PretrainedWeights
from ftlgan.weights.packaged import sha256_of
from ftlgan.weights.pretrained import load_pretrained

Save = Callable[[object], PretrainedWeights]


def network(scale: int = 4) -> torch.nn.Module:
    torch.manual_seed(0)
    return ESRGAN(num_filters=4, num_blocks=2, scale=scale).eval()


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(content: object) -> PretrainedWeights:
        torch.save(content, tmp_path / "net.pth")
        return PretrainedWeights(file=str(tmp_path / "net.pth"), sha256=sha256_of(tmp_path / "net.pth"))

    return save


def refusal(weights: PretrainedWeights) -> str:
    with pytest.raises(FtlganError) as error:
        load_pretrained("realesrgan", weights, "ESRGAN", 4, "cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("key", [None, "params", "params_ema"])
def test_the_network_of_the_file_comes_back(save: Save, key: str | None) -> None:
    state = network().state_dict()
    loaded = load_pretrained("realesrgan", save({key: state} if key else state), "ESRGAN", 4, "cpu")
    lr = torch.rand(1, 3, 5, 5)
    torch.testing.assert_close(loaded(lr), network()(lr))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_pickle_with_code_in_it_does_not_run(save: Save, tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
            return subprocess.getoutput, (f"touch {tmp_path}/it-ran",)

    assert "contains code, which was not run" in refusal(save({"params_ema": network().state_dict(), "more": Code()}))
    (tmp_path / "net.pth").write_bytes(pickle.dumps(Code(), protocol=2))
    weights = PretrainedWeights(file=str(tmp_path / "net.pth"), sha256=sha256_of(tmp_path / "net.pth"))
    assert "contains code, which was not run" in refusal(weights)
    assert not (tmp_path / "it-ran").exists()


def test_one_changed_bit_is_refused_with_both_digests_before_anything_is_read(save: Save) -> None:
    weights = save(network().state_dict())
    path = Path(weights.file)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    message = refusal(weights)
    assert message.startswith(f"{path}: has SHA-256 {sha256_of(path)}, expected {weights.sha256}")


def test_a_file_that_is_not_there_is_named_with_its_key_and_digest(save: Save) -> None:
    weights = save({})
    Path(weights.file).unlink()
    message = refusal(weights)
    assert message.startswith(f"weights.realesrgan.file: {weights.file}: there is no such file")
    assert weights.sha256 in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (network(scale=2).state_dict(), "has ESRGAN x2, but realesrgan needs ESRGAN x4"),
        (torch.nn.Linear(2, 2).state_dict(), "has no network that spandrel knows, but realesrgan needs ESRGAN"),
        ({}, "has no network that spandrel knows"),
        ([1, 2], "has no network that spandrel knows"),
        (torch.zeros(3), "has no network that spandrel knows"),
    ],
)
def test_another_network_is_one_line(save: Save, content: object, said: str) -> None:
    assert said in refusal(save(content))


@pytest.mark.parametrize("content", [b"", b"\x07" * 1000, b"PK\x03\x04" + b"\0" * 100])
def test_random_bytes_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    message = refusal(PretrainedWeights(file=str(path), sha256=sha256_of(path)))
    assert message.startswith(f"{path}: ")


def test_another_architecture_is_one_line(save: Save) -> None:
    weights = save(network().state_dict())
    with pytest.raises(FtlganError, match="has ESRGAN x4, but gfpgan needs GFPGAN x1"):
        load_pretrained("gfpgan", weights, "GFPGAN", 1, "cpu")
