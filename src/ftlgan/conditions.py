"""What the test faces go through before they are restored: a condition is a way in which a face came to be small.

What a network was trained on says little about what it does on a photograph from the street. So each condition is
judged by itself: degradations that training faces may go through, too; `held-out`, a chain that no training may use;
`detected`, where the whole photo is shrunk by the realistic chain and the face is found again in the small photo, as it
would be in use, with landmarks that err; and `native`, small photos as a camera gave them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.alignment import AlignedFace, SmallAligner
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
from ftlgan.faces import FACES, HR, decode_png, encode_png, stream_faces
from ftlgan.params import Condition
from ftlgan.photos import NoFaceError, read_photo

Row = dict[str, Any]
"""A row of a face table."""

FARTHEST = 0.5
"""How far the landmarks found may be from the true ones, in distances of the eyes: farther off, it is another face."""


@dataclass
class Conditions:
    """Makes the small faces of the test people.

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

    def small_faces(self, condition: Condition) -> Iterator[Row]:
        """Yield the test faces after they went through a condition.

        Args:
            condition: which; `detected` leaves out the faces that are not found in the small photo, `native` gives
                small faces of the same people.

        Yields:
            Rows of `ftlgan.faces.FACES`, in the order of the aligned faces.

        Raises:
            DataError: if `detected` finds no face at all.
        """
        if condition == "detected":
            yield from self._detected_faces()
            return
        if condition == "native":
            yield from native_faces(self.small, self.res, "test")
            return
        for batch in stream_faces(self.aligned, ["test"]):
            for row in batch.select(FACES.names).to_pylist():
                rng, face = stream_of(self.seed, row["face_id"]), decode_png(row["image"])
                if condition == "held-out":
                    small = shrink_by_held_out_chain(face, self.res / HR, rng)
                else:
                    small = degrade(face, self.res, condition, rng)
                yield {**row, "image": encode_png(small)}

    def _detected_faces(self) -> Iterator[Row]:
        landmarks = {
            row["face_id"]: np.array(row["landmarks"], np.float32).reshape(5, 2)
            for batch in stream_faces(self.aligned, ["test"])
            for row in batch.select(["face_id", "landmarks"]).to_pylist()
        }
        align, found = SmallAligner(self.detection_score).align, 0
        for batch in stream_faces(self.raw, ["test"]):
            for row in batch.to_pylist():
                if row["face_id"] not in landmarks:  # one of the rejects
                    continue
                rng = stream_of(self.seed, row["face_id"])
                small = self._shrink_and_find(align, row["image"], landmarks[row["face_id"]], rng)
                if small is not None:
                    found += 1
                    yield {**row, "image": encode_png(small)}
        if not found:
            raise DataError(
                f"test.conditions: detected: of {len(landmarks)} test faces none is found in the photo that was shrunk "
                f"to faces of {self.res} px; lower align.detection_score, or leave the condition out"
            )

    def _shrink_and_find(
        self, align: Callable[[np.ndarray], AlignedFace], photo: bytes, landmarks: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Shrink a photo until its face is `res` wide, find the face again and align it.

        Args:
            align: finds and aligns the face.
            photo: encoded.
            landmarks: where the face is, float32 (5, 2), pixels of the photo.
            rng: draws the realistic chain.

        Returns:
            uint8 RGB, (res, res, 3); None where the detector finds no face, or another one.
        """
        scale = min(1.0, float(np.hypot(*to_template(landmarks)[0, :2])) * self.res / HR)
        small = shrink_realistically(read_photo(photo), scale, rng)
        try:
            face = align(small)
        except NoFaceError:
            return None
        true = (landmarks + 0.5) * scale - 0.5
        eyes = float(np.hypot(*(true[1] - true[0])))
        if np.linalg.norm(face.landmarks - true, axis=1).mean() > FARTHEST * eyes:
            return None
        return downsample(face.image, (self.res, self.res), "bicubic")
