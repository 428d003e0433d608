"""Requirements that this machine does not meet: the error names them."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.transforms.functional import normalize

from ftlgan.errors import ParamsError, WeightsError
from ftlgan.losses import vgg19
from ftlgan.losses.vgg19 import Vgg19
from ftlgan.networks.device import autocast, prepare_compiler, prepare_device


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch asks for no packages of its own for a GPU")
def test_packages_for_a_gpu_that_are_not_installed_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setitem(sys.modules, "triton", None)  # as on a machine that installed requirements.lock alone
    with pytest.raises(ParamsError, match=r"train.device: 'cuda', .* -r requirements-gpu.lock`, or set it to cpu"):
        prepare_device("cuda", 0)


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


def test_compiling_without_a_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ParamsError, match=r"train.compile: true needs a C.. compiler, but no-such-compiler is missing"):
        prepare_compiler()


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
    with pytest.raises(WeightsError, match=r"vgg19-dcbb9e9d.pth: is missing, but .* set the param to teacher"):
        Vgg19()


def test_vgg19_gives_five_layers_before_activation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Random weights are used, because the real ones are not part of this project."""
    torch.manual_seed(0)
    network = torchvision.models.vgg19().eval()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/vgg19-dcbb9e9d.pth").touch()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(vgg19, "VGG19_SHA256", hashlib.sha256(b"").hexdigest())
    monkeypatch.setattr(torch, "load", lambda *_, **__: network.state_dict())
    faces, mean, std = torch.rand(1, 3, 32, 32), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x, convolutions = normalize(faces, mean, std), list[torch.Tensor]()
    for layer in network.features.children():
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            convolutions.append(x.clone())
    found = Vgg19()(faces)
    for ours, nth in zip(found, (2, 4, 8, 12, 16), strict=True):  # conv1_2, conv2_2, conv3_4, conv4_4, conv5_4
        torch.testing.assert_close(ours, convolutions[nth - 1])
