"""What the test faces go through before they are restored: a condition is a way in which a face came to be small.

What a network was trained on says little about what it does on a photograph from the street. So each condition is
judged by itself: degradations that training faces may go through, too; `held-out`, a chain that no training may use;
`detected`, where the whole photo is shrunk by the realistic chain and the face is found again in the small photo, as it
would be in use, with landmarks that err; and `native`, small photos as a camera gave them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.alignment import AlignedFace, SmallAligner, align_each
from ftlgan.degradation import (
    degrade,
    downsample,
    native_faces,
    shrink_by_held_out_chain,
    shrink_realistically,
    stream_of,
)
from ftlgan.detection import to_template
from ftlgan.errors import DataError
from ftlgan.faces import FACES, HR, count_faces, decode_face, encode_png, stream_faces
from ftlgan.params import Condition
from ftlgan.photos import read_photo

Row = dict[str, Any]
"""A row of a face table."""

FARTHEST = 0.5
"""How far the landmarks found may be from the true ones, in distances of the eyes: farther off, it is another face."""


def shrink(face: np.ndarray, face_id: str, res: int, condition: Condition, seed: int) -> np.ndarray:
    """Put an aligned face through a condition that needs no more than the face.

    Args:
        face: uint8 RGB, (112, 112, 3).
        face_id: its name: what is drawn for it does not depend on other faces.
        res: width and height of the result, pixels.
        condition: neither `detected` nor `native`.
        seed: of whatever is drawn.

    Returns:
        uint8 RGB, (res, res, 3).
    """
    assert condition not in ("detected", "native"), f"{condition} needs the photo"
    rng = stream_of(seed, face_id)
    return (
        shrink_by_held_out_chain(face, res / HR, rng) if condition == "held-out" else degrade(face, res, condition, rng)
    )


@dataclass
class Conditions:
    """Makes the small faces of the people on whom results are reported, and on whom calibrations are fitted.

    Args:
        res: width and height of the small faces, pixels.
        seed: of whatever is drawn.
        detection_score: least confidence of the detector, 0 to 1.
        aligned: folder of the table of aligned faces.
        raw: folder of the table of the photos that they are from.
        small: folder of the table of aligned native small faces.
    """

    res: int
    seed: int
    detection_score: float
    aligned: Path
    raw: Path
    small: Path

    def small_faces(self, condition: Condition, split: str = "test") -> Iterator[Row]:
        """Yield the faces of a split after they went through a condition.

        Args:
            condition: which; `detected` leaves out the faces that are not found in the small photo, `native` gives
                small faces of the same people.
            split: `test` or `val`.

        Yields:
            Rows of `ftlgan.faces.FACES`, in the order of the aligned faces; of `val` perhaps none.

        Raises:
            DataError: if `detected` finds no test face at all, or there is no native face of the test people.
        """
        if condition == "detected":
            yield from self._detected_faces(split)
            return
        if condition == "native":
            yield from self._native_faces(split)
            return
        for batch in stream_faces(self.aligned, [split]):
            for row in batch.select(FACES.names).to_pylist():
                small = shrink(decode_face(row["image"]), row["face_id"], self.res, condition, self.seed)
                yield {**row, "image": encode_png(small)}

    def _native_faces(self, split: str) -> Iterator[Row]:
        if split == "test" and not count_faces(self.small, [split]):
            raise DataError(
                "test.conditions: native: dataset.small has no usable photo of any test person; add some (why others "
                "could not be used is in data/small_rejects.parquet), or leave the condition out"
            )
        yield from native_faces(self.small, self.res, split)

    def _detected_faces(self, split: str) -> Iterator[Row]:
        landmarks = {
            row["face_id"]: np.array(row["landmarks"], np.float32).reshape(5, 2)
            for batch in stream_faces(self.aligned, [split])
            for row in batch.select(["face_id", "landmarks"]).to_pylist()
        }

        def scale(row: Row) -> float:
            """How much smaller the photo gets, so that its face is `res` wide."""
            return min(1.0, float(np.hypot(*to_template(landmarks[row["face_id"]])[0, :2])) * self.res / HR)

        def shrunk(row: Row) -> bytes:
            small = shrink_realistically(read_photo(row["image"]), scale(row), stream_of(self.seed, row["face_id"]))
            return encode_png(small)

        photos = (row for batch in stream_faces(self.raw, [split]) for row in batch.to_pylist())
        usable = (row for row in photos if row["face_id"] in landmarks)
        found = 0
        for row, face in align_each(usable, partial(SmallAligner, self.detection_score), shrunk):
            true = (landmarks[row["face_id"]] + 0.5) * scale(row) - 0.5
            if isinstance(face, AlignedFace) and is_same_face(face.landmarks, true):
                found += 1
                yield {**row, "image": encode_png(downsample(face.image, (self.res, self.res), "bicubic"))}
        if split == "test" and not found:
            raise DataError(
                f"test.conditions: detected: of {len(landmarks)} test faces none is found in the photo that was shrunk "
                f"to faces of {self.res} px; lower align.detection_score, or leave the condition out"
            )


def is_same_face(landmarks: np.ndarray, true: np.ndarray) -> bool:
    """Tell whether landmarks that were found are of the face whose true ones are given, (5, 2) each."""
    eyes = float(np.hypot(*(true[1] - true[0])))
    return bool(np.linalg.norm(landmarks - true, axis=1).mean() <= FARTHEST * eyes)
