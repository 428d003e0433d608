import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Noise, black, white, a smooth image, edges, and a drawn face: uint8 RGB, (6, 112, 112, 3)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:112, :112]
    noise = rng.integers(0, 256, (112, 112, 3))
    smooth = np.stack([x * 2, y * 2, 222 - x - y], axis=-1)
    edges = np.stack([(x // 8 + y // 8) % 2 * 255] * 3, axis=-1)
    return np.stack([noise, np.zeros_like(noise), np.full_like(noise, 255), smooth, edges, drawing()]).astype(np.uint8)


def drawing() -> np.ndarray:
    """A face as a child draws it, where the ArcFace template has eyes, nose and mouth."""
    image = np.full((112, 112, 3), (90, 120, 160), np.uint8)
    cv2.ellipse(image, (56, 62), (42, 56), 0, 0, 360, (224, 180, 150), -1)
    for eye in ((38, 52), (74, 52)):
        cv2.ellipse(image, eye, (8, 4), 0, 0, 360, (250, 250, 250), -1)
        cv2.circle(image, eye, 3, (60, 40, 30), -1)
    cv2.line(image, (56, 54), (56, 74), (180, 130, 110), 3)
    cv2.ellipse(image, (56, 92), (15, 4), 0, 0, 360, (170, 60, 70), -1)
    return image


@pytest.fixture
def aligned_faces() -> np.ndarray:
    """Smooth images that stand for aligned faces: uint8, (6, 112, 112, 3)."""
    y, x = np.mgrid[:112, :112]
    return np.stack([np.stack([x * (k + 1), y * 2, 20 * k + x - y], axis=-1) for k in range(6)]).astype(np.uint8)
