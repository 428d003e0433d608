"""Real-ESRGAN with its authors' weights: ncnn on the CPU and torch are one network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rrdb import from_ncnn

from ftlgan import restoration
from ftlgan.degradation import degrade
from ftlgan.params import PACKAGED, PretrainedWeights
from ftlgan.restoration.realesrgan import NcnnEnlarger, RealEsrgan, load, torch_enlarger
from ftlgan.weights.packaged import sha256_of


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return from_ncnn()


@pytest.fixture(scope="module")
def hr(photo: bytes, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    path.write_bytes(photo)
    return np.asarray(Image.open(path).convert("RGB").resize((112, 112), Image.Resampling.BICUBIC))


def small(hr: np.ndarray, res: int) -> np.ndarray:
    return np.stack([degrade(hr, res, "bicubic", np.random.default_rng(0))])


def test_ncnn_and_torch_are_one_network(network: torch.nn.Module, hr: np.ndarray) -> None:
    lr = small(hr, 14)
    by_ncnn, by_torch = (enlarge(lr).astype(int) for enlarge in (NcnnEnlarger(), torch_enlarger(network, "cpu")))
    assert by_ncnn.shape == (1, 56, 56, 3)
    difference = np.abs(by_ncnn - by_torch)
    assert difference.max() <= 1, "more than rounding"
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("res", [14, 28, 56])
def test_whatever_the_resolution_a_face_of_112_that_resembles_the_photo(hr: np.ndarray, res: int) -> None:
    restored = restoration.load("realesrgan", PretrainedWeights(file=PACKAGED, sha256="0" * 64)).restore(small(hr, res))
    assert restored.shape == (1, 112, 112, 3)
    assert restored.dtype == np.uint8
    assert np.corrcoef(restored.ravel(), hr.ravel())[0, 1] > 0.9


def test_what_is_four_times_as_large_and_not_112_is_resized_bicubically(hr: np.ndarray) -> None:
    """A network that repeats pixels replaces the real one."""
    restorer = RealEsrgan(lambda lr: lr.repeat(4, 1).repeat(4, 2), faces_per_call=1)
    for res in (14, 28, 56):
        lr = small(hr, res)
        enlarged = Image.fromarray(lr[0].repeat(4, 0).repeat(4, 1)).resize((112, 112), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(restorer.restore(lr)[0], np.asarray(enlarged))


def test_the_pth_gives_what_the_package_gives(network: torch.nn.Module, hr: np.ndarray, tmp_path: Path) -> None:
    """In the form of the official file: BasicSR's names, in `params_ema`."""
    path = tmp_path / "RealESRGAN_x4plus.pth"
    torch.save({"params_ema": network.state_dict()}, path)
    by_torch = load(PretrainedWeights(file=str(path), sha256=sha256_of(path)), "cpu").restore(small(hr, 14))
    by_ncnn = load(None, "cpu").restore(small(hr, 14))
    assert np.abs(by_torch.astype(int) - by_ncnn).max() <= 1
