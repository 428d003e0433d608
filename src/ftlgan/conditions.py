"""Conditions: the ways in which the test faces become small before they are restored.

Results on the training degradation say little about photos from elsewhere, so each condition is evaluated separately.
Some conditions are degradations that training may also use. `held-out` is a chain that no training may use. `detected`
shrinks the whole photo by the realistic chain and detects the face again in the small photo, so that the landmarks have
realistic errors. `native` uses photos that a camera took small.
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
    native_faces,
    shrink_by_held_out_chain,
    shrink_each,
    shrink_realistically,
    stream_of,
)
from ftlgan.engine import Engine
from ftlgan.errors import DataError
from ftlgan.faces import HR, count_faces, encode_png, stream_faces
from ftlgan.params import Condition
from ftlgan.photos import read_photo
from ftlgan.template import face_size

Row = dict[str, Any]
"""A row of a face table."""

FARTHEST = 0.5
"""The largest mean distance between detected and true landmarks, in eye distances. Beyond it, it is another face."""


def shrink(face: np.ndarray, face_id: str, res: int, condition: Condition, seed: int) -> np.ndarray:
    """Shrink an aligned face by a condition that needs only the face.

    Args:
        face: uint8 RGB, (112, 112, 3).
        face_id: its name. It seeds the random numbers, so that they do not depend on other faces.
        res: width and height of the result, pixels.
        condition: neither `detected` nor `native`.
        seed: seed of the random numbers.

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
    """Makes the small faces of the test people, and of the val people, on whom calibrations are fitted.

    Args:
        res: width and height of the small faces, pixels.
        seed: seed of the random numbers.
        detection_score: minimum confidence of the detector, 0 to 1.
        aligned: folder of the table of aligned faces.
        raw: folder of the table of the original photos.
        small: folder of the table of aligned native small faces.
        engine: where the faces are made small; by default on this machine.
    """

    res: int
    seed: int
    detection_score: float
    aligned: Path
    raw: Path
    small: Path
    engine: Engine | None = None

    def small_faces(self, condition: Condition, split: str = "test") -> Iterator[Row]:
        """Yield the faces of a split, shrunk by a condition.

        Args:
            condition: its name. `detected` omits faces that are not found in the small photo; `native` gives other,
                natively small photos of the same people.
            split: `test` or `val`.

        Yields:
            Rows of `ftlgan.faces.FACES`, in the order of the aligned faces. There may be none for `val`.

        Raises:
            DataError: if `detected` finds no test face, or there is no native face of the test people.
        """
        if condition == "detected":
            yield from self._detected_faces(split)
            return
        if condition == "native":
            yield from self._native_faces(split)
            return
        small = partial(shrink, res=self.res, condition=condition, seed=self.seed)
        yield from shrink_each(small, self.aligned, [split], self.engine)

    def _native_faces(self, split: str) -> Iterator[Row]:
        if split == "test" and not count_faces(self.small, [split]):
            raise DataError(
                "test.conditions: native: dataset.small has no usable photo of any test person; add some "
                "(data/small_rejects.parquet gives the reasons for rejects), or leave the condition out"
            )
        yield from native_faces(self.small, self.res, split, self.engine)

    def _detected_faces(self, split: str) -> Iterator[Row]:
        landmarks = {
            row["face_id"]: np.array(row["landmarks"], np.float32).reshape(5, 2)
            for batch in stream_faces(self.aligned, [split])
            for row in batch.select(["face_id", "landmarks"]).to_pylist()
        }

        def scale(face: np.ndarray) -> float:
            """Return the factor that makes the face with these landmarks in a photo `res` wide, at most 1."""
            return min(1.0, self.res / face_size(face))

        photos = (row for batch in stream_faces(self.raw, [split]) for row in batch.to_pylist())
        usable = ({**row, "scale": scale(landmarks[row["face_id"]])} for row in photos if row["face_id"] in landmarks)
        found = 0
        aligner, shrunk = partial(SmallAligner, self.detection_score, self.res), partial(_shrunk_photo, self.seed)
        for row, face in align_each(usable, aligner, shrunk, self.engine):
            true = (landmarks[row["face_id"]] + 0.5) * row.pop("scale") - 0.5
            if isinstance(face, AlignedFace) and is_same_face(face.landmarks, true):
                found += 1
                yield {**row, "image": encode_png(face.image)}
        if split == "test" and not found:
            raise DataError(
                f"test.conditions: detected: the detector finds none of {len(landmarks)} test faces in photos shrunk "
                f"to faces of {self.res} px; lower align.detection_score, or leave the condition out"
            )


def _shrunk_photo(seed: int, row: Row) -> bytes:
    rng = stream_of(seed, row["face_id"])
    return encode_png(shrink_realistically(read_photo(row["image"]), row["scale"], rng))


def is_same_face(landmarks: np.ndarray, true: np.ndarray) -> bool:
    """Tell whether detected landmarks belong to the face with the given true landmarks, (5, 2) each."""
    eyes = float(np.hypot(*(true[1] - true[0])))
    return bool(np.linalg.norm(landmarks - true, axis=1).mean() <= FARTHEST * eyes)
