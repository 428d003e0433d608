"""GFPGAN: everything up to its weights, with a small network of its class and with a whole one that holds zeros."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spandrel.architectures.GFPGAN import GFPGAN

from ftlgan import restoration
from ftlgan.errors import DataError, ParamsError
from ftlgan.params import PretrainedWeights, load_params
from ftlgan.restoration.gfpgan import GREY, Gfpgan, cut_out, place_on_template
from ftlgan.weights.packaged import sha256_of

PARAMS = Path(__file__).parents[2] / "params.yaml"
ARCFACE = np.array([[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]])
"""insightface's template, 112x112."""
FFHQ = np.array([[192.98, 239.95], [318.90, 240.19], [256.63, 314.02], [201.26, 371.41], [313.09, 371.15]])
"""facexlib's template, 512x512, on which GFPGAN's authors put faces."""


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    shares: dict[str, Any] = {"channel_multiplier": 0.5, "narrow": 0.125}  # spandrel declares them as int
    return GFPGAN(num_style_feat=32, num_mlp=2, **shares).eval()


@pytest.fixture
def lr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 14, 14, 3), dtype=np.uint8)


def test_a_face_of_112_and_the_same_twice(network: torch.nn.Module, lr: np.ndarray) -> None:
    first, second = Gfpgan(network, "cpu").restore(lr[[0, 0]])
    assert first.shape == (112, 112, 3)
    assert first.dtype == np.uint8
    assert first.std() > 0
    np.testing.assert_array_equal(first, second)


def test_the_network_sees_what_its_authors_show_it(lr: np.ndarray) -> None:
    seen: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor, return_rgb: bool, randomize_noise: bool) -> tuple[torch.Tensor, list[None]]:
            assert not randomize_noise
            seen.append(x)
            return x, []

    restored = Gfpgan(Spy(), "cpu").restore(lr[:1])
    assert seen[0].shape == (1, 3, 512, 512)
    assert seen[0].min() >= -1 and seen[0].max() <= 1
    corner = [round(float(value + 1) / 2 * 255) for value in seen[0][0, :, 0, 0]]
    assert tuple(corner) == GREY
    expected = restoration.load("bicubic").restore(lr[:1]).astype(int)
    assert np.abs(restored - expected)[:, 8:-8, 8:-8].mean() < 4, "not at its place when it comes back"


def test_eyes_nose_and_mouth_come_to_lie_where_they_lie_on_ffhq() -> None:
    """As near as a similarity can bring them: the templates differ by some pixels."""
    marks = np.zeros((112, 112, 3), np.uint8)
    for x, y in ARCFACE.round().astype(int):
        marks[y - 1 : y + 2, x - 1 : x + 2] = 255
    canvas = place_on_template(marks).copy()
    canvas[(canvas == GREY).all(axis=2)] = 0
    distances: list[float] = []
    for x, y in FFHQ:
        top, left = int(y) - 15, int(x) - 15
        rows, columns = np.nonzero(canvas[top : top + 31, left : left + 31, 0] > 128)
        distances.append(float(np.hypot(rows.mean() + top - y, columns.mean() + left - x)))
    assert np.mean(distances) < 6
    assert np.abs(cut_out(place_on_template(marks)).astype(int) - marks)[..., 0].mean() < 2


@pytest.mark.slow
def test_weights_of_the_whole_network_load_by_its_name(lr: np.ndarray, tmp_path: Path) -> None:
    """Zeros that share one byte range: 350 MB of network in a file of some kB."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in GFPGAN().state_dict().items()}
    path = tmp_path / "GFPGANv1.4.pth"
    torch.save({"params_ema": {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}}, path)
    restorer = restoration.load("gfpgan", PretrainedWeights(file=str(path), sha256=sha256_of(path)))
    assert (restorer.restore(lr[:1]) == 128).all(), "a network of zeros says 0 in [-1, 1]"


def test_without_a_network_one_line_says_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on port 9 of this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    weights = load_params(PARAMS).weights["gfpgan"]
    assert weights is not None
    with pytest.raises(DataError) as error:
        restoration.load("gfpgan", weights)
    message = str(error.value)
    place = tmp_path / "ftlgan/weights/GFPGANv1.4.pth"
    assert re.match(r"https://github\.com/TencentARC/GFPGAN/releases/.*GFPGANv1\.4\.pth: can't be downloaded", message)
    assert f"put it at {place} by hand (its SHA-256 is {weights.sha256}); or remove gfpgan from methods" in message
    assert "\n" not in message


def test_without_an_entry_in_params_it_asks_for_one() -> None:
    with pytest.raises(ParamsError, match=r"weights\.gfpgan: is missing"):
        restoration.load("gfpgan")
