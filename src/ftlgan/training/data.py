"""What a training learns from, and what it is validated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ftlgan.augmentation import Augmentation
from ftlgan.errors import DataError
from ftlgan.faces import HR, decode_images, embeddings_of, read_faces, recognizer_of
from ftlgan.losses import LossWeights
from ftlgan.triplets import read_triplets


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


def read_training_set(
    degraded: Path, aligned: Path, gallery: Path, triplets: Path, weights: LossWeights, augmentation: Augmentation
) -> TrainingSet:
    """Read what a training needs and nothing else: no high-resolution photo that no term or augmentation uses.

    Raises:
        DataError: if a table is missing, or a face that is needed.
    """
    needing = [f"losses.{name}" for name in weights.needing_photos] + ["augmentation.shift"] * (augmentation.shift > 0)
    train = read_training_faces(degraded, "train", aligned if needing else None, needing)
    photos = read_gallery(gallery, "train")
    val, val_photos = read_training_faces(degraded, "val"), read_gallery(gallery, "val")
    if not np.array_equal(val.face_ids, val_photos.face_ids):
        raise DataError(f"{gallery}: does not hold the val faces of {degraded} in the same order; run `dvc repro`")
    return TrainingSet(
        train=train,
        gallery=photos,
        triplets=triplet_index(read_triplets(triplets), train, photos),
        twins=twin_index(train, photos) if weights.identity else None,
        real=_photos(aligned, train) if weights.adversarial else np.empty((0, HR, HR, 3), np.uint8),
        val=val,
        val_gallery=val_photos,
    )


def _photos(aligned: Path, train: Faces) -> np.ndarray:
    """The high-resolution photos of the training people; those of `train` are all of them, where it has any."""
    return decode_images(read_faces(aligned, splits=["train"])["image"]) if train.hr is None else train.hr


def read_gallery(folder: Path, split: str) -> Gallery:
    """The teacher's embeddings of one split."""
    table = read_faces(folder, splits=[split])
    return Gallery(
        face_ids=table["face_id"].to_numpy(),
        identities=table["identity"].to_numpy(),
        embeddings=embeddings_of(table),
        recognizer=recognizer_of(table),
    )


def read_training_faces(degraded: Path, split: str, aligned: Path | None = None, needing: Sequence[str] = ()) -> Faces:
    """The low-resolution faces of one split; with `aligned`, also their high-resolution twins.

    Args:
        needing: the params that make twins necessary.

    Raises:
        DataError: if a table is missing, or a face has no twin.
    """
    table = read_faces(degraded, splits=[split])
    face_ids, hr = table["face_id"].to_numpy(), None
    if aligned is not None:
        photos = read_faces(aligned, splits=[split])
        rows = _rows(photos["face_id"].to_numpy(), face_ids)
        if (rows < 0).any():
            missing = face_ids[rows < 0]
            raise DataError(
                f"{aligned}: {len(missing)} of the {len(face_ids)} {split} faces of {degraded} have no high-resolution "
                f"twin there (the first is {missing[0]}), which {' and '.join(needing)} need: set them to 0"
            )
        hr = decode_images(photos["image"].take(rows))
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
