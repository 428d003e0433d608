"""What a training learns from, and what it is validated on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ftlgan.errors import DataError
from ftlgan.faces import decode_images, embeddings_of, read_faces, recognizer_of


@dataclass(frozen=True)
class Gallery:
    """High-resolution photos by their embeddings."""

    face_ids: np.ndarray
    """str (M,)."""
    identities: np.ndarray
    """str (M,)."""
    embeddings: np.ndarray
    """float32 (M, D), unit length: the teacher's."""
    recognizer: dict[str, str]
    """Name and SHA-256 of the teacher."""


@dataclass(frozen=True)
class Faces:
    """Low-resolution faces of one split, and their high-resolution twins where they are asked for."""

    face_ids: np.ndarray
    """str (N,)."""
    identities: np.ndarray
    """str (N,)."""
    lr: np.ndarray
    """uint8 RGB, (N, res, res, 3)."""
    hr: np.ndarray | None
    """uint8 RGB, (N, 112, 112, 3), row by row the twins of `lr`."""


@dataclass(frozen=True)
class TrainingSet:
    """What to learn from, and what to validate on."""

    train: Faces
    """Faces of the training people."""
    gallery: Gallery
    """Photos of the training people."""
    triplets: np.ndarray
    """int64 (T, 3): anchor as row of `train`, positive and negative as rows of `gallery`; see `triplet_index`."""
    twins: np.ndarray | None
    """int64 (N,): which row of `gallery` is of the twin of a row of `train`, for the identity term."""
    real: np.ndarray
    """uint8 RGB, (R, 112, 112, 3): what the discriminator takes for real; may be empty without one."""
    val: Faces
    """Faces of other people."""
    val_gallery: Gallery
    """Their photos, row by row those of `val`."""


def read_gallery(folder: Path, split: str) -> Gallery:
    """The teacher's embeddings of one split."""
    table = read_faces(folder, splits=[split])
    return Gallery(
        face_ids=table["face_id"].to_numpy(),
        identities=table["identity"].to_numpy(),
        embeddings=embeddings_of(table),
        recognizer=recognizer_of(table),
    )


def read_training_faces(degraded: Path, split: str, aligned: Path | None = None, why: str = "") -> Faces:
    """The low-resolution faces of one split; with `aligned`, also their high-resolution twins.

    Args:
        why: what needs the twins, as the user knows it.

    Raises:
        DataError: if a table is missing, or a face has no twin.
    """
    table = read_faces(degraded, splits=[split])
    face_ids, hr = table["face_id"].to_numpy(), None
    if aligned is not None:
        twins = read_faces(aligned, splits=[split])
        rows = _rows(twins["face_id"].to_numpy(), face_ids)
        missing = face_ids[rows < 0]
        if len(missing):
            raise DataError(
                f"{aligned}: {len(missing)} of {len(face_ids)} {split} faces of {degraded} have no high-resolution twin "
                f"there (the first is {missing[0]}), which {why} needs; set it to 0"
            )
        hr = decode_images(twins["image"].take(rows))
    return Faces(face_ids, table["identity"].to_numpy(), decode_images(table["image"]), hr)


def triplet_index(triplets: pa.Table, faces: Faces, gallery: Gallery) -> np.ndarray:
    """Where the anchor of each triplet stands in `faces`, positive and negative in `gallery`: int64 (T, 3).

    Raises:
        DataError: if one is not there.
    """
    places = {"anchor": faces.face_ids, "positive": gallery.face_ids, "negative": gallery.face_ids}
    columns: list[np.ndarray] = []
    for role, face_ids in places.items():
        wanted = triplets[role].to_numpy(zero_copy_only=False)
        rows = _rows(face_ids, wanted)
        if (rows < 0).any():
            where = "among the training faces" if role == "anchor" else "in the gallery"
            raise DataError(
                f"triplets: {role} {wanted[np.argmax(rows < 0)]!r} is not {where}; run `dvc repro triplets`"
            )
        columns.append(rows)
    return np.stack(columns, axis=1)


def twin_index(faces: Faces, gallery: Gallery) -> np.ndarray:
    """Where the embedding of each face's twin stands in `gallery`: int64 (N,).

    Raises:
        DataError: if one is not there.
    """
    rows = _rows(gallery.face_ids, faces.face_ids)
    if (rows < 0).any():
        missing = faces.face_ids[rows < 0]
        raise DataError(
            f"gallery: {len(missing)} of {len(rows)} training faces have no high-resolution twin there (the first is "
            f"{missing[0]}), which losses.identity needs; set it to 0"
        )
    return rows


def _rows(face_ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each wanted face stands, -1 where it does not: int64."""
    place = {face_id: row for row, face_id in enumerate(face_ids)}
    return np.array([place.get(face_id, -1) for face_id in wanted], np.int64)
