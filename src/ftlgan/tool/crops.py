"""Cut faces out of a photo for a generator, and put restored faces back.

The *size* of a face is the side of the square that its aligned crop covers in the photo, in pixels: 3.2 times the
distance of the eyes. The generator for 14 px was trained on faces of size 14.
"""

import math

import cv2
import numpy as np
from PIL import Image

from ftlgan.alignment import crop, sampled_crop
from ftlgan.degradation import downsample
from ftlgan.detection import Detection
from ftlgan.faces import HR
from ftlgan.template import face_size, to_square, to_template

MARGIN = 0.5
"""The margin of the photo that is enlarged with a crop, in sides of the crop, to avoid effects at its edge."""
SAMPLED = 1.25
"""The size of the largest face that is sampled without antialiasing, in sides of the crop."""
FEATHER = 0.15
"""The width of the border in which a restored face fades into the photo, in sides of the face."""


def aligned_crop(photo: np.ndarray, face: Detection, side: int = HR) -> np.ndarray:
    """Cut out a face aligned to the ArcFace template.

    A face that is not much larger than `side` is sampled once, because a second resampling would blur it. Otherwise
    the crop is made at 112 px, for which a smaller face is first enlarged by bicubic interpolation, and then reduced.

    Args:
        photo: uint8 RGB, (H, W, 3).
        face: a face detected in the photo.
        side: the width and height of the result, at most 112 pixels.

    Returns:
        The face, uint8 RGB, (side, side, 3); pixels outside the photo are black.
    """
    turned = np.rot90(photo, face.turns)
    if side < HR:
        if face_size(face.landmarks) <= SAMPLED * side:
            return sampled_crop(turned, face.landmarks, side)
        return downsample(aligned_crop(photo, face), (side, side), "bicubic")
    left, top, right, bottom = _surroundings(face.landmarks, turned, MARGIN)
    part = np.ascontiguousarray(turned[top:bottom, left:right])
    factor = math.ceil(HR / face_size(face.landmarks))
    landmarks = face.landmarks - np.array([left, top])
    if factor > 1:
        large = Image.fromarray(part).resize((factor * part.shape[1], factor * part.shape[0]), Image.Resampling.BICUBIC)
        part, landmarks = np.asarray(large), (landmarks + 0.5) * factor - 0.5
    return crop(part, landmarks.astype(np.float32))


def enlarged(image: np.ndarray, scale: int) -> np.ndarray:
    """Return a copy of a photo, enlarged by bicubic interpolation.

    Args:
        image: uint8, (H, W, 3) or (H, W).
        scale: the factor, a whole number.
    """
    if scale == 1:
        return image.copy()
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def put_back(photo: np.ndarray, face: np.ndarray, landmarks: np.ndarray, turns: int) -> None:
    """Put a restored face into a photo, in place. The face fades into the photo at its border.

    Args:
        photo: uint8 RGB, (H, W, 3); it is changed.
        face: uint8 RGB, (112, 112, 3).
        landmarks: the landmarks of the face, (5, 2), pixels of the photo after `turns`.
        turns: the number of counter-clockwise quarter turns that put the face upright.
    """
    turned = np.rot90(photo, turns)  # a view: writing to it changes the photo
    left, top, right, bottom = _surroundings(landmarks, turned, 0)
    if left >= right or top >= bottom:
        return
    side = min(HR, max(1, math.ceil(face_size(landmarks))))  # warpAffine would alias
    reduced = np.asarray(Image.fromarray(face).resize((side, side), Image.Resampling.BICUBIC))
    to_face = to_square(landmarks - np.array([left, top]), side)
    size, inverse = (right - left, bottom - top), cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(reduced, to_face, size, flags=cv2.INTER_CUBIC | inverse, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(_feathered(side), to_face, size, flags=cv2.INTER_LINEAR | inverse)[..., None]
    part = turned[top:bottom, left:right]
    part[:] = np.rint(part + share * (warped.astype(np.float32) - part)).clip(0, 255).astype(np.uint8)


def _surroundings(landmarks: np.ndarray, photo: np.ndarray, margin: float) -> tuple[int, int, int, int]:
    """Return the box around an aligned crop with its margin, within the photo: left, top, right, bottom."""
    to_photo = cv2.invertAffineTransform(to_template(landmarks))
    ends = -0.5 - margin * HR, (1 + margin) * HR - 0.5
    corners = np.array([(x, y, 1) for x in ends for y in ends]) @ to_photo.T
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int) + 1
    height, width = photo.shape[:2]
    return max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])


def _feathered(side: int) -> np.ndarray:
    """Return a mask that rises from 0 at the border to 1 at `FEATHER` of the side, float32 (side, side)."""
    from_border = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (FEATHER * side)
    ramp = from_border.clip(0, 1)
    smooth = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    return smooth[:, None] * smooth
