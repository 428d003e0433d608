"""`ftlgan verify`: the report on embeddings or scores that anyone made."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.verification.histogram import ScoreHistogram, pair_histogram, score_histogram
from ftlgan.verification.pair_list import fold_accuracy, score_list
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.verification.report import Report, report
from ftlgan.verification.tables import EmbeddingTable, copies, read_embeddings, read_scores

NAMES = {"d_prime": "d'", "auc": "AUC", "eer": "EER"}

Facts = dict[str, Any]
"""Where the scores come from, as JSON."""


def verify(
    table: Path,
    references: Path | None,
    pairs: Path | None,
    split: str | None,
    fmr: Sequence[float],
    replicates: int,
    confidence: float,
    seed: int,
    json_file: str | None,
) -> None:
    """Print the report on a table, and write it as JSON.

    Args:
        table: probes as embeddings (Parquet file or folder), or scores (.csv): `ftlgan.verification.tables`.
        references: the same photos, or others, to compare the probes with; None: the probes are compared within.
        pairs: list of the pairs to compare: `ftlgan.verification.pair_list`; None: all pairs of different photos.
        split: whose faces; None: those of the test, where a table has any, else all.
        fmr: false match rates at which FNMR is asked for, in (0, 1).
        replicates: bootstrap draws of people, at least 100.
        confidence: of the intervals, in (0, 1).
        seed: of the draws.
        json_file: where to write JSON; `-`: on standard output, in place of the text.

    Raises:
        ParamsError: if a number is out of range, or options do not go together.
        DataError: if a file does not hold what it should, or a JSON file can't be written.
    """
    _check(fmr, replicates, confidence, seed)
    if table.suffix == ".csv":
        if references or pairs or split:
            raise ParamsError(f"{table}: are scores; --references, --pairs and --split go with embeddings")
        histogram, facts = score_histogram(read_scores(table)), {"scores": _file(table)}
    else:
        histogram, facts = _compare_embeddings(table, references, pairs, split)
    found = report(histogram, replicates, confidence, seed, fmr)
    facts["intervals"] = _intervals(found, replicates, confidence, seed)
    content = json.dumps(_json(found, facts), indent=2)
    print(content if json_file == "-" else _text(found, facts))
    if json_file and json_file != "-":
        with writing(Path(json_file)):
            Path(json_file).write_text(content + "\n", encoding="utf-8", newline="\n")


def _check(fmr: Sequence[float], replicates: int, confidence: float, seed: int) -> None:
    if wrong := [rate for rate in fmr if not 0 < rate < 1]:
        raise ParamsError(f"--fmr {wrong[0]:g}: a false match rate is between 0 and 1")
    if not 0 < confidence < 1:
        raise ParamsError(f"--confidence {confidence:g}: the level of an interval is between 0 and 1")
    if replicates < 100:
        raise ParamsError(f"--replicates {replicates}: give 100 or more, or the ends of the intervals are noise")
    if seed < 0:
        raise ParamsError(f"--seed {seed}: give 0 or more")


def _compare_embeddings(
    table: Path, references: Path | None, pairs: Path | None, split: str | None
) -> tuple[ScoreHistogram, Facts]:
    probes = read_embeddings(table, split)
    facts: Facts = {"probes": _described(table, probes)}
    others = None
    if references:
        others = read_embeddings(references, split)
        _check_together(table, probes, references, others)
        facts["references"] = _described(references, others)
    facts["recognizer"] = probes.recognizer
    if pairs:
        return _compare_listed_pairs(pairs, probes.faces, (others or probes).faces, facts)
    left_out = list(copies(others.faces, probes.faces) if others else copies(probes.faces))
    facts["pairs"] = {"all": "of different photos", "byte_identical_copies_left_out": len(left_out)}
    return pair_histogram(AllPairs(probes.faces.without(left_out), others and others.faces.without(left_out))), facts


def _check_together(table: Path, probes: EmbeddingTable, references: Path, others: EmbeddingTable) -> None:
    if others.recognizer != probes.recognizer:
        raise DataError(
            f"{table}: embedded by {probes.recognizer or 'nobody knows whom'}, {references}: by "
            f"{others.recognizer or 'nobody knows whom'}; embed both with one recognizer"
        )
    for path, found in ((table, probes), (references, others)):
        if not found.named:
            raise DataError(f"{path}: has no column face_id, which keeps a photo from being compared with itself")


def _compare_listed_pairs(pairs: Path, probes: Faces, references: Faces, facts: Facts) -> tuple[ScoreHistogram, Facts]:
    listed = score_list(pairs, probes, references)
    facts["pairs"] = _file(pairs) | {"byte_identical_copies_left_out": listed.copies}
    if listed.folds is not None:
        facts["accuracy"] = asdict(fold_accuracy(listed.scores, listed.genuine, listed.folds))
    return score_histogram(listed.comparison), facts


def _described(path: Path, table: EmbeddingTable) -> Facts:
    faces = table.faces
    digest = hashlib.sha256(faces.embeddings.tobytes())
    digest.update("\0".join([*faces.face_ids.tolist(), *faces.identities.tolist()]).encode())
    return {
        "path": str(path),
        "sha256": digest.hexdigest(),
        "split": table.split or None,
        "photos": len(faces.face_ids),
        "people": len(np.unique(faces.identities)),
    }


def _file(path: Path) -> Facts:
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _intervals(found: Report, replicates: int, confidence: float, seed: int) -> Facts:
    if found.replicates is None:
        return {"absent": "it is not known who is compared; give probe_identity and reference_identity"}
    weights = "to first order" if found.first_order else "exact"
    return {"level": confidence, "resampled": "people", "replicates": replicates, "seed": seed, "weights": weights}


def _json(found: Report, facts: Facts) -> Facts:
    rounded = {name: {k: v and round(v, 9) for k, v in asdict(f).items()} for name, f in found.metrics.items()}
    return facts | {
        "people": found.people or None,
        "genuine": found.genuine,
        "impostor": found.impostor,
        "metrics": rounded,
        "absent": dict(found.absent),
        "auc_error": found.auc_error,
        "det": {"fmr": found.roc.fmr.tolist(), "fnmr": (1 - found.roc.tmr).tolist()},
    }


def _text(found: Report, facts: Facts) -> str:
    def line(name: str, text: str) -> str:
        return f"{name:18} {text}"

    lines: list[str] = []
    for side in ("probes", "references"):
        if side in facts:
            table = facts[side]
            split = f", split {table['split']}" if table["split"] else ""
            lines.append(line(side, f"{table['path']}: {table['photos']} photos of {table['people']} people{split}"))
    if recognizer := facts.get("recognizer"):
        lines.append(line("recognizer", f"{recognizer.get('recognizer', '')}, SHA-256 {recognizer.get('sha256', '')}"))
    source = facts.get("scores", facts.get("pairs", {})).get("path", "all of different photos")
    lines.append(line("pairs", f"{source}: {found.genuine} genuine, {found.impostor} impostor"))
    if left_out := facts.get("pairs", {}).get("byte_identical_copies_left_out"):
        lines.append(line("left out", f"{left_out} byte-identical copies"))
    level = facts["intervals"].get("level")
    lines += ["", line("", f"   value   {level:.0%} interval over {found.people} people" if level else "   value")]
    for name, estimate in found.metrics.items():
        interval = f"   {estimate.lo:.4f} to {estimate.hi:.4f}" if estimate.lo is not None else ""
        error = f"   (binned: at most {found.auc_error:.1e} off)" if name == "auc" and found.auc_error else ""
        lines.append(line(_title(name), f"{estimate.value:8.4f}{interval}{error}"))
    lines += [line(_title(name), f"       -   {reason}") for name, reason in found.absent.items()]
    if accuracy := facts.get("accuracy"):
        text = f"{accuracy['mean']:8.4f}   standard error {accuracy['standard_error']:.4f}, {accuracy['folds']} folds"
        lines.append(line("accuracy", text))
    if absent := facts["intervals"].get("absent"):
        lines += ["", f"no intervals: {absent}"]
    return "\n".join(lines)


def _title(name: str) -> str:
    return NAMES.get(name) or name.replace("fnmr_at_fmr_", "FNMR at FMR ")
