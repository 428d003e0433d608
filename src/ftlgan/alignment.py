"""Photo -> aligned face: find five landmarks, then warp the face onto the 112x112 ArcFace template by a similarity.

A face that is turned or tilted in its photo is first put upright: see `ftlgan.detection`.

Source: Deng et al., "ArcFace" (2019).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

import cv2
import numpy as np
from PIL import Image

from ftlgan.detection import Detection, FaceDetector, shrink, unturned
from ftlgan.engine import Engine, Local
from ftlgan.errors import DataError
from ftlgan.faces import HR, SPLITS, encode_png
from ftlgan.params import Align
from ftlgan.photos import NoFaceError, is_plain_face, read_photo
from ftlgan.template import face_size, template, to_square, to_template

ONLY_PHOTO = "the only usable photo of this person"
"""The reason to reject a photo that makes no pair in val or test. All other reasons come from the aligners."""
ENLARGEMENT = 4
"""The factor by which a small photo is enlarged before detection. In 150 photos of LFW with faces of 12 px, the
detector finds 26% of the faces at the original size, 99% at twice the size, and all at 4 times the size."""
LONGEST_ENLARGED = 1920
"""The longest side of an enlarged photo, pixels. It allows 4 times for a photo of 480 px."""
DAMAGED = "unreadable: a damaged record"
"""The reason to reject a record that a source could not read."""
SMALLEST = 8
"""Least width and height of an aligned small face, pixels."""

Row = dict[str, Any]
"""A row of a face table."""
Face = TypeVar("Face")


@dataclass(frozen=True)
class AlignedFace:
    """A face on the ArcFace template."""

    image: np.ndarray
    """uint8 RGB, (112, 112, 3), or (S, S, 3) for a small face."""
    landmarks: np.ndarray
    """float32 (5, 2): x, y of the eyes, nose and mouth corners, left to right as seen on the upright face, in pixels of
    the photo after its EXIF orientation is applied."""
    detection_score: float


AlignPhoto = Callable[[bytes], AlignedFace]
"""A function that aligns the main face of an encoded photo, or raises `NoFaceError` if no face can be used."""


class Aligner:
    """Finds the main face of a photo and aligns it. Use one instance per thread: the detector has state.

    Args:
        detection_score: minimum confidence, 0 to 1.
        face_width: minimum width of the face's box in the photo, pixels.
    """

    def __init__(self, detection_score: float, face_width: int) -> None:
        self.detector = FaceDetector(detection_score)
        self.face_width = face_width

    def __call__(self, photo: bytes) -> AlignedFace:
        """Align the main face of an encoded photo.

        Raises:
            NoFaceError: if the photo is unreadable or shows no face, or if the face is too small or its landmarks are
                implausible.
        """
        image = read_photo(photo)
        face = self.detector.main_face(image)
        if face.width < self.face_width:
            raise NoFaceError(f"face too small: {face.width:.0f} px wide, align.face_width asks for {self.face_width}")
        return _aligned(image, face)


class SmallAligner:
    """Enlarges a small photo, finds its main face and aligns it. Use one instance per thread.

    Args:
        detection_score: minimum confidence, 0 to 1.
        side: width and height of the aligned faces, pixels; None for each face's own size in its photo, below 112.
    """

    def __init__(self, detection_score: float, side: int | None = HR) -> None:
        self.detector, self.side = FaceDetector(detection_score, LONGEST_ENLARGED), side

    def __call__(self, photo: bytes) -> AlignedFace:
        """Align the main face of an encoded photo. The landmarks are in pixels of the photo before it is enlarged.

        Raises:
            NoFaceError: if the photo is unreadable, shows no face, or the landmarks of its face are implausible; also
                if `side` is None and the face is not small.
        """
        image = read_photo(photo)
        height, width = image.shape[:2]
        factor = max(1, min(ENLARGEMENT, LONGEST_ENLARGED // max(height, width)))
        large = np.asarray(Image.fromarray(image).resize((factor * width, factor * height), Image.Resampling.BICUBIC))
        face = self.detector.main_face(large)
        found = _aligned(large, face)
        found = replace(found, landmarks=(found.landmarks + np.float32(0.5)) / factor - np.float32(0.5))
        own = round(face_size(found.landmarks))
        if self.side is None and own >= HR:
            raise NoFaceError(f"face not small: {own} px, small is below {HR}; such photos belong in dataset.path")
        side = self.side or own
        if side == HR:
            return found
        upright = (face.landmarks + np.float32(0.5)) / factor - np.float32(0.5)
        return replace(found, image=sampled_crop(np.rot90(image, face.turns), upright, side))


def _aligned(image: np.ndarray, face: Detection) -> AlignedFace:
    turned = np.ascontiguousarray(np.rot90(image, face.turns))
    height, width = image.shape[:2]
    return AlignedFace(crop(turned, face.landmarks), unturned(face.landmarks, width, height, face.turns), face.score)


def crop(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Warp a face onto the 112x112 ArcFace template by the similarity that fits its five landmarks.

    Args:
        image: uint8 RGB, (H, W, 3).
        landmarks: float32 (5, 2), pixels of `image`.

    Returns:
        uint8 RGB, (112, 112, 3); black outside the photo.
    """
    # warpAffine always samples four pixels, so it would alias a large face. Reduce the image first.
    scale = float(np.hypot(*to_template(landmarks)[0, :2]))
    if scale < 0.5:
        image = shrink(image, 2 * scale)
        landmarks = landmarks * np.float32(2 * scale)
    return cv2.warpAffine(image, to_template(landmarks), (HR, HR))


def sampled_crop(image: np.ndarray, landmarks: np.ndarray, side: int) -> np.ndarray:
    """Warp a face of about `side` pixels onto the ArcFace template of that size.

    It is sampled once, by Lanczos interpolation and without antialiasing, to keep the little detail that it has. A crop
    of 112 px that is reduced to `side` is blurrier.

    Args:
        image: uint8 RGB, (H, W, 3).
        landmarks: float32 (5, 2), pixels of `image`.
        side: width and height of the result, pixels.

    Returns:
        uint8 RGB, (side, side, 3); black outside the photo.
    """
    matrix = to_square(landmarks, side)
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, (side, side), flags=cv2.INTER_LANCZOS4)


def take_aligned(photo: bytes, why: str = "align.aligned is true") -> AlignedFace:
    """Take a photo that is already an aligned face; resize it to 112x112 by antialiased bicubic resampling if needed.

    Args:
        photo: encoded.
        why: the reason why no detector runs, for the error message.

    Raises:
        NoFaceError: if the photo is unreadable, not square, or smaller than 8 px.
    """
    face = take_small(photo, why)
    if len(face.image) == HR:
        return face
    resized = Image.fromarray(face.image).resize((HR, HR), Image.Resampling.BICUBIC)
    return replace(face, image=np.asarray(resized))


def take_small(photo: bytes, why: str = "align.small_aligned is true") -> AlignedFace:
    """Take a photo that is already an aligned face, at its own size.

    Args:
        photo: encoded.
        why: the reason why no detector runs, for the error message.

    Raises:
        NoFaceError: if the photo is unreadable, not square, or smaller than 8 px.
    """
    image = read_photo(photo)
    height, width = image.shape[:2]
    if height != width:
        raise NoFaceError(f"not square: {width}x{height} px, but aligned faces are square ({why})")
    if width < SMALLEST:
        raise NoFaceError(f"face too small: {width}x{height} px, the least is {SMALLEST}")
    return AlignedFace(image, (template() * (width / HR)).astype(np.float32), 1.0)


def small_rows(rows: Iterable[Row], config: Align, rejects: list[Row], engine: Engine | None = None) -> Iterator[Row]:
    """Align a table of native small photos, in order.

    Args:
        rows: rows of `ftlgan.faces.FACES`.
        config: the detector's thresholds, or that the photos are already aligned, so that no detector runs.
        rejects: receives a row of `ftlgan.faces.REJECTS` for each photo that could not be used.
        engine: where the photos are aligned; by default on this machine.

    Yields:
        Rows of `ftlgan.faces.ALIGNED`.
    """
    for row, result in align_each(rows, partial(_columns_maker, partial(_small_aligner, config)), engine=engine):
        if isinstance(result, str):
            rejects.append(_reject(row, result))
        else:
            yield {**row, **result}


def _small_aligner(config: Align) -> AlignPhoto:
    return take_small if config.small_aligned else SmallAligner(config.detection_score, side=None)


def aligned_rows(
    rows: Iterable[Row],
    config: Align,
    rejects: list[Row],
    paired_splits: Sequence[str] = ("val", "test"),
    engine: Engine | None = None,
) -> Iterator[Row]:
    """Align the photos of a raw face table, in order.

    Args:
        rows: rows of `ftlgan.faces.FACES` or `RAW`; the photos of a person must be contiguous.
        config: the detector's thresholds, or that the photos are already aligned, so that no detector runs.
        rejects: receives a row of `ftlgan.faces.REJECTS` for each photo that could not be used.
        paired_splits: splits in which a person needs two photos, because a single one makes no pair.
        engine: where the photos are aligned; by default on this machine.

    Yields:
        Rows of `ftlgan.faces.ALIGNED`, at least two for each person of such a split.

    Raises:
        DataError: if fewer than two people are left in a split.
    """
    people: Counter[str] = Counter()
    for _, photos in groupby(_aligned_or_taken(rows, config, engine), key=lambda photo: _person(photo[0])):
        usable: list[Row] = []
        for row, result in photos:
            if isinstance(result, str):
                rejects.append(_reject(row, result))
            else:
                usable.append(result)
        if len(usable) == 1 and usable[0]["split"] in paired_splits:
            rejects.append(_reject(usable.pop(), ONLY_PHOTO))
        if usable and usable[0]["identity"] is not None:
            people[usable[0]["split"]] += 1
        yield from usable
    for split in SPLITS:
        if people[split] < 2:
            first = f" (the first: {rejects[0]['face_id']}, {rejects[0]['reason']})" if rejects else ""
            raise DataError(
                f"align: {people[split]} {split} people are left after {len(rejects)} rejects{first}; "
                "2 are needed: add photos, raise the share of the split or change the params of align"
            )


def _aligned_or_taken(rows: Iterable[Row], config: Align, engine: Engine | None) -> Iterator[tuple[Row, Row | str]]:
    """Yield each row with the row of its aligned face, or with the reason why there is none.

    Photos that are aligned faces as they are stay on this machine, because copying takes no time.
    """
    make_columns = partial(_columns_maker, partial(aligner, config))
    for is_aligned, some in groupby(rows, key=lambda row: row.get("aligned", False)):
        if is_aligned:
            yield from ((row, _taken(row)) for row in some)
        else:
            for row, face in align_each(some, make_columns, engine=engine):
                yield row, face if isinstance(face, str) else {**row, **face}


def _taken(row: Row) -> Row | str:
    """Return the row of a photo that its source gives as an aligned face. A plain 112x112 image keeps its bytes."""
    if is_plain_face(row["image"], HR):
        return {**row, **_taken_as_template()}
    if not row["image"]:
        return DAMAGED
    try:
        return {**row, **_columns(take_aligned(row["image"], "in a source of aligned faces"))}
    except NoFaceError as reason:
        return str(reason)


@cache
def _taken_as_template() -> Row:
    """Return the columns of a face that no detector has seen: the template's landmarks, and full confidence."""
    return {"landmarks": template().ravel().tolist(), "detection_score": 1.0}


def aligner(config: Align) -> AlignPhoto:
    """Return the function that aligns a photo: by detection, or as an already aligned face."""
    return take_aligned if config.aligned else Aligner(config.detection_score, config.face_width)


def align_each(
    rows: Iterable[Row],
    make_aligner: Callable[[], Callable[[bytes], Face]],
    read: Callable[[Row], bytes] = itemgetter("image"),
    engine: Engine | None = None,
) -> Iterator[tuple[Row, Face | str]]:
    """Align photos, in order.

    Args:
        rows: rows with any columns.
        make_aligner: makes the function that aligns a photo; called once in each thread or worker.
        read: returns the encoded photo of a row. It is called in any thread or worker, and may raise `NoFaceError`.
        engine: where the photos are aligned; by default on this machine.

    Yields:
        Each row with its face, or with the reason why there is none.
    """
    yield from (engine or Local()).map(partial(_align, make_aligner, read), rows)


_made = threading.local()
"""The aligner of each thread, and what made it."""


def _align(make_aligner: Callable[[], Callable[[bytes], Face]], read: Callable[[Row], bytes], row: Row) -> Face | str:
    if getattr(_made, "by", None) is not make_aligner:
        cv2.setNumThreads(1)  # one photo per core, instead of all cores on one photo
        _made.by, _made.aligner = make_aligner, make_aligner()
    try:
        return _made.aligner(read(row))
    except NoFaceError as reason:
        return str(reason)


def _person(row: Row) -> str:
    """Return the key that groups photos. Unlabeled photos stay single: one group of them might exceed memory."""
    return row["face_id"] if row["identity"] is None else row["identity"]


def _columns_maker(make_aligner: Callable[[], AlignPhoto]) -> Callable[[bytes], Row]:
    """Make a function that aligns a photo and returns the columns of the face."""
    align = make_aligner()
    return lambda photo: _columns(align(photo))


def _columns(face: AlignedFace) -> Row:
    landmarks = face.landmarks.ravel().tolist()
    return {"image": encode_png(face.image), "landmarks": landmarks, "detection_score": face.detection_score}


def _reject(row: Row, reason: str) -> Row:
    return {"face_id": row["face_id"], "identity": row["identity"], "reason": reason}
