"""`ftlgan match`: does a small face show the person in another photo, and how strong is the evidence?"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError, writing
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.progress import progress
from ftlgan.tool.kit import MatchFile
from ftlgan.tool.matching import Match, Matcher, SeveralFacesError
from ftlgan.tool.restorer import RestoredFace
from ftlgan.weights.models import SETS

FEWEST_PAIRS = 10
"""The fewest pairs of different people on which a false match rate may rest."""
MEANING = """\
The likelihood ratio tells how much more often two photos of one person are this similar than photos of two people.
It is the strength of the evidence for faces like these: {photos}.
It is not a decision, and not the probability that they are one person, which depends on all other evidence.
The numbers may not hold for photos of another kind, age or ethnicity."""


@dataclass(frozen=True, eq=False)
class _Side:
    """A photo on one side of the comparisons."""

    path: Path
    face: RestoredFace
    embedding: np.ndarray


def match(
    probes: Sequence[Path],
    references: Sequence[Path],
    weights: str,
    main: bool,
    device: str,
    json_file: str | None,
) -> None:
    """Compare each probe with each reference, and print the strength of the evidence.

    Args:
        probes: photos with one small face each.
        references: photos of the people to compare with, one face each.
        weights: the name of a packaged set, or the folder of a kit.
        main: whether to use the most central face of a photo with several faces.
        device: `cpu` or `cuda`.
        json_file: the JSON file to write; `-`: print JSON to standard output instead of the text.

    Raises:
        DataError: if a photo is missing or shows no face or several, or the kit has no statistics for a face's size.
        WeightsError: if weights are missing.
    """
    missing = next((path for path in (*probes, *references) if not path.is_file()), None)
    if missing:
        raise DataError(f"{missing}: there is no such file")
    if weights in SETS and json_file != "-":
        print(f"weights: {weights}, {SETS[weights].terms}", file=sys.stderr)
    matcher = Matcher.load(weights, device)
    paths = (*probes, *references)
    sides = [_read(matcher, path, main) for path in progress(paths, "look", unit="photo", shown=len(paths) > 4)]
    found = [
        (probe, reference, _judged(matcher, probe, reference))
        for probe in sides[: len(probes)]
        for reference in sides[len(probes) :]
    ]
    content = json.dumps(_json(matcher.knowledge, found), indent=1)
    print(content if json_file == "-" else _text(matcher.knowledge, found))
    if json_file and json_file != "-":
        with writing(Path(json_file)):
            Path(json_file).write_text(content + "\n", encoding="utf-8", newline="\n")


def _read(matcher: Matcher, path: Path, main: bool) -> _Side:
    try:
        face = matcher.face(read_photo(path.read_bytes()), main)
    except SeveralFacesError as reason:
        raise DataError(f"{path}: {reason}, or use the most central one with --main") from None
    except NoFaceError as reason:
        raise DataError(f"{path}: {reason}") from None
    return _Side(path, face, matcher.embed([face])[0])


def _judged(matcher: Matcher, probe: _Side, reference: _Side) -> Match:
    try:
        return matcher.judged(probe.face, reference.face, float(probe.embedding @ reference.embedding))
    except DataError as error:
        raise DataError(f"{probe.path} and {reference.path}: {error}") from None


def _text(knowledge: MatchFile, found: Sequence[tuple[_Side, _Side, Match]]) -> str:
    lines: list[str] = []
    for probe, reference, result in found:
        known = result.known.calibration
        lines += [
            f"{probe.path} ({_size(probe)}) and {reference.path} ({_size(reference)}): {result.words}",
            f"  similarity              {result.similarity:.3f}, by {knowledge.judge}",
            f"  false match rate        {rate_in_words(result)}",
            f"  log10 likelihood ratio  {ratio_in_words(result)}",
            f"  known from              {known.people} people at {result.size} px, {result.protocol}, Cllr "
            f"{result.known.held_out.cllr:.2f}",
            "",
        ]
    return "\n".join([*lines, MEANING.format(photos=knowledge.photos)])


def rate_in_words(found: Match) -> str:
    """Return the false match rate, or a bound where it would rest on fewer than `FEWEST_PAIRS`."""
    pairs = found.known.calibration.impostor
    if round(found.false_match_rate * pairs) < FEWEST_PAIRS:
        return f"below {FEWEST_PAIRS / pairs:.1g}: fewer than {FEWEST_PAIRS} of {pairs:,} pairs of different people"
    return f"{found.false_match_rate:.2g} of {pairs:,} pairs of different people"


def ratio_in_words(found: Match) -> str:
    """Return the log10 of the likelihood ratio with its interval, which is empty at the limit of the data."""
    lo, hi = found.interval
    interval = f" [{lo:.2f}, {hi:.2f}]" if lo < hi else ""
    return f"{found.log10_lr:.2f}{interval}" + (", the limit of the data" if found.bounded else "")


def _size(side: _Side) -> str:
    return f"{side.face.size:.0f} px" + (", restored" if side.face.model else ", unchanged")


def _face(side: _Side) -> dict[str, Any]:
    """Describe a face: its box says which face of the photo was compared."""
    box = [round(value, 1) for value in side.face.box.tolist()]
    return {"file": str(side.path), "box": box, "size": round(side.face.size, 1), "model": side.face.model}


def _json(knowledge: MatchFile, found: Sequence[tuple[_Side, _Side, Match]]) -> dict[str, Any]:
    return {
        "judge": {"name": knowledge.judge, "sha256": knowledge.sha256},
        "photos": knowledge.photos,
        "matches": [
            {
                "probe": _face(probe),
                "reference": _face(reference),
                "similarity": round(result.similarity, 6),
                "false_match_rate": float(f"{result.false_match_rate:.4g}"),
                "log10_likelihood_ratio": {
                    "value": round(result.log10_lr, 4),
                    "lo": round(result.interval[0], 4),
                    "hi": round(result.interval[1], 4),
                    "at_the_bound": result.bounded,
                },
                "words": result.words,
                "known_from": {
                    "size": result.size,
                    "protocol": result.protocol,
                    "people": result.known.calibration.people,
                    "impostor_pairs": result.known.calibration.impostor,
                    "cllr": result.known.held_out.cllr,
                    "cllr_min": result.known.held_out.cllr_min,
                },
            }
            for probe, reference, result in found
        ],
    }
