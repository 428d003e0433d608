"""Embeddings -> the scores of all pairs of different photos, block by block."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats

UNIT_TOLERANCE = 1e-3
"""The largest difference of an embedding's length from 1: it allows for half precision, not for no normalization."""
SCORES_PER_BLOCK = 2**22
"""The number of scores in memory at a time: about 200 MB, with masks and people."""

Indices = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scored pairs of photos, and the person on each side."""

    people: tuple[str, ...]
    """The P identities, sorted; the arrays of people below hold indices into them. All of these are empty if the
    identities are unknown."""
    genuine: Floats
    """The similarity of each same-person pair, (G,)."""
    impostor: Floats
    """The similarity of each different-person pair, (I,)."""
    genuine_person: Indices
    """The person of each genuine score, (G,)."""
    impostor_persons: Indices
    """The two people of each impostor score, (2, I): of the probe in row 0, of the reference in row 1."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces embedded by one recognizer. Each photo has one name, so that it is never compared with itself."""

    face_ids: NDArray[np.str_]
    """The names of the photos, all different, (N,)."""
    identities: NDArray[np.str_]
    """The person on each photo, (N,); all empty if unknown."""
    embeddings: NDArray[np.float32]
    """The embeddings, of unit length, (N, D)."""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Faces":
        """Return some of the faces, selected by number or by a mask."""
        return Faces(self.face_ids[rows], self.identities[rows], self.embeddings[rows])

    def without(self, face_ids: Collection[str]) -> "Faces":
        """Return all faces except those with these names."""
        return self.take(~np.isin(self.face_ids, list(face_ids)))

    @property
    def anonymous(self) -> bool:
        """Whether the identities are unknown."""
        return not any(self.identities.tolist())


class AllPairs:
    """Every pair of different photos, scored by the cosine of the embeddings.

    Across (lr-hr), each probe is compared with each reference of another photo. Within (lr-lr, hr-hr), each unordered
    pair is compared once.
    """

    def __init__(self, probes: Faces, references: Faces | None) -> None:
        """Number people and photos.

        Args:
            probes: one side.
            references: the other side, of the same or other photos; None to compare the probes with each other.

        Raises:
            DataError: if embeddings are of different recognizers, a photo has two identities, there are fewer than two
                people, or nobody has two photos.
        """
        self.probes, self.within = probes, references is None
        self.references = references = references or probes
        if probes.embeddings.shape[1:] != references.embeddings.shape[1:]:
            raise DataError(
                f"probes are {probes.embeddings.shape}, references {references.embeddings.shape}; "
                "embed both with one recognizer"
            )
        self.people, (self.probe_person, self.reference_person) = numbered(probes.identities, references.identities)
        _, (self.probe_photo, self.reference_photo) = numbered(probes.face_ids, references.face_ids)
        if self.within:
            self.probe_photo = self.reference_photo = np.arange(len(self.probe_photo), dtype=np.int32)
        self._check()

    @cached_property
    def counts(self) -> tuple[int, int]:
        """The number of genuine and impostor pairs."""
        probe_counts, reference_counts = (
            np.bincount(person, minlength=len(self.people)) for person in (self.probe_person, self.reference_person)
        )
        same_photo = len(np.intersect1d(self.probe_photo, self.reference_photo))
        genuine = int(probe_counts @ reference_counts) - same_photo
        impostor = len(self.probe_person) * len(self.reference_person) - same_photo - genuine
        return (genuine // 2, impostor // 2) if self.within else (genuine, impostor)

    def blocks(self) -> Iterator[Comparison]:
        """Yield all pairs in the order of their rows, a few million at a time."""
        starts = range(0, len(self.probe_person), self._probes_per_block)
        return (
            self._block(slice(start, start + self._probes_per_block), start if self.within else 0) for start in starts
        )

    @property
    def block_count(self) -> int:
        return -(-len(self.probe_person) // self._probes_per_block)

    def sample(self) -> Comparison:
        """Return about one block of pairs, from evenly spaced probes. It may lack one kind of pair."""
        return self._block(slice(0, None, self.block_count), 0)

    @property
    def _probes_per_block(self) -> int:
        return max(1, SCORES_PER_BLOCK // len(self.reference_person))

    def _block(self, rows: slice, first_column: int) -> Comparison:
        similarity = self.probes.embeddings[rows] @ self.references.embeddings[first_column:].T
        person, other = np.broadcast_arrays(self.probe_person[rows, None], self.reference_person[first_column:])
        photo, other_photo = self.probe_photo[rows, None], self.reference_photo[first_column:]
        different = photo < other_photo if self.within else photo != other_photo
        same_person = person == other
        genuine, impostor = different & same_person, different & ~same_person
        return Comparison(
            people=self.people,
            genuine=similarity[genuine].astype(np.float64),
            impostor=similarity[impostor].astype(np.float64),
            genuine_person=person[genuine],
            impostor_persons=np.stack([person[impostor], other[impostor]]),
        )

    def _check(self) -> None:
        check_same_people(self.probes, self.references)
        if not all(self.counts):
            photos = len(np.union1d(self.probes.face_ids, self.references.face_ids))
            raise DataError(
                f"{photos} photos of {len(self.people)} people give no genuine or no "
                "impostor pair; verification needs at least two people, and at least two photos of one of them"
            )


def check_same_people(probes: Faces, references: Faces) -> None:
    """Refuse a photo that has another identity among the references than among the probes.

    Raises:
        DataError: if there is one.
    """
    probe, reference = (
        dict(zip(faces.face_ids.tolist(), faces.identities.tolist(), strict=True)) for faces in (probes, references)
    )
    if wrong := [name for name in probe.keys() & reference.keys() if probe[name] != reference[name]]:
        name = min(wrong)
        raise DataError(f"{name} is {probe[name]} among the probes, but {reference[name]} among the references")


def compare(probes: ArrayLike, references: ArrayLike | None, identities: ArrayLike) -> Comparison:
    """Score all pairs of different photos of one set, all in memory.

    Across (lr-hr), probe i is compared with reference j for all ordered pairs i != j. Row i of both is the same photo,
    restored and original, so a photo is never compared with itself or with its original. Within (lr-lr, hr-hr), each
    unordered pair is compared once.

    Args:
        probes: embeddings of unit length, (N, D).
        references: embeddings of the same photos in the same order, (N, D); None to compare the probes with each other.
        identities: the person on each photo, str (N,).

    Raises:
        DataError: if shapes do not match, embeddings are not finite or not of unit length, there are fewer than two
            people, or nobody has two photos.
    """
    people = np.asarray(identities, dtype=np.str_)
    names = np.arange(len(people)).astype(np.str_)

    def faces(embeddings: ArrayLike, name: str) -> Faces:
        return Faces(names, people, check_embeddings(embeddings, name, len(people)))

    return joined(
        AllPairs(faces(probes, "probes"), None if references is None else faces(references, "references")).blocks()
    )


def joined(blocks: Iterable[Comparison]) -> Comparison:
    """Join all blocks into one."""
    parts = list(blocks)
    if len(parts) == 1:
        return parts[0]
    return Comparison(
        parts[0].people,
        np.concatenate([part.genuine for part in parts]),
        np.concatenate([part.impostor for part in parts]),
        np.concatenate([part.genuine_person for part in parts]),
        np.concatenate([part.impostor_persons for part in parts], axis=1),
    )


def check_embeddings(
    embeddings: ArrayLike, name: str, photos: int, rows: NDArray[np.integer] | None = None
) -> NDArray[np.float32]:
    """Check embeddings, and return them as float32 (photos, D).

    Args:
        embeddings: the embeddings, (photos, D).
        name: the name of the file, for messages.
        photos: the expected number of embeddings.
        rows: the row of each in its file, (photos,), for messages; None: they are the whole file.

    Raises:
        DataError: if the shape differs, or embeddings are not finite or not of unit length; the message begins with
            `name`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # too large numbers become infinite, and are refused below
        embeddings = np.asarray(embeddings, dtype=np.float32)
    if embeddings.ndim != 2 or len(embeddings) != photos:
        raise DataError(f"{name} have shape {embeddings.shape}: one row for each of the {photos} identities is needed")
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(embeddings, axis=1)
    wrong = np.flatnonzero(~(np.abs(length - 1) <= UNIT_TOLERANCE))  # negated, so that NaN is wrong
    if wrong.size:
        row = wrong[0] if rows is None else rows[wrong[0]]
        raise DataError(
            f"{name}: {wrong.size} of {photos} embeddings are not finite or not of unit length, the first in row "
            f"{row} (length {length[wrong[0]]:g}); embed the faces again, and divide each embedding by its length"
        )
    return embeddings


def numbered(probes: NDArray[np.str_], references: NDArray[np.str_]) -> tuple[tuple[str, ...], list[Indices]]:
    """Return all names, sorted, and the index of each probe's and each reference's name among them."""
    names, number = np.unique(np.concatenate([probes, references]), return_inverse=True)
    return tuple(names.tolist()), np.split(number.astype(np.int32), [len(probes)])
