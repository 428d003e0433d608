"""Gallery, probes -> the rank and the score of each mate, in a closed and an open set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.identification.gallery import Gallery, Rows
from ftlgan.verification.identification.ranking import Probes, count_ahead
from ftlgan.verification.pairs import Faces, Indices, check_same_people, numbered

LEFT_OUT = 0.5
"""The share of the probes' people that an open set leaves out of the gallery, if no non-mated probes are given."""


@dataclass(frozen=True, eq=False)
class Searches:
    """The results of searches in a gallery."""

    people: tuple[str, ...]
    """The P identities of all probes, sorted; the array below holds indices into them."""
    person: Indices
    """The person on each probe, (S,)."""
    rank: Ints
    """The rank of the mate, >= 1, (S,); 0 in a non-mated search."""
    score: Floats
    """The score of the mate, or in a non-mated search the highest score, (S,)."""
    enrolled: int
    """The number of people in the gallery."""

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Whether each search is mated, (S,)."""
        return self.rank > 0


def identify(
    gallery: Gallery, probes: Faces, non_mated: Faces | None = None, left_out: float = LEFT_OUT, seed: int = 0
) -> tuple[Searches, Searches]:
    """Search a gallery for each probe, as a closed set and as an open set.

    In the closed set the whole gallery is enrolled, and each probe is a search. In the open set the probes `non_mated`
    are the non-mated searches. Without them, the share `left_out` of the probes' people is drawn by the seed alone and
    left out of the gallery, and their probes are the non-mated searches. People in the gallery without a probe always
    stay. A probe is never compared with its own photo, the one with the same face_id: the person's mean or maximum
    leaves it out.

    Args:
        gallery: the enrolled people.
        probes: photos of people in the gallery.
        non_mated: photos of other people; None: see above.
        left_out: the share of people to leave out, in (0, 1); at least one person is left out, and at least one stays.
        seed: the seed of the people left out.

    Returns:
        The closed set and the open set, with the same `people`.

    Raises:
        DataError: if embeddings are of different recognizers, there are no probes, a photo has two identities, the
            gallery has no other photo of a probe's person, it has a photo of a non-mated probe's person, or all probes
            show one person.
    """
    everybody = probes if non_mated is None else _joined(probes, non_mated)
    _check(gallery, probes, non_mated)
    people, (person, _) = numbered(everybody.identities, everybody.identities[:0])
    searched = _look_up(gallery, probes, everybody.embeddings)
    is_left_out = np.zeros(len(gallery.people), np.bool_)
    if non_mated is None:
        is_left_out[np.searchsorted(gallery.people, _draw(people, left_out, seed))] = True
    mated = searched.mate >= 0
    non_mated_rows = ~mated | is_left_out[searched.mate]
    ahead, top = count_ahead(gallery, searched, np.flatnonzero(~is_left_out), non_mated_rows)
    also_ahead, _ = count_ahead(gallery, searched, np.flatnonzero(is_left_out), np.zeros_like(mated))
    closed = Searches(
        people,
        person[mated],
        1 + (ahead + also_ahead)[mated],
        searched.score[mated],
        len(gallery.people),
    )
    rank, score = np.where(non_mated_rows, 0, 1 + ahead), np.where(non_mated_rows, top, searched.score)
    return closed, Searches(people, person, rank, score, int(np.count_nonzero(~is_left_out)))


def _joined(one: Faces, other: Faces) -> Faces:
    if one.embeddings.shape[1:] != other.embeddings.shape[1:]:
        raise DataError(
            f"probes are {one.embeddings.shape}, non-mated probes {other.embeddings.shape}; embed both with one "
            "recognizer"
        )
    return Faces(
        np.concatenate([one.face_ids, other.face_ids]),
        np.concatenate([one.identities, other.identities]),
        np.concatenate([one.embeddings, other.embeddings]),
    )


def _check(gallery: Gallery, probes: Faces, non_mated: Faces | None) -> None:
    if not len(probes.identities):
        raise DataError("there are no probes; give a photo of each person to search for")
    if probes.embeddings.shape[1:] != gallery.faces.embeddings.shape[1:]:
        raise DataError(
            f"probes are {probes.embeddings.shape}, references {gallery.faces.embeddings.shape}; embed both with one "
            "recognizer"
        )
    check_same_people(probes, gallery.faces)
    missing = np.setdiff1d(probes.identities, gallery.people)
    if missing.size:
        raise DataError(
            f"{missing[0]} is among the probes but not in the gallery ({missing.size} such people in all); add a photo "
            "of each to the gallery, or give these probes as non-mated"
        )
    if non_mated is None:
        if len(np.unique(probes.identities)) < 2:
            raise DataError(
                f"all probes are of {probes.identities[0]}, but an open set needs other people; give probes of two "
                "people or more, or non-mated probes"
            )
        return
    if not len(non_mated.identities):
        raise DataError("there are no non-mated probes; give photos of people who are not in the gallery")
    check_same_people(non_mated, gallery.faces)
    present = np.intersect1d(non_mated.identities, gallery.people)
    if present.size:
        raise DataError(
            f"{present[0]} is among the non-mated probes and in the gallery; remove the person from one of the two"
        )


def _look_up(gallery: Gallery, mated: Faces, embeddings: NDArray[np.float32]) -> Probes:
    """Find the mates of the mated probes, whose embeddings come first, and score them."""
    count = len(mated.identities)
    mate, score = np.full(len(embeddings), -1), np.full(len(embeddings), np.nan)
    mate[:count] = np.searchsorted(gallery.people, mated.identities)
    score[:count] = gallery.score(embeddings, np.arange(count), mate[:count], _own_photos(gallery, mated))
    alone = np.flatnonzero(np.isnan(score[:count]))
    if alone.size:
        raise DataError(
            f"{mated.face_ids[alone[0]]} is the only photo of {mated.identities[alone[0]]} in the gallery, and is not "
            f"compared with itself ({alone.size} such probes in all); add another photo of each to the gallery, or "
            "remove the probes"
        )
    return Probes(embeddings, mate, score)


def _own_photos(gallery: Gallery, probes: Faces) -> Rows:
    """Return the row of each probe's own photo among the references, (S,); -1 if it is not among them."""
    row = {name: k for k, name in enumerate(probes.face_ids.tolist())}
    own = np.full(len(row), -1)
    for k in np.flatnonzero(np.isin(gallery.faces.face_ids, probes.face_ids)).tolist():
        own[row[str(gallery.faces.face_ids[k])]] = k
    return own


def _draw(people: tuple[str, ...], share: float, seed: int) -> list[str]:
    """Draw the people to leave out of the gallery, sorted."""
    number = min(max(round(share * len(people)), 1), len(people) - 1)
    drawn = np.random.default_rng((seed, 1)).permutation(len(people))[:number]
    return [people[k] for k in sorted(drawn.tolist())]
