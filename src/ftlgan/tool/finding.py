"""Find every face in a photo, down to 8 pixels between the eyes.

The detector finds faces of 10 to 300 pixels. So it searches the photo at a reduced size, at its own size, and enlarged
two and four times. It then searches each found face again, alone, at the size at which landmarks are most precise.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ftlgan.detection import LONGEST_SIDE, Detection, FaceDetector, most_central, one_for_each_place
from ftlgan.photos import NoFaceError
from ftlgan.tool.crops import enlarged

ENLARGEMENTS = (1, 2, 4)
"""The factors by which a photo is enlarged. In 150 photos of LFW with faces of 12 px, the detector finds 26 percent of
the faces at the original size, 99 percent at twice the size, and all at four times the size."""
LONGEST_ENLARGED = 2560
"""The longest side of an enlarged photo, pixels. Beyond it, detection would take seconds."""
TILE, OVERLAP = 1280, 192
"""The sides of tiles and of their overlap, pixels. Larger photos are searched in tiles, so that memory does not grow
with the photo. Faces wider than the overlap are found in the reduced photo."""


class FaceFinder:
    """Finds all faces in a photo. Each thread needs its own instance, because the detector has state.

    Args:
        detection_score: the lowest confidence of the detector, 0 to 1.
    """

    def __init__(self, detection_score: float) -> None:
        self._detector = FaceDetector(detection_score, LONGEST_SIDE)
        self._tile_detector = FaceDetector(detection_score, TILE)
        self._main_detector = FaceDetector(detection_score, LONGEST_ENLARGED)

    def all_faces(self, image: np.ndarray) -> list[Detection]:
        """Find every face, from left to right.

        If no face is upright, the main face is searched for in all four orientations of the photo.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is no face, or only one with implausible landmarks.
        """
        height, width = image.shape[:2]
        looks = one_for_each_place(list(self._looks(image)), width, height)
        found = [face for face in (self._detector.closer(image, look) for look in looks) if face]
        return sorted(found, key=lambda face: float(face.box[0])) if found else [self._face_of_any_orientation(image)]

    def main_face(self, image: np.ndarray) -> Detection:
        """Find the most central face, weighted by size.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is no face, or only one with implausible landmarks.
        """
        height, width = image.shape[:2]
        faces = self.all_faces(image)
        return most_central(faces, width, height) or faces[0]

    def _face_of_any_orientation(self, image: np.ndarray) -> Detection:
        factor = _factors(image)[-1]
        try:
            face = self._main_detector.main_face(image)
        except NoFaceError:
            if factor == 1:
                raise
            face = _scaled(self._main_detector.main_face(enlarged(image, factor)), factor)
        return self._detector.closer(image, face) or face

    def _looks(self, image: np.ndarray) -> Iterator[Detection]:
        if max(image.shape[:2]) > LONGEST_SIDE:
            yield from self._detector.faces(image)
        for factor in _factors(image):
            for left, top, tile in _tiles(enlarged(image, factor)):
                for face in self._tile_detector.faces(tile):
                    yield _scaled(_moved(face, left, top), factor)


def _factors(image: np.ndarray) -> list[int]:
    """Return the factors by which a photo is enlarged, rising: 1, and those that do not make it too large."""
    longest = max(image.shape[:2])
    return [factor for factor in ENLARGEMENTS if factor == 1 or factor * longest <= LONGEST_ENLARGED]


def _tiles(image: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield overlapping tiles of a photo with the positions of their corners: left, top, uint8 (H, W, 3)."""
    for top in range(0, max(1, image.shape[0] - OVERLAP), TILE - OVERLAP):
        for left in range(0, max(1, image.shape[1] - OVERLAP), TILE - OVERLAP):
            yield left, top, np.ascontiguousarray(image[top : top + TILE, left : left + TILE])


def _moved(face: Detection, left: int, top: int) -> Detection:
    by = np.array([left, top], np.float32)
    return replace(face, box=face.box + np.concatenate([by, by * 0]), landmarks=face.landmarks + by)


def _scaled(face: Detection, factor: int) -> Detection:
    """Scale a face in an enlarged photo back to the photo, whose pixel centers are at whole numbers."""
    half = np.float32(0.5)
    landmarks = (face.landmarks + half) / factor - half
    corner, size = (face.box[:2] + half) / factor - half, face.box[2:] / factor
    return replace(face, box=np.concatenate([corner, size]), landmarks=landmarks)
