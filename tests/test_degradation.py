"""HR -> LR."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from ftlgan.degradation import blur_by_motion, degrade, draw_kind, shrink_by_held_out_chain, shrink_realistically
from ftlgan.params import Degradation


@pytest.fixture
def face() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)


@pytest.mark.parametrize("res", [14, 28, 56])
def test_it_has_the_size_that_was_asked_for(face: np.ndarray, res: int) -> None:
    lr = degrade(face, res)
    assert lr.shape == (res, res, 3)
    assert lr.dtype == np.uint8


@pytest.mark.parametrize("res", [14, 28, 56])
def test_it_is_antialiased_as_torchs_is(face: np.ndarray, res: int) -> None:
    image = torch.from_numpy(face).permute(2, 0, 1)[None].float()
    reference = (
        F.interpolate(image, size=(res, res), mode="bicubic", antialias=True)[0].permute(1, 2, 0).round().clamp(0, 255)
    )
    assert np.abs(degrade(face, res).astype(int) - reference.numpy()).max() <= 1


def test_the_kernel_matters(face: np.ndarray) -> None:
    assert not np.array_equal(degrade(face, 14, "bicubic"), degrade(face, 14, "box"))


def test_box_is_the_mean_of_each_square(face: np.ndarray) -> None:
    mean = face.reshape(14, 8, 14, 8, 3).mean(axis=(1, 3))
    assert np.abs(degrade(face, 14, "box") - mean).max() <= 1


def test_a_realistic_face_is_drawn_and_the_same_draw_gives_the_same_face(face: np.ndarray) -> None:
    first, again, other = (degrade(face, 14, "realistic", np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (14, 14, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_realistic_face_is_blurred_noisy_and_still_the_face() -> None:
    ramp = np.linspace(40, 215, 112)
    face = np.stack([np.add.outer(ramp, ramp) / 2] * 3, axis=2).astype(np.uint8)
    clean, rng = degrade(face, 28).astype(float), np.random.default_rng(0)
    errors = [np.abs(degrade(face, 28, "realistic", rng) - clean).mean() for _ in range(50)]
    assert 0.5 < np.mean(errors) < 10
    assert np.std(errors) > 0.1  # some are worse than others


def test_the_realistic_chain_shrinks_a_whole_photo_by_a_factor() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (250, 180, 3), dtype=np.uint8)
    assert shrink_realistically(photo, 0.15, np.random.default_rng(0)).shape == (38, 27, 3)


def test_a_share_of_the_faces_is_degraded_realistically_and_without_a_share_nothing_is_drawn() -> None:
    rng = np.random.default_rng(0)
    kinds = [draw_kind(Degradation(kind="box", realistic=0.25), rng) for _ in range(1000)]
    assert 200 < kinds.count("realistic") < 300
    assert kinds.count("box") + kinds.count("realistic") == 1000
    state = rng.bit_generator.state
    assert draw_kind(Degradation(kind="box", realistic=0), rng) == "box"
    assert rng.bit_generator.state == state


def test_the_held_out_chain_blurs_along_a_line_is_noisy_where_it_is_bright_and_still_the_face() -> None:
    ramp = np.stack([np.tile(np.linspace(20, 235, 112), (112, 1))] * 3, axis=2).astype(np.uint8)
    clean, rng = degrade(ramp, 28).astype(float), np.random.default_rng(0)
    errors = np.stack([shrink_by_held_out_chain(ramp, 28 / 112, rng) - clean for _ in range(100)])
    assert np.abs(errors.mean()) < 2
    assert errors[:, :, 20:26].std() > 1.2 * errors[:, :, 2:8].std(), "shot noise"
    first, again = (shrink_by_held_out_chain(ramp, 28 / 112, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)


def test_motion_blur_spreads_a_dot_along_its_direction() -> None:
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 20] = 255
    for degrees, along, across in ((0, 1, 0), (90, 0, 1)):
        spread = blur_by_motion(dot, 7, degrees)[..., 0].astype(float)
        places = np.argwhere(spread > 0) - 20
        assert np.ptp(places[:, along]) >= 6
        assert np.ptp(places[:, across]) <= 2
        assert spread.sum() == pytest.approx(255, abs=10)
