"""What a training learns from, and what it is validated on."""

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
"""The folder of the table of triplets, beside the teachers' tables; no teacher may be called so."""
MOST_IN_MEMORY = 25_000
"""Faces of one table: so many take 1 GB where they are high-resolution. Of more, each is decoded when it is needed."""

Images = np.ndarray | StoredFaces
"""uint8 RGB (N, H, W, 3), in memory or on disk."""


@dataclass(frozen=True)
class References:
    """High-resolution photos by one teacher's embeddings."""

    table: Path
    """The folder of the table from which they were read, for messages."""
    face_ids: np.ndarray
    """str (M,)."""
    identities: np.ndarray
    """str (M,); None where nobody knows who it is."""
    embeddings: np.ndarray
    """float32 (M, D), unit length."""
    recognizer: dict[str, str]
    """Name and SHA-256 of the teacher."""


@dataclass(frozen=True)
class Faces:
    """Low-resolution faces of one split, and their high-resolution twins where they are asked for."""

    face_ids: np.ndarray
    """str (N,)."""
    identities: np.ndarray
    """str (N,); None where nobody knows who it is."""
    lr: Images
    """uint8 RGB, (N, res, res, 3)."""
    hr: Images | None
    """uint8 RGB, (N, 112, 112, 3), row by row the twins of `lr`; black where a face has none."""
    native: np.ndarray
    """bool (N,): which faces were photographed small, and have no twin."""


@dataclass(frozen=True)
class TrainingSet:
    """What to learn from, and what to validate on. What no term needs is None."""

    train: Faces
    """Faces of the training people."""
    references: Sequence[References]
    """Photos of the training people, the same and in the same order by each teacher."""
    triplets: np.ndarray
    """int32 (T, 3): anchor as row of `train`, positive and negative as rows of references; see `triplet_index`."""
    real: Images | None
    """uint8 RGB, (R, 112, 112, 3): photos of the training people, for the discriminator."""
    val: Faces
    """Faces of other people."""
    val_references: Sequence[References]
    """Their photos by each teacher, row by row those of `val`."""


def read_training_set(degraded: Path, aligned: Path, targets: Path, config: Training) -> TrainingSet:
    """Read what a training needs and nothing else: no high-resolution photo that no term or augmentation uses.

    Args:
        degraded: folder of the table of low-resolution faces.
        aligned: folder of the table of their high-resolution twins.
        targets: folder of a table of embeddings of those twins for each teacher, and of the table of triplets.
        config: its losses and its augmentation decide what is needed.

    Raises:
        DataError: if a table is missing, or a face that is needed, or teachers have not seen the same faces.
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
            raise DataError(f"{targets / TRIPLETS}: no anchor is {chosen}, as train.faces asks; set it to all")
    return TrainingSet(
        train=train,
        references=references,
        triplets=triplets,
        real=real,
        val=val,
        val_references=val_references,
    )


def _check_faces(references: Sequence[References], face_ids: np.ndarray, named: str) -> None:
    """Refuse references to other faces, or to the same in another order.

    Raises:
        DataError: if there are any.
    """
    for seen in references:
        if not np.array_equal(seen.face_ids, face_ids):
            raise DataError(f"{seen.table}: does not hold the {named} in the same order; run `dvc repro`")


def read_references(teacher: Path, split: str) -> References:
    """Read a teacher's embeddings of one split, shard by shard: they fill most of a large training's memory."""
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
        aligned: folder of the table of high-resolution faces; None: the twins are not needed.
        needing: the params that make twins necessary.

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
                f"twin there (the first is {missing[0]}), which {' and '.join(needing)} need: set them to 0"
            )
        places = np.full(len(face_ids), -1)
        places[~native] = rows
        hr = _select(images, places)
    return Faces(face_ids, table["identity"].to_numpy(), lr, hr, native)


def read_images(folder: Path, split: str) -> tuple[pa.Table, Images]:
    """Read a face table of one split: what it says of each face, and the images.

    They are decoded into memory where there are no more than `MOST_IN_MEMORY`, and else stay on disk.

    Raises:
        DataError: if the table is missing or damaged.
    """
    if count_faces(folder, [split]) > MOST_IN_MEMORY:
        return find_faces(folder, split)
    table = read_faces(folder, splits=[split])
    return table.drop(["image"]), decode_images(table["image"])


def _select(images: Images, rows: np.ndarray) -> Images:
    """Return the images of these rows; a black one for each row below 0."""
    if isinstance(images, StoredFaces):
        return images.select(rows)
    if np.array_equal(rows, np.arange(len(images))):
        return images
    found = np.zeros((len(rows), HR, HR, 3), np.uint8)
    found[rows >= 0] = images[rows[rows >= 0]]
    return found


def triplet_index(triplets: Iterable[pa.Table], faces: Faces, references: References) -> np.ndarray:
    """Find the anchor of each triplet in `faces`, positive and negative in `references`: int32 (T, 3).

    Args:
        triplets: tables of `ftlgan.triplets.table.TRIPLETS`.
        faces: the training faces.
        references: their photos.

    Raises:
        DataError: if one is not there.
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
    """Return the row of each wanted face, -1 where it has none: int32."""
    return pc.fill_null(pc.call_function("index_in", [wanted], pc.SetLookupOptions(face_ids)), -1).to_numpy()
