"""Gallery, probes -> the rank and the score of each mate, as a closed and as an open set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError
from ftlgan.verification.binning import Floats, Ints
from ftlgan.verification.identification.gallery import Gallery, Rows
from ftlgan.verification.identification.ranking import Probes, count_ahead
from ftlgan.verification.pairs import Faces, Indices, check_same_people, numbered

LEFT_OUT = 0.5
"""The share of the people searched for that an open set leaves out of the gallery, if it is not given others."""


@dataclass(frozen=True, eq=False)
class Searches:
    """What the searches of a gallery found."""

    people: tuple[str, ...]
    """The P identities of all probes, sorted; the array below holds indices into them."""
    person: Indices
    """Who is on each probe, (S,)."""
    rank: Ints
    """The rank of the mate, from 1 on, (S,); 0 in a non-mated search."""
    score: Floats
    """The score of the mate, or in a non-mated search the highest of all, (S,)."""
    enrolled: int
    """How many people the gallery holds."""

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Which searches are mated, (S,)."""
        return self.rank > 0


def identify(
    gallery: Gallery, probes: Faces, non_mated: Faces | None = None, left_out: float = LEFT_OUT, seed: int = 0
) -> tuple[Searches, Searches]:
    """Search a gallery for each probe: as a closed set, and as an open set.

    In the closed set everybody of the gallery is enrolled, and each probe is a search. In the open set the non-mated
    searches are those of the probes `non_mated`. Without these, the people of the probes are split, by the seed alone:
    the share `left_out` of them is left out of the gallery, and their probes make the non-mated searches; people of the
    gallery whom no probe shows stay. A probe is not compared with its own photo, of the same face_id: that is taken out
    of the person's mean or maximum.

    Args:
        gallery: who is enrolled.
        probes: photos of people of the gallery.
        non_mated: photos of others; None: see above.
        left_out: share of people, in (0, 1); at least one is left out, and one is not.
        seed: of the split.

    Returns:
        The closed set and the open set, of the same `people`.

    Raises:
        DataError: embeddings of different recognizers, no probes, a photo of two people, a probe whose person is not in
            the gallery with another photo, a non-mated one whose person is, or one person alone.
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
            f"probes are {one.embeddings.shape}, those that are not mated {other.embeddings.shape}: embed both with "
            "one recognizer"
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
            f"probes are {probes.embeddings.shape}, references {gallery.faces.embeddings.shape}: embed both with one "
            "recognizer"
        )
    check_same_people(probes, gallery.faces)
    missing = np.setdiff1d(probes.identities, gallery.people)
    if missing.size:
        raise DataError(
            f"{missing[0]} is among the probes and not in the gallery ({missing.size} such people in all); give the "
            "gallery a photo of each, or these probes as non-mated ones"
        )
    if non_mated is None:
        if len(np.unique(probes.identities)) < 2:
            raise DataError(
                f"all probes are of {probes.identities[0]}: an open set needs somebody else; give probes of two people "
                "or more, or non-mated probes"
            )
        return
    if not len(non_mated.identities):
        raise DataError("there are no non-mated probes; give a photo of somebody who is not in the gallery")
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
            f"compared with itself ({alone.size} such probes in all); give the gallery another photo of each, or "
            "remove the probes"
        )
    return Probes(embeddings, mate, score)


def _own_photos(gallery: Gallery, probes: Faces) -> Rows:
    """The row of each probe's photo among the references, (S,); -1: it is not there."""
    row = {name: k for k, name in enumerate(probes.face_ids.tolist())}
    own = np.full(len(row), -1)
    for k in np.flatnonzero(np.isin(gallery.faces.face_ids, probes.face_ids)).tolist():
        own[row[str(gallery.faces.face_ids[k])]] = k
    return own


def _draw(people: tuple[str, ...], share: float, seed: int) -> list[str]:
    """Who is left out of the gallery, sorted."""
    number = min(max(round(share * len(people)), 1), len(people) - 1)
    drawn = np.random.default_rng((seed, 1)).permutation(len(people))[:number]
    return [people[k] for k in sorted(drawn.tolist())]
