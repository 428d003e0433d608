"""Every face of a photo, down to 8 pixels between the eyes.

The detector finds faces of 10 to 300 pixels. So a photo is looked at reduced, as it is, and enlarged twice and four
times; and each face that was found is looked at once more, by itself, at the size at which landmarks are most precise.
"""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from ftlgan.detection import CENTRE_OFFSET_WEIGHT, LONGEST_SIDE, Detection, FaceDetector, unturned
from ftlgan.photos import NoFaceError

ENLARGEMENTS = (1, 2, 4)
"""What a photo is enlarged by. In 150 photos of LFW with faces of 12 px, the detector finds 26 percent in the photos as
they are, 99 percent enlarged twice, and all enlarged four times."""
LONGEST_ENLARGED = 2560
"""Pixels of the longest side, beyond which a photo is not enlarged: detection would take seconds."""
TILE, OVERLAP = 1280, 192
"""Pixels. Larger photos are looked at in tiles, so that memory does not grow with the photo. A face that is wider than
the overlap is found in the reduced photo."""


class FaceFinder:
    """Finds all faces of a photo. One instance a thread: the detector has state.

    Args:
        detection_score: least confidence of the detector, 0 to 1.
    """

    def __init__(self, detection_score: float) -> None:
        self._detector = FaceDetector(detection_score, LONGEST_SIDE)
        self._tile_detector = FaceDetector(detection_score, TILE)
        self._main_detector = FaceDetector(detection_score, LONGEST_ENLARGED)

    def all_faces(self, image: np.ndarray) -> list[Detection]:
        """Find every face, from left to right.

        A photo in which no face is upright is searched for its main face in all four orientations.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is none, or only one whose landmarks can't be trusted.
        """
        closer = (self._detector.closer(image, face) for face in _once(list(self._looks(image))))
        found = [face for face in closer if face]
        return sorted(found, key=lambda face: float(face.box[0])) if found else [self._face_of_any_orientation(image)]

    def main_face(self, image: np.ndarray) -> Detection:
        """Find the most central face, weighted by size: the rule of `FaceDetector.main_face`.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is none, or only one whose landmarks can't be trusted.
        """
        height, width = image.shape[:2]

        def prominence(face: Detection) -> float:
            box = upright_box(face, width, height)
            offset = box[:2] + box[2:] / 2 - np.array([width, height]) / 2
            return float(np.prod(box[2:]) - CENTRE_OFFSET_WEIGHT * offset @ offset)

        return max(self.all_faces(image), key=prominence)

    def _face_of_any_orientation(self, image: np.ndarray) -> Detection:
        factor = max(factor for factor in ENLARGEMENTS if factor == 1 or factor * max(image.shape) <= LONGEST_ENLARGED)
        try:
            face = self._main_detector.main_face(image)
        except NoFaceError:
            if factor == 1:
                raise
            face = _scaled(self._main_detector.main_face(_enlarged(image, factor)), factor)
        return self._detector.closer(image, face) or face

    def _looks(self, image: np.ndarray) -> Iterator[Detection]:
        longest = max(image.shape[:2])
        if longest > LONGEST_SIDE:
            yield from self._detector.faces(image)
        for factor in ENLARGEMENTS:
            if factor == 1 or factor * longest <= LONGEST_ENLARGED:
                for left, top, tile in _tiles(_enlarged(image, factor)):
                    for face in self._tile_detector.faces(tile):
                        yield _scaled(_moved(face, left, top), factor)


def _tiles(image: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield overlapping parts of a photo, and where their corners are: left, top, uint8 (H, W, 3)."""
    for top in range(0, max(1, image.shape[0] - OVERLAP), TILE - OVERLAP):
        for left in range(0, max(1, image.shape[1] - OVERLAP), TILE - OVERLAP):
            yield left, top, np.ascontiguousarray(image[top : top + TILE, left : left + TILE])


def _enlarged(image: np.ndarray, factor: int) -> np.ndarray:
    if factor == 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def _moved(face: Detection, left: int, top: int) -> Detection:
    by = np.array([left, top], np.float32)
    return replace(face, box=face.box + np.concatenate([by, by * 0]), landmarks=face.landmarks + by)


def _scaled(face: Detection, factor: int) -> Detection:
    """Bring a face of an enlarged photo back to the photo, whose pixels have their centers at whole numbers."""
    half = np.float32(0.5)
    landmarks = (face.landmarks + half) / factor - half
    corner, size = (face.box[:2] + half) / factor - half, face.box[2:] / factor
    return replace(face, box=np.concatenate([corner, size]), landmarks=landmarks)


def _once(looks: list[Detection]) -> list[Detection]:
    """Keep one look, the surest, of those at one face: where the center of one box is in another."""
    kept: list[Detection] = []
    for look in sorted(looks, key=lambda look: -look.score):
        if not any(_holds_center(look, other) or _holds_center(other, look) for other in kept):
            kept.append(look)
    return kept


def _holds_center(face: Detection, other: Detection) -> bool:
    from_corner = other.box[:2] + other.box[2:] / 2 - face.box[:2]
    return bool((from_corner >= 0).all() and (from_corner <= face.box[2:]).all())


def upright_box(face: Detection, width: int, height: int) -> np.ndarray:
    """Return the box of a face in the photo as it is stored: x, y, width, height, float32 (4,).

    Args:
        face: found in the photo, turned or not.
        width: of the photo, pixels.
        height: likewise.
    """
    corners = unturned(np.stack([face.box[:2], face.box[:2] + face.box[2:]]), width, height, face.turns)
    return np.concatenate([corners.min(axis=0), np.ptp(corners, axis=0)])
