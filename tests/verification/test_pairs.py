"""All pairs of different photos, and nobody with themselves."""

from collections.abc import Iterator

import numpy as np
import pytest
from people import photos, unit

from ftlgan.errors import DataError
from ftlgan.verification.pairs import compare

Scored = tuple[float, str, str]
"""A score and whose photos it compares."""


def pairs_by_loop(
    probes: np.ndarray, references: np.ndarray, identities: list[str], ordered: bool
) -> tuple[list[Scored], list[Scored]]:
    genuine: list[Scored] = []
    impostor: list[Scored] = []
    for i, probe in enumerate(probes):
        for j, reference in enumerate(references):
            if i != j if ordered else i < j:
                who = (identities[i], identities[j])
                (genuine if who[0] == who[1] else impostor).append((float(probe @ reference), *who))
    return genuine, impostor


@pytest.mark.parametrize("across", [True, False])
def test_compare_scores_each_pair_of_different_photos_once(across: bool) -> None:
    probes, references, _ = photos(5, 3, noise=1)
    identities = [*"CABBACADDBABCCA"]  # in no order, with unequal numbers of photos
    comparison = compare(probes, references if across else None, identities)
    genuine, impostor = pairs_by_loop(probes, references if across else probes, identities, ordered=across)
    assert comparison.people == ("A", "B", "C", "D")
    names = np.array(comparison.people)
    assert comparison.genuine == pytest.approx([score for score, _, _ in genuine], abs=1e-6)
    assert names[comparison.genuine_person].tolist() == [who for _, who, _ in genuine]
    assert comparison.impostor == pytest.approx([score for score, _, _ in impostor], abs=1e-6)
    assert [tuple(pair) for pair in names[comparison.impostor_persons.T]] == [tuple(who) for _, *who in impostor]


@pytest.mark.parametrize("across", [True, False])
def test_a_photo_never_meets_itself_nor_its_own_original(across: bool) -> None:
    _, hr, identities = photos(6, 3, noise=0)
    comparison = compare(hr, hr if across else None, identities)
    assert comparison.genuine.max() < 0.9999 and comparison.impostor.max() < 0.9999
    assert comparison.genuine.size == 6 * 3 * 2 / (1 if across else 2)
    assert comparison.impostor.size == 6 * 3 * 5 * 3 / (1 if across else 2)


Arguments = tuple[np.ndarray, np.ndarray | None, list[str]]


def bad_comparisons() -> Iterator[tuple[str, Arguments, str]]:
    lr, hr, who = photos(3, 2, noise=1)
    missing = lr.copy()
    missing[[2, 4], 1] = np.nan
    yield "nan", (missing, hr, who), r"probes: 2 of 6 embeddings are not finite .* first in row 2 \(length nan\)"
    yield "length", (lr, 2 * hr, who), r"references: 6 of 6 embeddings are .* not of unit length.*row 0 \(length 2\)"
    yield "zero", (lr, 0 * hr, who), r"references: 6 of 6 .*\(length 0\)"
    yield "rows", (lr[:-1], hr, who), r"probes have shape \(5, 8\): one row for each of the 6 identities is needed"
    yield "references", (lr, hr[:-1], who), r"references have shape \(5, 8\)"
    yield "flat", (lr[0], None, who), r"probes have shape \(8,\)"
    yield "dimensions", (lr, unit(hr[:, :4]), who), r"probes are \(6, 8\), references \(6, 4\); .* one recognizer"
    yield "one person", (lr, hr, ["A"] * 6), "6 photos of 1 people give no genuine or no impostor pair"
    yield "one photo each", (lr, hr, [*"ABCDEF"]), "6 photos of 6 people .* at least two photos of one of them"
    yield "nothing", (np.empty((0, 8)), None, []), "0 photos of 0 people"


@pytest.mark.parametrize(("arguments", "message"), [pytest.param(*case, id=name) for name, *case in bad_comparisons()])
def test_bad_embeddings_are_refused_in_one_line(arguments: Arguments, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        compare(*arguments)
    assert "\n" not in str(error.value)
