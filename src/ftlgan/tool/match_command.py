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
        lo, hi = result.interval
        known = result.known.calibration
        bound = ", the limit of the data" if result.bounded else ""
        lines += [
            f"{probe.path} ({_size(probe)}) and {reference.path} ({_size(reference)}): {result.words}",
            f"  similarity              {result.similarity:.3f}, by {knowledge.judge}",
            f"  false match rate        {result.false_match_rate:.2g} of {known.impostor:,} pairs of different people",
            f"  log10 likelihood ratio  {result.log10_lr:.2f} [{lo:.2f}, {hi:.2f}]{bound}",
            f"  known from              {known.people} people at {result.size} px, {result.protocol}, Cllr "
            f"{result.known.held_out.cllr:.2f}",
            "",
        ]
    return "\n".join([*lines, MEANING.format(photos=knowledge.photos)])


def _size(side: _Side) -> str:
    return f"{side.face.size:.0f} px" + (", restored" if side.face.model else ", unchanged")


def _json(knowledge: MatchFile, found: Sequence[tuple[_Side, _Side, Match]]) -> dict[str, Any]:
    return {
        "judge": {"name": knowledge.judge, "sha256": knowledge.sha256},
        "photos": knowledge.photos,
        "matches": [
            {
                "probe": {"file": str(probe.path), "size": round(probe.face.size, 1), "model": probe.face.model},
                "reference": {
                    "file": str(reference.path),
                    "size": round(reference.face.size, 1),
                    "model": reference.face.model,
                },
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
                    "cllr": result.known.held_out.cllr,
                    "cllr_min": result.known.held_out.cllr_min,
                },
            }
            for probe, reference, result in found
        ],
    }
