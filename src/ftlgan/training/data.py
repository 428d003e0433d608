"""The data for training and validation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftlgan.errors import DataError
from ftlgan.faces import HR, count_faces, decode_images, embeddings_of, read_faces, read_table, recognizer_of, shards
from ftlgan.params import NATIVE, Training
from ftlgan.training.stored_faces import StoredFaces, find_faces
from ftlgan.triplets.table import read_triplets

TRIPLETS = "_triplets"
"""The folder of the table of triplets, next to the teachers' tables. No teacher may have this name."""
MOST_IN_MEMORY = 25_000
"""The largest number of faces of a table to keep in memory: 1 GB at high resolution. Others are decoded when needed."""

Images = np.ndarray | StoredFaces
"""uint8 RGB (N, H, W, 3), in memory or on disk."""


@dataclass(frozen=True)
class References:
    """The embeddings of high-resolution photos by one teacher."""

    table: Path
    """The folder of their table, for messages."""
    face_ids: np.ndarray
    """str (M,)."""
    identities: np.ndarray
    """str (M,), or None if the person is unknown."""
    embeddings: np.ndarray
    """float32 (M, D), unit length."""
    recognizer: dict[str, str]
    """The name and SHA-256 of the teacher."""


@dataclass(frozen=True)
class Faces:
    """Low-resolution faces of one split, and their high-resolution twins if requested."""

    face_ids: np.ndarray
    """str (N,)."""
    identities: np.ndarray
    """str (N,), or None if the person is unknown."""
    lr: Images
    """uint8 RGB, (N, res, res, 3)."""
    hr: Images | None
    """uint8 RGB, (N, 112, 112, 3), the twins of `lr` row by row; black for a face without a twin."""
    native: np.ndarray
    """bool (N,): True for faces that were photographed small, and so have no twin."""


@dataclass(frozen=True)
class TrainingSet:
    """The data for training and validation. Data that no term needs is None."""

    train: Faces
    """The faces of the training people."""
    references: Sequence[References]
    """The photos of the training people by each teacher, in the same order."""
    triplets: np.ndarray
    """int32 (T, 3): anchor as row of `train`, positive and negative as rows of references; see `triplet_index`."""
    real: Images | None
    """uint8 RGB, (R, 112, 112, 3): photos of the training people, for the discriminator."""
    val: Faces
    """The faces of the validation people."""
    val_references: Sequence[References]
    """The photos of the validation people by each teacher, in the order of `val`."""


def read_training_set(degraded: Path, aligned: Path, targets: Path, config: Training) -> TrainingSet:
    """Read the data that a training needs. High-resolution photos are read only if a term or augmentation uses them.

    Args:
        degraded: folder of the table of low-resolution faces.
        aligned: folder of the table of their high-resolution twins.
        targets: folder with a table of embeddings of those twins for each teacher, and the table of triplets.
        config: its losses and augmentation determine which data is needed.

    Raises:
        DataError: if a table or a needed face is missing, or the teachers' tables have different faces.
    """
    losses, chosen = config.losses, config.train.faces
    needing = [f"losses.{name}" for name in losses.terms_with_twins]
    needing += config.degrades_anew
    train = read_training_faces(degraded, "train", aligned if needing else None, needing)
    references = [read_references(targets / name, "train") for name in losses.teachers]
    _check_faces(references, references[0].face_ids, f"train faces of {references[0].table}")
    val = read_training_faces(degraded, "val")
    val_references = [read_references(targets / name, "val") for name in losses.teachers]
    _check_faces(val_references, val.face_ids, f"val faces of {degraded}")
    real = None
    if losses.adversarial and train.hr is not None:
        real = _select(train.hr, np.flatnonzero(~train.native))
    elif losses.adversarial:
        real = read_images(aligned, "train")[1]
    triplets = triplet_index(read_triplets(targets / TRIPLETS), train, references[0])
    if chosen != "all":
        triplets = triplets[train.native[triplets[:, 0]] == (chosen == NATIVE)]
        if not len(triplets):
            missing = "small photo (dataset.small)" if chosen == NATIVE else "face with a high-resolution twin"
            raise DataError(
                f"{targets / TRIPLETS}: train.faces is {chosen}, but no training person has a {missing}; add some, or "
                "set train.faces to all"
            )
    return TrainingSet(
        train=train,
        references=references,
        triplets=triplets,
        real=real,
        val=val,
        val_references=val_references,
    )


def _check_faces(references: Sequence[References], face_ids: np.ndarray, named: str) -> None:
    """Check that references are of these faces, in the same order.

    Raises:
        DataError: if they are not.
    """
    for seen in references:
        if not np.array_equal(seen.face_ids, face_ids):
            raise DataError(f"{seen.table}: does not have the {named} in the same order; run `dvc repro`")


def read_references(teacher: Path, split: str) -> References:
    """Read a teacher's embeddings of one split, shard by shard, because they take most of a large training's memory."""
    table = read_faces(teacher, ["face_id", "identity"], [split])
    embeddings, start = np.empty((0, 0), np.float32), 0
    for path in shards(teacher):
        shard = read_table(path)
        own = embeddings_of(shard)[shard["split"].to_numpy() == split]
        if not embeddings.size:
            embeddings = np.empty((table.num_rows, own.shape[1]), np.float32)
        embeddings[start : start + len(own)] = own
        start += len(own)
    return References(
        table=teacher,
        face_ids=table["face_id"].to_numpy(),
        identities=table["identity"].to_numpy(),
        embeddings=embeddings,
        recognizer=recognizer_of(read_table(shards(teacher)[0], ["face_id"])),
    )


def read_training_faces(degraded: Path, split: str, aligned: Path | None = None, needing: Sequence[str] = ()) -> Faces:
    """Read the low-resolution faces of one split; with `aligned`, also their high-resolution twins.

    Args:
        degraded: folder of the table of low-resolution faces.
        split: train or val.
        aligned: folder of the table of high-resolution faces; None if twins are not needed.
        needing: the params that need twins, for messages.

    Raises:
        DataError: if a table is missing, or a face that is not native has no twin.
    """
    table, lr = read_images(degraded, split)
    face_ids, native, hr = table["face_id"].to_numpy(), table["native"].to_numpy(), None
    if aligned is not None:
        photos, images = read_images(aligned, split)
        rows = _find_rows(photos["face_id"], pa.array(face_ids[~native], pa.string()))
        if (rows < 0).any():
            missing = face_ids[~native][rows < 0]
            raise DataError(
                f"{aligned}: {len(missing)} of the {len(face_ids)} {split} faces of {degraded} have no high-resolution "
                f"twin (the first is {missing[0]}), but {' and '.join(needing)} need twins; set them to 0"
            )
        places = np.full(len(face_ids), -1)
        places[~native] = rows
        hr = _select(images, places)
    return Faces(face_ids, table["identity"].to_numpy(), lr, hr, native)


def read_images(folder: Path, split: str) -> tuple[pa.Table, Images]:
    """Read a face table of one split: its other columns, and the images.

    Up to `MOST_IN_MEMORY` images are decoded into memory; more stay on disk.

    Raises:
        DataError: if the table is missing or damaged.
    """
    if count_faces(folder, [split]) > MOST_IN_MEMORY:
        return find_faces(folder, split)
    table = read_faces(folder, splits=[split])
    return table.drop(["image"]), decode_images(table["image"])


def _select(images: Images, rows: np.ndarray) -> Images:
    """Return the images of these rows, with a black image for each row below 0."""
    if isinstance(images, StoredFaces):
        return images.select(rows)
    if np.array_equal(rows, np.arange(len(images))):
        return images
    found = np.zeros((len(rows), HR, HR, 3), np.uint8)
    found[rows >= 0] = images[rows[rows >= 0]]
    return found


def triplet_index(triplets: Iterable[pa.Table], faces: Faces, references: References) -> np.ndarray:
    """Find the row of each triplet's anchor in `faces`, and of its positive and negative in `references`.

    Args:
        triplets: tables of `ftlgan.triplets.table.TRIPLETS`.
        faces: the training faces.
        references: their photos.

    Returns:
        int32 (T, 3).

    Raises:
        DataError: if a face is missing.
    """
    anchors, photos = pa.array(faces.face_ids, pa.string()), pa.array(references.face_ids, pa.string())

    def find(role: str, table: pa.Table) -> np.ndarray:
        wanted = table[role]
        rows = _find_rows(anchors if role == "anchor" else photos, wanted)
        if (rows < 0).any():
            where = "among the training faces" if role == "anchor" else f"in {references.table}"
            missing = wanted[int(np.argmax(rows < 0))].as_py()
            raise DataError(f"triplets: {role} {missing!r} is not {where}; run `dvc repro triplets`")
        return rows

    return np.concatenate(
        [np.stack([find(role, table) for role in ("anchor", "positive", "negative")], axis=1) for table in triplets]
    )


def _find_rows(face_ids: pa.Array, wanted: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return the row of each wanted face, or -1 if it is missing: int32."""
    return pc.fill_null(pc.call_function("index_in", [wanted], pc.SetLookupOptions(face_ids)), -1).to_numpy()
