"""Realistic small faces for a kit: shrink photos of test people, and detect the faces in the small photos."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ftlgan.conditions import is_same_face
from ftlgan.degradation import shrink_realistically, stream_of
from ftlgan.detection import Detection
from ftlgan.errors import DataError
from ftlgan.faces import decode_face, stream_faces
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.processes import available_cores, map_ahead
from ftlgan.progress import progress
from ftlgan.template import face_size
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.restorer import DETECTION_SCORE

Row = dict[str, Any]
"""A row of a face table."""


@dataclass(frozen=True)
class Person:
    """A photo of a test person."""

    face_id: str
    identity: str
    aligned: np.ndarray
    """The aligned face, used as reference, uint8 RGB, (112, 112, 3)."""
    photo: bytes
    """The original file of the photo."""
    landmarks: np.ndarray
    """The landmarks, float32 (5, 2), pixels of the photo."""


@dataclass(frozen=True)
class SmallFace:
    """A face that was found in a small photo."""

    face_id: str
    photo: np.ndarray
    """The small photo, uint8 RGB, (H, W, 3)."""
    face: Detection
    """The face as it was detected in the small photo."""

    @property
    def size(self) -> float:
        """The size measured from the detected landmarks, pixels."""
        return face_size(self.face.landmarks)


def photos_of_test_people(data: Path, photos: int) -> list[Person]:
    """Read the photos of the test people of a pipeline.

    Args:
        data: the folder of the pipeline's tables.
        photos: the most photos per person.

    Raises:
        DataError: if there are none.
    """
    if not (data / "raw").is_dir() or not (data / "aligned").is_dir():
        raise DataError(f"{data}: has no raw/ and aligned/; give the folder data of a pipeline, or run dvc repro")
    count: Counter[str] = Counter()
    aligned: dict[str, Row] = {}
    for batch in stream_faces(data / "aligned", ["test"]):
        for row in batch.select(["face_id", "identity", "image", "landmarks"]).to_pylist():
            count[row["identity"]] += 1
            if count[row["identity"]] <= photos:
                aligned[row["face_id"]] = row
    people: list[Person] = []
    for batch in stream_faces(data / "raw", ["test"]):
        for raw in batch.select(["face_id", "image"]).to_pylist():
            if row := aligned.get(raw["face_id"]):
                landmarks = np.array(row["landmarks"], np.float32).reshape(5, 2)
                people.append(
                    Person(row["face_id"], row["identity"], decode_face(row["image"]), raw["image"], landmarks)
                )
    if not people:
        raise DataError(f"{data}: has no test people; set dataset.test in params.yaml, and run dvc repro")
    return people


def small_faces(people: list[Person], size: int, seed: int) -> Iterator[SmallFace]:
    """Shrink photos with the realistic chain until the face has the given size, and find it in the small photo.

    Args:
        people: the photos.
        size: the side of the aligned face in the small photo, pixels. Smaller faces are left out.
        seed: the seed of the chain.

    Yields:
        The faces that are found, in the order of the photos.
    """
    local = threading.local()  # a detector for each thread

    def found(person: Person) -> SmallFace | None:
        scale = size / face_size(person.landmarks)
        if scale > 1:
            return None
        if not hasattr(local, "finder"):
            local.finder = FaceFinder(DETECTION_SCORE)
        small = shrink_realistically(read_photo(person.photo), scale, stream_of(seed, person.face_id))
        face = _same_face(local.finder, small, (person.landmarks + 0.5) * scale - 0.5)
        return SmallFace(person.face_id, small, face) if face else None

    cv2.setNumThreads(1)
    cores = available_cores()
    with ThreadPoolExecutor(cores) as pool:
        faces = map_ahead(pool, found, people, 4 * cores)
        yield from (face for face in progress(faces, f"find {size} px", len(people)) if face)


def _same_face(finder: FaceFinder, photo: np.ndarray, true: np.ndarray) -> Detection | None:
    try:
        return next((face for face in finder.all_faces(photo) if is_same_face(face.landmarks, true)), None)
    except NoFaceError:
        return None
