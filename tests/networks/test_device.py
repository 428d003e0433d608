"""What is asked of this machine and is not there."""

import os

import pytest
import torch

from ftlgan.errors import ParamsError, WeightsError
from ftlgan.networks.device import autocast, prepare_device
from ftlgan.networks.vgg19 import Vgg19


@pytest.mark.parametrize(
    ("found", "devices", "said"),
    [(0, 1, "train.device: 'cuda', but torch finds no GPU here; set it to cpu"), (1, 2, "finds 1 GPU here; lower it")],
)
def test_a_gpu_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, found: int, devices: int, said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(ParamsError, match=said):
        prepare_device("cuda", 0, devices)


def test_the_same_seed_gives_the_same_draws_and_what_would_not_repeat_is_refused() -> None:
    draws = []
    for _ in range(2):
        prepare_device("cpu", 3)
        draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"]


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("tf32", True), ("bfloat16", True)])
def test_short_mantissas_are_allowed_knowingly(precision: str, allowed: bool) -> None:
    prepare_device("cpu", 0, 1, precision)  # pyright: ignore[reportArgumentType]
    assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == allowed
    prepare_device("cpu", 0)


def test_bfloat16_computes_in_it_and_float32_does_not() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.rand(1, 2)
    with autocast("cpu", "bfloat16"):
        assert layer(x).dtype == torch.bfloat16
    with autocast("cpu", "float32"):
        assert layer(x).dtype == torch.float32


def test_vgg19_without_its_weights_says_where_they_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path_factory.getbasetemp()))
    with pytest.raises(WeightsError, match=r"vgg19-dcbb9e9d.pth: is missing, which .* set it to teacher"):
        Vgg19()
