"""Mining anchor / positive / negative in the teacher's embedding space.

Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015): a negative is semi-hard when it is farther than the
positive, but by less than the margin. The paper (Pulgar and Mery) leaves the mining open; that it is offline, on the
high-resolution embeddings, and recorded, is our choice: a triplet set can be read, diffed and shared.

A face that has no other photo of the same person, because there is one photo of that person or because nobody knows who
it is, is its own positive: the restored face is drawn to its high-resolution twin. That is our choice, too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from ftlgan.errors import DataError
from ftlgan.faces import read_table
from ftlgan.params import Triplets
from ftlgan.progress import progress

TRIPLETS = pa.schema(
    [
        pa.field("anchor", pa.string(), False),
        pa.field("positive", pa.string(), False),
        pa.field("negative", pa.string(), False),
        pa.field("identity", pa.string()),
        pa.field("negative_identity", pa.string()),
        pa.field("positive_distance", pa.float32(), False),
        pa.field("negative_distance", pa.float32(), False),
    ]
)
"""face_id of each, whom anchor and positive show, whom the negative, and their distances from the anchor when mined.

Whom is null where nobody knows. The positive is the anchor itself where there is no other photo of the same person.
"""
UNKNOWN = -1
"""In place of the number of a person, where nobody knows who it is."""
MAYBE_THE_SAME = 95
"""The percentile of the distances between two photos of one person below which two faces may show one person."""


def mine(face_ids: np.ndarray, identities: np.ndarray, embeddings: np.ndarray, config: Triplets, seed: int) -> pa.Table:
    """Mine semi-hard triplets; where a pair has too few semi-hard negatives, the nearest farther ones fill up.

    A face of whom nobody knows who it is may show somebody who is in the table, too, and would be the hardest negative
    of that person's other photos. So it is negative to a face, and has a face as negative, only from a distance that 95
    of 100 pairs of photos of one person do not reach; these pairs are those of the people who are known.

    Args:
        face_ids: str (N,), unique.
        identities: str (N,), who each face is; None where nobody knows.
        embeddings: float32 (N, D), unit length: the teacher's, of the high-resolution faces.
        config: how many and how hard.
        seed: of the choice of positives and negatives.

    Returns:
        A table of `TRIPLETS`, by anchor in the order given.

    Raises:
        DataError: if there are fewer than two known people, or none with two faces.
    """
    people, who = _numbered(identities)
    known = who != UNKNOWN
    if len(people) < 2 or np.bincount(who[known]).max() < 2:
        raise DataError(
            f"triplets: {len(face_ids)} training faces of {len(people)} known people hold no triplet; "
            "it takes 2 people, one of them with 2 photos"
        )
    limit = _distance_of_one_person(embeddings[known], who[known])
    rows = [
        (anchor, positive, negative, distances[positive], distances[negative])
        for anchor in progress(range(len(face_ids)), "mine triplets", unit="anchor")
        for distances in [_distances_of_face(embeddings, anchor)]
        for positive, negative in _pairs_of_anchor(
            anchor, who, distances, limit, config, np.random.default_rng([seed, anchor])
        )
    ]
    anchor, positive, negative, positive_distance, negative_distance = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    columns = [face_ids[anchor], face_ids[positive], face_ids[negative], identities[anchor], identities[negative]]
    distances = [positive_distance.astype(np.float32), negative_distance.astype(np.float32)]
    return pa.table([pa.array(column) for column in [*columns, *distances]], schema=TRIPLETS)


def mine_native(
    native: tuple[np.ndarray, np.ndarray],
    face_ids: np.ndarray,
    identities: np.ndarray,
    embeddings: np.ndarray,
    config: Triplets,
    seed: int,
) -> pa.Table:
    """Mine triplets whose anchors are native small faces: positive and negative are high-resolution photos.

    A small face has no embedding that could be trusted. The mean of its person's photos stands for it.

    Args:
        native: face_ids and identities of the small faces, str (M,) each; of people among `identities`.
        face_ids: and what follows: see `mine`.

    Returns:
        A table of `TRIPLETS`, by anchor in the order given. The distances are those of the mean.
    """
    people, who = _numbered(identities)
    limit = _distance_of_one_person(embeddings[who != UNKNOWN], who[who != UNKNOWN])
    rows: list[tuple[str, int, int, float, float]] = []
    for number, (face_id, identity) in enumerate(zip(*native, strict=True)):
        same = who == np.searchsorted(people, identity)
        centre = embeddings[same].mean(axis=0)
        distances = _distances(embeddings, centre / np.linalg.norm(centre))
        others = np.flatnonzero(~same & ~((who == UNKNOWN) & (distances < limit)))
        rng = np.random.default_rng([seed, len(face_ids) + number])
        rows += [
            (face_id, positive, negative, distances[positive], distances[negative])
            for positive, negative in _pairs(np.flatnonzero(same), others, distances, config, rng)
        ]
    if not rows:
        return TRIPLETS.empty_table()
    anchors, positive, negative, *distances = (np.array(column) for column in zip(*rows, strict=True))
    columns = [anchors, face_ids[positive], face_ids[negative], identities[positive], identities[negative]]
    columns += [column.astype(np.float32) for column in distances]
    return pa.table([pa.array(column) for column in columns], schema=TRIPLETS)


def _numbered(identities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the people who are known, sorted, and the number of each face's, `UNKNOWN` where nobody knows."""
    known = np.array([identity is not None for identity in identities])
    people, numbers = np.unique(identities[known].astype(np.str_), return_inverse=True)
    who = np.full(len(identities), UNKNOWN)
    who[known] = numbers
    return people, who


def _distances_of_face(embeddings: np.ndarray, face: int) -> np.ndarray:
    """Distances from one of the faces to all; to itself exactly 0."""
    distances = _distances(embeddings, embeddings[face])
    distances[face] = 0
    return distances


def _distances(embeddings: np.ndarray, embedding: np.ndarray) -> np.ndarray:
    """Euclidean distances from one unit embedding to all: |a - b|^2 = 2 - 2ab."""
    return np.sqrt(np.maximum(0, 2 - 2 * (embeddings @ embedding)))


def _distance_of_one_person(embeddings: np.ndarray, who: np.ndarray) -> float:
    """The distance that `MAYBE_THE_SAME` percent of the pairs of two photos of one person do not exceed.

    Args:
        embeddings: float32 (N, D), unit length.
        who: int (N,), who each is: at least one person twice.
    """
    by_person = np.split(np.argsort(who, kind="stable"), np.cumsum(np.bincount(who))[:-1])
    genuine = [
        _distances_of_face(embeddings[rows], first)[first + 1 :] for rows in by_person for first in range(len(rows))
    ]
    return float(np.percentile(np.concatenate(genuine), MAYBE_THE_SAME))


def _pairs_of_anchor(
    anchor: int, who: np.ndarray, distances: np.ndarray, limit: float, config: Triplets, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """The pairs (positive, negative) of one anchor."""
    same = (who == who[anchor]) & (who != UNKNOWN)
    same[anchor] = True
    positives = np.flatnonzero(same)
    if len(positives) > 1:
        positives = positives[positives != anchor]
    nobody_knows = (who == UNKNOWN) | (who[anchor] == UNKNOWN)
    others = np.flatnonzero(~same & ~(nobody_knows & (distances < limit)))
    yield from _pairs(positives, others, distances, config, rng)


def _pairs(
    positives: np.ndarray, others: np.ndarray, distances: np.ndarray, config: Triplets, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Draw pairs (positive, negative) for an anchor at these distances from all faces."""
    others = others[np.argsort(distances[others], kind="stable")]
    for positive in np.sort(rng.permutation(positives)[: config.positives]):
        candidates = semi_hard(distances[others], float(distances[positive]), config)
        for negative in np.sort(rng.permutation(others[candidates])[: config.negatives]):
            yield int(positive), int(negative)


def semi_hard(sorted_distances: np.ndarray, positive_distance: float, config: Triplets) -> slice:
    """The negatives to draw from, as a slice of those sorted by distance.

    The `hardest` nearest that are farther than the positive and within the margin of it. Fewer than `negatives` of
    those (the people are easy to tell apart, or the positive is far off): the nearest farther ones beyond the margin
    fill up, and where nobody is farther than the positive, the farthest.
    """
    start = int(np.searchsorted(sorted_distances, positive_distance, side="right"))
    stop = int(np.searchsorted(sorted_distances, positive_distance + config.margin, side="left"))
    stop = max(min(stop, start + config.hardest), min(start + config.negatives, len(sorted_distances)))
    return slice(max(0, min(start, stop - config.negatives)), stop)


def read_triplets(path: Path) -> pa.Table:
    """Read and check a triplet table, which somebody else may have mined.

    Raises:
        DataError: if its schema is not `TRIPLETS`, if it is empty or if a row is no triplet.
    """
    table = read_table(path)
    if not table.schema.equals(TRIPLETS):
        raise DataError(
            f"{path}: its columns are {', '.join(table.schema.names)}; expected those of ftlgan.triplets.TRIPLETS"
        )
    if not table.num_rows:
        raise DataError(f"{path}: holds no triplets; run `dvc repro triplets`")
    column = {name: table[name].to_numpy(zero_copy_only=False) for name in TRIPLETS.names[:5]}
    negative, known = column["negative"], table["identity"].is_valid().to_numpy()
    wrong = (negative == column["anchor"]) | (negative == column["positive"])
    wrong |= (column["identity"] == column["negative_identity"]) & known
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{path}: row {row} (anchor {column['anchor'][row]}) is no triplet; mine it anew: `dvc repro -f triplets`"
        )
    return table
