"""`ftlgan verify`: the report on a user's embeddings or scores."""

import hashlib
import json
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.verification.histogram import ScoreHistogram, pair_histogram, score_histogram
from ftlgan.verification.listed_scores import RATES, fold_rates, score_list
from ftlgan.verification.pair_list import PhotoNames, read_pairs
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.verification.parts import described
from ftlgan.verification.report import Report, report
from ftlgan.verification.scores import read_scores, refuse_semicolons
from ftlgan.verification.tables import EmbeddingTable, copies, read_embeddings, refuse_alike_across
from ftlgan.verification.text_files import read_csv, shown

NAMES = {"d_prime": "d'", "auc": "AUC", "eer": "EER"}

Facts = dict[str, Any]
"""The origin of the scores, as JSON."""


def verify(
    table: Path,
    references: Path | None,
    names: Path | None,
    reference_names: Path | None,
    pairs: Path | None,
    split: str | None,
    missing: str,
    fmr: Sequence[float],
    replicates: int,
    confidence: float,
    seed: int,
    json_file: str | None,
) -> None:
    """Print the report on a table, and write it as JSON.

    Args:
        table: embeddings of the probes (Parquet file or folder, or .npy: `ftlgan.verification.tables`), or scores
            (.csv: `ftlgan.verification.scores`).
        references: a table of the same or other photos to compare the probes with; None: the probes are compared with
            each other.
        names: the names of the rows of the table, if it is a .npy; None: the .csv or .txt file next to it.
        reference_names: the names of the rows of the references, likewise.
        pairs: a list of the pairs to compare (`ftlgan.verification.pair_list`); None: all pairs of different photos.
        split: the split to read; None: the test split if the table has one, else all faces.
        missing: `refuse` or `skip` photos without an embedding, pairs whose photo is missing, and pairs without a
            score.
        fmr: the false match rates at which to report FNMR, in (0, 1).
        replicates: the number of bootstrap draws, at least 100.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the draws.
        json_file: the JSON file to write; `-`: print JSON to standard output instead of the text.

    Raises:
        ParamsError: if a number is out of range, or options do not go together.
        DataError: if a file does not hold what it should, or the JSON file can't be written.
    """
    if wrong := [rate for rate in fmr if not 0 < rate < 1]:
        raise ParamsError(f"--fmr {wrong[0]:g}: a false match rate is between 0 and 1")
    check_draws(replicates, confidence, seed)
    check_names({"--names": (names, table), "--reference-names": (reference_names, references)})
    if table.suffix.lower() == ".csv":
        if references or pairs or split:
            raise ParamsError(f"{table}: holds scores; use --references, --pairs and --split with embeddings only")
        read = partial(_read_scores, table, missing == "skip")
    else:
        read = partial(_compare_embeddings, table, references, names, reference_names, pairs, split, missing == "skip")
    with one_line(pairs or table):
        histogram, facts = read()
        found = report(histogram, replicates, confidence, seed, fmr)
    columns = "probe_identity and reference_identity" if "scores" in facts else "the table a column identity"
    facts["intervals"] = _intervals(found, replicates, confidence, seed, columns)
    facts["notes"] = _notes(found, facts)
    content = json.dumps(_json(found, facts), indent=2, allow_nan=False)
    print(content if json_file == "-" else _text(found, facts))
    if json_file and json_file != "-":
        with writing(Path(json_file)):
            Path(json_file).write_text(content + "\n", encoding="utf-8", newline="\n")


def check_names(options: Mapping[str, tuple[Path | None, Path | None]]) -> None:
    """Refuse a file of names whose table is not a .npy file.

    Args:
        options: for each option, the file of names and the table that it goes with.

    Raises:
        ParamsError: if there is one.
    """
    for option, (file, array) in options.items():
        if file and not (array and array.suffix.lower() == ".npy"):
            raise ParamsError(f"{option} {file}: use it with embeddings in a .npy file, not with {array or 'nothing'}")


def check_draws(replicates: int, confidence: float, seed: int) -> None:
    """Refuse settings of the bootstrap that are out of range.

    Raises:
        ParamsError: if one is.
    """
    if not 0 < confidence < 1:
        raise ParamsError(f"--confidence {confidence:g}: the level of an interval is between 0 and 1")
    if replicates < 100:
        raise ParamsError(f"--replicates {replicates}: give 100 or more; with fewer, the intervals are too noisy")
    if seed < 0:
        raise ParamsError(f"--seed {seed}: give 0 or more")


@contextmanager
def one_line(file: Path) -> Generator[None, None, None]:
    """Turn a DataError into one line that names the file, which the code that computes from its scores can't know."""
    try:
        yield
    except DataError as error:
        message = " ".join(str(error).split())
        names_a_file = os.path.exists(message.partition(": ")[0]) or "there is no such file" in message  # noqa: PTH110 - of any length
        raise DataError(message if names_a_file else f"{file}: {message}") from None


def _read_scores(table: Path, skip: bool) -> tuple[ScoreHistogram, Facts]:
    scores = read_scores(table, skip)
    kind = "distance" if scores.distances else "score"
    facts: Facts = {"scores": _file(table) | {"column": kind, "missing_left_out": scores.missing}}
    return score_histogram(scores.comparison), facts


def _compare_embeddings(
    table: Path,
    references: Path | None,
    names: Path | None,
    reference_names: Path | None,
    pairs: Path | None,
    split: str | None,
    skip: bool,
) -> tuple[ScoreHistogram, Facts]:
    listed = pairs is not None
    probes = read_embeddings(table, split, names, skip, anonymous=listed)
    facts: Facts = {"probes": described_table(table, probes)}
    others = None
    if references:
        others = read_embeddings(references, split, reference_names, skip, anonymous=listed)
        check_together(table, probes, references, others)
        facts["references"] = described_table(references, others)
    facts["recognizer"] = probes.recognizer
    if pairs:
        if pairs.is_file():
            refuse_semicolons(pairs)
            if not skip:
                _refuse_rejected(pairs, {table: probes.faces, references or table: (others or probes).faces})
        return _compare_listed_pairs(pairs, probes.faces, (others or probes).faces, skip, facts)
    if others and same_photos(probes.faces, others.faces):
        others = None
    left_out = list(copies(others.faces, probes.faces) if others else copies(probes.faces))
    facts["pairs"] = {"all": "of different photos", "byte_identical_copies_left_out": len(left_out)}
    return pair_histogram(AllPairs(probes.faces.without(left_out), others and others.faces.without(left_out))), facts


def check_together(table: Path, probes: EmbeddingTable, references: Path, others: EmbeddingTable) -> None:
    """Refuse two tables that can't be compared.

    Raises:
        DataError: if they are of different recognizers, one lacks a column that both need, or they spell a name
            differently.
    """
    if others.recognizer != probes.recognizer:
        raise DataError(
            f"{table}: embedded by {described(probes.recognizer)}; {references}: by {described(others.recognizer)}; "
            "embed both with one recognizer"
        )
    for path, found in ((table, probes), (references, others)):
        if not found.named:
            raise DataError(f"{path}: has no column face_id, which keeps a photo from being compared with itself")
    if probes.faces.anonymous != others.faces.anonymous:
        (path,) = [path for path, found in ((table, probes), (references, others)) if found.faces.anonymous]
        raise DataError(f"{path}: has no column identity, but the other table does; add it to both or to neither")
    ours, theirs = probes.faces.embeddings, others.faces.embeddings
    if ours.shape[1] != theirs.shape[1]:
        raise DataError(f"{table}: probes are {ours.shape}, references {theirs.shape}; embed both with one recognizer")
    refuse_alike_across(table, probes.faces, references, others.faces)


def same_photos(probes: Faces, references: Faces) -> bool:
    """Return whether both sides are the same embeddings of the same photos, in any order.

    Compare such probes with each other, without references: else each pair of photos counts twice, once in each order.
    """
    one, other = (faces.take(np.argsort(faces.face_ids)) for faces in (probes, references))
    return (
        np.array_equal(one.face_ids, other.face_ids)
        and np.array_equal(one.identities, other.identities)
        and np.array_equal(one.embeddings, other.embeddings)
    )


def _refuse_rejected(pairs: Path, tables: Mapping[Path, Faces]) -> None:
    """Refuse a list that names a photo which `ftlgan embed` could not use: it gives the reason in TABLE.rejects.csv."""
    listed = read_pairs(pairs)
    for table, faces in tables.items():
        rejects = table.with_suffix(".rejects.csv") if table.name else table  # the current folder has no name
        columns = read_csv(rejects).columns if rejects.is_file() else {}
        if not {"face_id", "reason"} <= columns.keys():
            continue
        rejected, embedded = PhotoNames(columns["face_id"]), PhotoNames(faces.face_ids.tolist())
        for pair in listed:
            for name in (pair.probe, pair.reference):
                row = rejected.row(pairs, pair.line, name)
                if row is not None and embedded.row(pairs, pair.line, name) is None:
                    raise DataError(
                        f"{pairs}: line {pair.line}: {shown(name)} has no embedding: {columns['reason'][row]} "
                        f"({rejects}); leave such pairs out with --missing skip"
                    )


def _compare_listed_pairs(
    pairs: Path, probes: Faces, references: Faces, skip: bool, facts: Facts
) -> tuple[ScoreHistogram, Facts]:
    listed = score_list(pairs, probes, references, skip)
    facts["pairs"] = _file(pairs) | {
        "byte_identical_copies_left_out": listed.copies,
        "missing_left_out": listed.missing,
        "listed_again": listed.repeated,
    }
    if listed.folds is not None:
        rates = {name: asdict(rate) for name, rate in fold_rates(listed).items()}
        if "accuracy" not in rates:
            absent = "the threshold is chosen on other folds; give 2 folds or more, each with pairs of both kinds"
            rates["accuracy"] = {"folds": len(np.unique(listed.folds)), "absent": absent}
        facts.update(rates)
    return score_histogram(listed.comparison), facts


def described_table(path: Path, table: EmbeddingTable) -> Facts:
    """Return what was read, as JSON: path, SHA-256, split, and counts."""
    faces = table.faces
    digest = hashlib.sha256(np.ascontiguousarray(faces.embeddings).data)
    digest.update("\0".join([*faces.face_ids.tolist(), *faces.identities.tolist()]).encode())
    return {
        "path": str(path),
        "sha256": digest.hexdigest(),
        "split": table.split or None,
        "photos": len(faces.face_ids),
        "people": None if faces.anonymous else len(np.unique(faces.identities)),
        "missing_left_out": table.missing,
    }


def _file(path: Path) -> Facts:
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _intervals(found: Report, replicates: int, confidence: float, seed: int, columns: str) -> Facts:
    if found.replicates is None:
        return {"absent": f"the identities are unknown; give {columns}"}
    weights = "to first order" if found.first_order else "exact"
    return {"level": confidence, "resampled": "people", "replicates": replicates, "seed": seed, "weights": weights}


def _notes(found: Report, facts: Facts) -> list[str]:
    """Return warnings about the numbers, for the reader of the report."""
    notes: list[str] = []
    auc = found.metrics["auc"]
    if (auc.value if auc.hi is None else auc.hi) < 0.5:
        remedies = {
            "score": "if these are distances, name the column distance",
            "distance": "if these are similarities, name the column score",
        }
        remedy = remedies.get(facts.get("scores", {}).get("column"), "check the identities")
        notes.append(f"AUC {auc.value:.4f}: pairs of two people score higher than pairs of one; {remedy}")
    if again := facts.get("pairs", {}).get("listed_again"):
        notes.append(f"{again} pairs are listed more than once, in either order; each counts every time")
    for name, count in found.undefined_draws.items():
        outcome = "no interval" if found.metrics[name].lo is None else "the interval leaves them out"
        draws = facts["intervals"]["replicates"]
        notes.append(f"{_title(name)} is undefined in {count} of {draws} draws, as their scores do not vary: {outcome}")
    return notes


def _acceptance(facts: Facts) -> tuple[str, int]:
    """Return which pairs a threshold accepts, and the sign of its number: the score of a distance is its negative."""
    return ("distance <=", -1) if facts.get("scores", {}).get("column") == "distance" else ("score >=", 1)


def _json(found: Report, facts: Facts) -> Facts:
    rule, sign = _acceptance(facts)
    thresholds = {
        name: at and {"value": sign * at.score, "fmr": at.fmr, "fnmr": at.fnmr} for name, at in found.thresholds.items()
    }
    rounded = {name: {k: v and round(v, 9) for k, v in asdict(f).items()} for name, f in found.metrics.items()}
    return facts | {
        "people": found.people or None,
        "genuine": found.genuine,
        "impostor": found.impostor,
        "metrics": rounded,
        "absent": dict(found.absent),
        "undefined_draws": dict(found.undefined_draws),
        "accepted": f"{rule} threshold",
        "thresholds": thresholds,
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
            people = f" of {table['people']} people" if table["people"] else ""
            lines.append(line(side, f"{table['path']}: {table['photos']} photos{people}{split}"))
    if recognizer := facts.get("recognizer"):
        lines.append(line("recognizer", described(recognizer)))
    source = facts.get("scores", facts.get("pairs", {})).get("path", "all of different photos")
    lines.append(line("pairs", f"{source}: {found.genuine} genuine, {found.impostor} impostor"))
    if left_out := facts.get("pairs", {}).get("byte_identical_copies_left_out"):
        lines.append(line("left out", f"{left_out} byte-identical copies"))
    for source, what in (
        ("probes", "probes without an embedding"),
        ("references", "references without an embedding"),
        ("pairs", "pairs whose photo is missing"),
        ("scores", "pairs without a score"),
    ):
        if left_out := facts.get(source, {}).get("missing_left_out"):
            lines.append(line("left out", f"{left_out} {what}"))
    level = facts["intervals"].get("level")
    lines += ["", line("", f"   value   {level:.0%} interval over {found.people} people" if level else "   value")]
    for name, estimate in found.metrics.items():
        interval = f"   {estimate.lo:.4f} to {estimate.hi:.4f}" if estimate.lo is not None else ""
        error = f"   (binned: at most {found.auc_error:.1e} off)" if name == "auc" and found.auc_error else ""
        lines.append(line(_title(name), f"{estimate.value:8.4f}{interval}{error}"))
    lines += [line(_title(name), f"       -   {reason}") for name, reason in found.absent.items()]
    if reason := facts.get("accuracy", {}).get("absent"):
        lines.append(line("accuracy", f"       -   {reason}"))
    for name in RATES:
        if "mean" in (rate := facts.get(name, {})):
            text = f"{rate['mean']:8.4f}   standard error {rate['standard_error']:.4f}, {rate['folds']} folds"
            lines.append(line(_title(name), text))
    lines += ["", *_threshold_lines(found, facts)]
    if absent := facts["intervals"].get("absent"):
        lines += ["", f"no intervals: {absent}"]
    if facts["notes"]:
        lines += ["", *(f"note: {note}" for note in facts["notes"])]
    return "\n".join(lines)


def _threshold_lines(found: Report, facts: Facts) -> list[str]:
    rule, sign = _acceptance(facts)
    lines = [f"{'threshold':18}    {rule}"]
    for name, at in found.thresholds.items():
        title = name.replace("threshold_at_fmr_", "at FMR ").replace("threshold_at_eer", "at EER")
        if at:
            text = f"{sign * at.score:11.9g}   FMR {at.fmr:.4g}, FNMR {at.fnmr:.4g}"
        else:
            reason = found.absent.get(name.replace("threshold", "fnmr"), "even the highest score exceeds that rate")
            text = f"{'-':>11}   {reason}"
        lines.append(f"{title:18} {text}")
    return lines


def _title(name: str) -> str:
    return NAMES.get(name) or name.replace("fnmr_at_fmr_", "FNMR at FMR ").replace("tar_at_far_", "TAR at FAR ")
