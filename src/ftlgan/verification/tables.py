"""A user's embeddings, in Parquet or in a .npy array with a file of names."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.arrays import read_array
from ftlgan.verification.names import find_alike, is_missing, shown_apart, spelling
from ftlgan.verification.pairs import Faces, check_embeddings
from ftlgan.verification.parquet import read_parquet
from ftlgan.verification.parts import NAMES, Part, described
from ftlgan.verification.text_files import joined_names, shown


@dataclass(frozen=True)
class EmbeddingTable:
    """The embedded faces of a file or folder."""

    faces: Faces
    named: bool
    """Whether the photos have names; otherwise they are numbered."""
    split: str
    """The split that was read; empty for all faces."""
    recognizer: dict[str, str]
    """The name and SHA-256 of the recognizer, if the table gives them."""
    missing: int = 0
    """The number of photos left out because they have no embedding."""


def read_embeddings(
    path: Path,
    split: str | None = None,
    names: Path | None = None,
    skip_missing: bool = False,
    *,
    anonymous: bool = False,
) -> EmbeddingTable:
    """Read a table of embeddings from a Parquet file, a folder of Parquet files, or a .npy file.

    A Parquet file has the columns identity, embedding and, optionally, face_id and split. A folder may be partitioned
    as in Hive: `split=test/part.parquet`. A .npy file holds an array (N, D), and a file of names gives the identity of
    each row (`ftlgan.verification.arrays`).

    Args:
        path: the file or folder.
        split: the split to read; None: the test split if the table has one, else all faces.
        names: the names of the rows of a .npy file; None: the .csv or .txt file of the same name next to it.
        skip_missing: leave out, and count, photos without an embedding: null, empty, all NaN or all 0.
        anonymous: accept a Parquet table without the column identity; its identities are then empty.

    Raises:
        DataError: if there is no such table, it lacks a column, the split has no faces, a person is in two splits, a
            photo occurs twice, or an embedding is missing, not finite, or of another length or not of unit norm.
    """
    parts = [read_array(path, names)] if path.suffix.lower() == ".npy" else read_parquet(path)
    for name in NAMES:
        if len({name in part.names for part in parts}) > 1:
            (lacking, *_) = [part.path for part in parts if name not in part.names]
            raise DataError(f"{lacking}: has no column {name}, but other files of {path} do; add it to all or to none")
    if "identity" not in parts[0].names:
        if not anonymous:
            raise DataError(
                f"{parts[0].path}: has no column identity; add it, or give the pairs to compare with --pairs, in a "
                "list with a column genuine"
            )
        for part in parts:
            part.names["identity"] = np.zeros(len(part.embeddings), np.str_)
    else:
        anonymous = False
    for part in parts:
        _check_names(part, ("face_id",) if anonymous else ("identity", "face_id"))
    column = {name: np.concatenate([part.names[name] for part in parts]) for name in parts[0].names}
    if not anonymous:
        _refuse_alike(path, column["identity"])
    inside, chosen = _choose(path, column, split)
    vectors, missing = _usable(path, parts, inside, skip_missing)
    identities = column["identity"][inside][~missing]
    named = "face_id" in column
    ids = (column["face_id"] if named else np.arange(len(inside)).astype(np.str_))[inside]
    found, counts = np.unique(ids, return_counts=True)
    if (twice := counts > 1).any():
        raise DataError(f"{path}: has {found[twice][0]} {counts[twice][0]} times; give each photo its own face_id")
    faces = Faces(ids[~missing], identities, vectors)
    return EmbeddingTable(faces, named, chosen, _one_recognizer(parts), int(np.count_nonzero(missing)))


def copies(*tables: Faces) -> set[str]:
    """Return the names of photos whose embedding is byte-identical to that of an earlier photo with another name.

    If several tables hold a photo, only its embedding in the first table counts, because two restored faces may be
    equal by chance.
    """
    first: dict[bytes, str] = {}
    seen: set[str] = set()
    found: set[str] = set()
    for faces in tables:
        for name, embedding in zip(faces.face_ids.tolist(), faces.embeddings, strict=True):
            if name not in seen and first.setdefault(blake2b(embedding, digest_size=16).digest(), name) != name:
                found.add(name)
        seen.update(faces.face_ids.tolist())
    return found


def refuse_alike_across(table: Path, probes: Faces, references: Path, others: Faces) -> None:
    """Refuse a person or photo that two tables spell differently, because it would count as two.

    Raises:
        DataError: if there is one.
    """
    for name, ours, theirs in (
        ("identity", probes.identities, others.identities),
        ("face_id", probes.face_ids, others.face_ids),
    ):
        first, second = set(ours.tolist()), set(theirs.tolist())
        spelled = {spelling(found): found for found in first - second}
        for found in sorted(second - first):
            if other := spelled.get(spelling(found)):
                theirs_shown, ours_shown = shown_apart(found, other)
                raise DataError(
                    f"{references}: {name} {theirs_shown} and {ours_shown} of {table} look like one name; spell it "
                    "one way, or rename one"
                )


def _choose(path: Path, column: dict[str, NDArray[np.str_]], split: str | None) -> tuple[NDArray[np.bool_], str]:
    """Return which rows are in the split, (N,), and its name, empty for all rows."""
    every: list[str] = column["split"].tolist() if "split" in column else []
    splits = [name for name in dict.fromkeys(every) if name]
    chosen = split or ("test" if "test" in splits else "")
    who = column["identity"]
    if not chosen:
        return np.ones(len(who), dtype=np.bool_), ""
    if chosen not in splits:
        raise DataError(f"{path}: has no faces of the split {chosen!r}; it has {joined_names(splits) or 'no splits'}")
    inside = column["split"] == chosen
    if shared := ({*who[inside].tolist()} & {*who[~inside].tolist()}) - {""}:
        raise DataError(f"{path}: {min(shared)} is in the split {chosen!r} and in another; keep each person in one")
    return inside, chosen


def _usable(
    path: Path, parts: Sequence[Part], inside: NDArray[np.bool_], skip_missing: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the embeddings of the rows inside that have one, (M, D), and which of those rows lack one, (N,)."""
    vectors: list[NDArray[np.float32]] = []
    missing: list[NDArray[np.bool_]] = []
    ends = np.cumsum([len(part.embeddings) for part in parts])[:-1]
    for part, mask in zip(parts, np.split(inside, ends), strict=True):
        rows = np.flatnonzero(mask)
        found = part.embeddings if mask.all() else part.embeddings[rows]
        no_values, lacking = _lacking(found)
        if no_values.any() and not skip_missing:
            raise DataError(
                f"{part.path}: {np.count_nonzero(no_values)} of {len(rows)} embeddings are not finite or not of unit "
                f"length, the first in row {rows[np.argmax(no_values)]} (there is none); embed the face, remove the "
                "row, or leave such photos out with --missing skip"
            )
        kept = ~lacking if skip_missing else np.ones(len(rows), dtype=np.bool_)
        if kept.any():
            some = found if kept.all() else found[kept]
            vectors.append(check_embeddings(some, str(part.path), len(some), rows[kept]))
        missing.append(~kept)
    lengths = sorted({found.shape[1] for found in vectors})
    if len(lengths) > 1:
        raise DataError(f"{path}: embeddings differ in length ({joined_names(lengths)}); embed all with one recognizer")
    return (
        vectors[0] if len(vectors) == 1 else np.concatenate(vectors or [np.empty((0, 0), np.float32)]),
        np.concatenate(missing),
    )


def _lacking(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are all NaN, and which are all NaN or 0, (N,) each. Other rows are not read in full."""
    no_values, lacking = (np.zeros(len(embeddings), np.bool_) for _ in range(2))
    first = embeddings[:, :1]
    candidates = np.flatnonzero((np.isnan(first) | (first == 0)).all(axis=1))
    missing = np.isnan(embeddings[candidates])
    no_values[candidates] = missing.all(axis=1)
    lacking[candidates] = (missing | (embeddings[candidates] == 0)).all(axis=1)
    return no_values, lacking


def _check_names(part: Part, columns: Sequence[str]) -> None:
    for name in columns:
        names = part.names.get(name, np.empty(0, np.str_))
        for found in np.unique(names).tolist():
            if is_missing(found):
                row = int(np.argmax(names == found))
                raise DataError(
                    f"{part.path}: row {row}: {name} is {shown(found)}, not a name; give one or remove the row"
                )


def _refuse_alike(path: Path, identities: NDArray[np.str_]) -> None:
    if alike := find_alike(np.unique(identities).tolist()):
        one, other = shown_apart(*alike)
        raise DataError(
            f"{path}: identity {one} and {other} look like one name; spell it one way, or rename one of the two people"
        )


def _one_recognizer(parts: Sequence[Part]) -> dict[str, str]:
    first = parts[0]
    for part in parts:
        if part.recognizer != first.recognizer:
            raise DataError(
                f"{part.path}: embedded by {described(part.recognizer)}; {first.path}: by "
                f"{described(first.recognizer)}; embed all with one recognizer"
            )
    return first.recognizer
