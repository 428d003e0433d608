"""The ArcFace template: five landmarks, on which faces are aligned. Its similarity to landmarks in a photo.

Source: Deng et al., "ArcFace" (2019).
"""

import numpy as np

from ftlgan.faces import HR

MISFIT = 11.0
"""The largest root mean square distance between landmarks and the ArcFace template, in pixels of 112. In 751 photos of
LFW the median is 3; two exceed the limit: half profiles, which are rejected."""


def tilt(landmarks: np.ndarray) -> float:
    """Return the angle by which the ArcFace template is turned to fit five landmarks, in degrees, clockwise."""
    return float(np.degrees(np.angle(np.vdot(_complex(template()), _complex(landmarks)))))


def plausible(landmarks: np.ndarray) -> bool:
    """Tell whether five landmarks have the layout of a face, at any rotation.

    The eyes must be above the nose, and the nose above the mouth; the left eye and mouth corner must be left of the
    right ones; and the proportions must be close to those of the ArcFace template.
    """
    points, expected = _complex(landmarks), _complex(template())
    similarity = np.vdot(expected, points) / np.vdot(expected, expected).real
    if not abs(similarity) > 0:
        return False
    level = points / similarity  # in the template's pixels
    left_eye, right_eye, nose, left_mouth, right_mouth = level
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    downwards = eyes.imag < nose.imag < mouth.imag
    to_the_right = left_eye.real < right_eye.real and left_mouth.real < right_mouth.real
    return bool(downwards and to_the_right and np.sqrt(np.mean(np.abs(level - expected) ** 2)) <= MISFIT)


def to_template(landmarks: np.ndarray) -> np.ndarray:
    """Return the least-squares similarity from five landmarks to those of the ArcFace template, float64 (2, 3).

    This is a closed form. insightface's `estimate_norm` finds the same by a decomposition in single precision, whose
    last digits depend on the processor.
    """
    points, expected = _complex(landmarks), _complex(template())
    factor = complex(np.vdot(points, expected) / np.vdot(points, points).real)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    shift = template().mean(axis=0, dtype=np.float64) - turn @ landmarks.mean(axis=0, dtype=np.float64)
    return np.column_stack([turn, shift])


def to_square(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Return `to_template` for a template of another size, float64 (2, 3).

    Args:
        landmarks: (5, 2).
        side: the width and height of the template, pixels.
    """
    matrix = to_template(landmarks) * (side / HR)
    matrix[:, 2] += (side / HR - 1) / 2  # pixel centers are at whole numbers
    return matrix


def face_size(landmarks: np.ndarray) -> float:
    """Return the size of a face: the side of the square that its aligned crop covers in the photo, pixels.

    Args:
        landmarks: the eyes, nose and mouth corners, (5, 2), pixels of the photo.
    """
    return HR / float(np.hypot(*to_template(landmarks)[0, :2]))


def template() -> np.ndarray:
    """Return the five landmarks of the ArcFace template in pixels of 112, float32 (5, 2)."""
    from insightface.utils.face_align import arcface_dst

    return arcface_dst


def _complex(points: np.ndarray) -> np.ndarray:
    """Return points as complex numbers with mean 0, so that rotation and scale are one complex factor."""
    x, y = np.asarray(points, np.float64).T
    numbers = x + 1j * y
    return numbers - numbers.mean()
