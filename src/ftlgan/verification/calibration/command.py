"""`ftlgan calibrate`: turn a user's scores into likelihood ratios, and report how good these are on other people."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.look import save
from ftlgan.verification.calibration.counts import CountedScores, count_pairs, count_scores
from ftlgan.verification.calibration.fit import FEWEST_PEOPLE, fit
from ftlgan.verification.calibration.model import Calibration, ScoreKind
from ftlgan.verification.calibration.plots import calibration_plot, entropy_plot
from ftlgan.verification.calibration.report import CalibrationReport, report
from ftlgan.verification.command import (
    Facts,
    check_draws,
    check_names,
    check_together,
    described_table,
    one_line,
    same_photos,
)
from ftlgan.verification.pairs import AllPairs, Comparison, Faces
from ftlgan.verification.parts import described
from ftlgan.verification.scores import read_scores
from ftlgan.verification.tables import EmbeddingTable, copies, read_embeddings

TITLES = {"cllr": "Cllr", "cllr_min": "Cllr_min", "cllr_cal": "Cllr_cal", "eer": "EER"}


@dataclass(frozen=True, eq=False)
class _Source:
    """A source of scores: one or two tables of embeddings, or a file of scores."""

    path: Path
    people: NDArray[np.str_]
    """The people who are compared, sorted; for embeddings, the people of the probes."""
    count_among: Callable[[NDArray[np.str_]], CountedScores]
    """Counts the scores of pairs whose people are both among the given ones."""
    score: ScoreKind
    recognizer: dict[str, str]
    facts: Facts

    def count(self, people: NDArray[np.str_]) -> CountedScores:
        """Count the scores of pairs whose people are both among the given ones."""
        with one_line(self.path):
            return self.count_among(people)


def calibrate(
    table: Path,
    references: Path | None,
    names: Path | None,
    reference_names: Path | None,
    split: str | None,
    tests: Sequence[Path],
    test_references: Path | None,
    test_split: str | None,
    missing: str,
    calibration_file: Path | None,
    resolution: str | None,
    condition: str | None,
    protocol: str | None,
    replicates: int,
    confidence: float,
    seed: int,
    folder: Path | None,
    json_file: str | None,
) -> None:
    """Fit a calibration, print how good it is on other people, and write it, its metrics and its plots.

    Only the references of the probes' people are compared, so that nobody is in both the fit and a test.

    Args:
        table: the people to fit on, as embeddings (Parquet file or folder, or .npy: `ftlgan.verification.tables`) or
            scores (.csv: `ftlgan.verification.scores`).
        references: a table of the same or other photos to compare the probes with; None: the probes are compared with
            each other.
        names: the names of the rows of the table, if it is a .npy; None: the .csv or .txt file next to it.
        reference_names: the names of the rows of the references, likewise.
        split: the split to read; None: the test split if the table has one, else all faces.
        tests: tables of other people to report on; none: fit on half of the people of `table`, drawn by the seed, and
            report on the other half.
        test_references: the references of the tests; None: `references`.
        test_split: the split of `tests` and `test_references`; None: as for `split`.
        missing: `refuse` or `skip` photos without an embedding or pairs without a score.
        calibration_file: a calibration to report on instead of fitting one; `table` is then a test too.
        resolution: the resolution of the faces, only recorded in the calibration file.
        condition: the condition of the faces, only recorded in the calibration file.
        protocol: the protocol of the comparisons, only recorded in the calibration file.
        replicates: the number of bootstrap draws, at least 100.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the halves and of the draws.
        folder: the folder for `calibration.json`, `calibration.csv`, `calibration.png` and `entropy.png`; None: write
            none of them.
        json_file: the JSON file to write; `-`: print JSON to standard output instead of the text.

    Raises:
        ParamsError: if a number is out of range, or options do not go together.
        DataError: if a file does not hold what it should, or a file can't be written.
    """
    check_draws(replicates, confidence, seed)
    check_names({"--names": (names, table), "--reference-names": (reference_names, references)})
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ParamsError(f"--to {folder}: is a file; give a folder")
    skip = missing == "skip"
    first = _read(table, references, names, reference_names, split, skip)
    other_side = test_references or references
    others = [
        _read(test, other_side, None, None if test_references else reference_names, test_split, skip) for test in tests
    ]
    for other in others:
        _check_judge(other, first.recognizer, first.score, str(table))
    if calibration_file:
        calibration = Calibration.load(calibration_file)
        _check_judge(first, calibration.recognizer, calibration.score, str(calibration_file))
        tested = [(source, source.count(source.people)) for source in (first, *others)]
        fitted = None
    else:
        fit_people, test_people = (first.people, None) if others else _halves(first, seed)
        counted = first.count(fit_people)
        if test_people is not None and counted.units[0] < FEWEST_PEOPLE:
            raise DataError(
                f"{table}: {counted.units[0]} people have genuine scores, but a calibration needs {FEWEST_PEOPLE}; "
                f"half of the {len(first.people)} people are held out for the test, so give two photos each of "
                f"{2 * FEWEST_PEOPLE} people or more, or give other people with --test"
            )
        with one_line(table):
            calibration = fit(
                counted, first.recognizer, first.score, resolution, condition, protocol, replicates, confidence, seed
            )
        fitted = first.facts | {"people": len(counted.people)}
        for other in others:
            _refuse_shared(first, other)
        tested = [(source, source.count(source.people)) for source in others]
        if test_people is not None:
            tested = [(first, first.count(test_people))]
    found = {
        str(source.path): report(calibration.line, counts, replicates, confidence, seed) for source, counts in tested
    }
    facts: Facts = {
        "fit": fitted,
        "calibration": calibration.model_dump(mode="json") | {"file": calibration_file and str(calibration_file)},
        "halves": None if calibration_file or others else {"seed": seed},
        "tests": {str(source.path): source.facts for source, _ in tested},
        "intervals": {"level": confidence, "resampled": "people", "replicates": replicates, "seed": seed},
    }
    content = json.dumps(_json(found, facts), indent=2, allow_nan=False)
    print(content if json_file == "-" else _text(calibration, found, facts))
    if json_file and json_file != "-":
        with writing(Path(json_file)):
            Path(json_file).write_text(content + "\n", encoding="utf-8", newline="\n")
    if folder:
        written = _write(folder, calibration, found, calibration_file is None)
        if json_file != "-":
            print(f"\nWritten to {folder}: {', '.join(written)}")


def _read(
    path: Path, references: Path | None, names: Path | None, reference_names: Path | None, split: str | None, skip: bool
) -> _Source:
    if path.suffix.lower() == ".csv":
        if references or split:
            raise ParamsError(f"{path}: holds scores; use references and splits with embeddings only")
        found = read_scores(path, skip)
        facts = {"path": str(path), "missing_left_out": found.missing}
        kind: ScoreKind = "-distance" if found.distances else "score"
        people = np.array(found.comparison.people, dtype=np.str_)
        return _Source(path, people, partial(_count_scores, found.comparison), kind, {}, facts)
    probes = _read_embeddings(path, split, names, skip)
    facts = {"probes": described_table(path, probes)}
    others = None
    if references:
        others = _read_embeddings(references, split, reference_names, skip)
        check_together(path, probes, references, others)
        facts["references"] = described_table(references, others)
        if same_photos(probes.faces, others.faces):
            others = None
    count_among = partial(_count_embeddings, probes.faces, others and others.faces, facts)
    return _Source(path, np.unique(probes.faces.identities), count_among, "cosine", probes.recognizer, facts)


def _read_embeddings(path: Path, split: str | None, names: Path | None, skip: bool) -> EmbeddingTable:
    table = read_embeddings(path, split, names, skip)
    if not len(table.faces.identities):
        raise DataError(f"{path}: holds no embedding; add a row for each photo")
    return table


def _check_judge(source: _Source, recognizer: Mapping[str, str], score: ScoreKind, fitted: str) -> None:
    if source.score != score:
        raise DataError(f"{source.path}: holds {source.score}s, but {fitted} {score}s; give the same kind in both")
    if source.recognizer != dict(recognizer):
        raise DataError(
            f"{source.path}: embedded by {described(source.recognizer)}; {fitted}: by {described(dict(recognizer))}; "
            "use one recognizer for the calibration and its tests"
        )


def _refuse_shared(one: _Source, other: _Source) -> None:
    shared = np.intersect1d(one.people, other.people)
    if shared.size:
        raise DataError(
            f"{other.path}: {shared[0]} is also among the people of the fit, in {one.path} ({shared.size} such people "
            "in all); test on other people, or give no test to test on half of the people"
        )


def _halves(source: _Source, seed: int) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Split the people into those for the fit and those for the test; the split depends only on the seed."""
    order = np.random.default_rng((seed, 2)).permutation(source.people)
    return np.sort(order[: -(-len(order) // 2)]), np.sort(order[-(-len(order) // 2) :])


def _count_embeddings(probes: Faces, references: Faces | None, facts: Facts, people: NDArray[np.str_]) -> CountedScores:
    some = probes.take(np.isin(probes.identities, people))
    others = references and references.take(np.isin(references.identities, people))
    left_out = list(copies(others, some) if others else copies(some))
    facts["byte_identical_copies_left_out"] = len(left_out)
    return count_pairs(AllPairs(some.without(left_out), others and others.without(left_out)))


def _count_scores(scores: Comparison, people: NDArray[np.str_]) -> CountedScores:
    chosen = np.isin(scores.people, people)
    number = (np.cumsum(chosen) - 1).astype(np.int32)
    genuine, impostor = chosen[scores.genuine_person], chosen[scores.impostor_persons].all(axis=0)
    return count_scores(
        Comparison(
            tuple(people.tolist()),
            scores.genuine[genuine],
            scores.impostor[impostor],
            number[scores.genuine_person[genuine]],
            number[scores.impostor_persons[:, impostor]],
        )
    )


def _json(found: Mapping[str, CalibrationReport], facts: Facts) -> Facts:
    return facts | {
        "tests": {
            name: facts["tests"][name]
            | {
                "people": test.people,
                "genuine": test.genuine,
                "impostor": test.impostor,
                "outside_the_scores_of_the_fit": test.outside,
                "metrics": {
                    metric: {k: v and round(v, 9) for k, v in asdict(estimate).items()}
                    for metric, estimate in test.metrics.items()
                },
            }
            for name, test in found.items()
        }
    }


def _text(calibration: Calibration, found: Mapping[str, CalibrationReport], facts: Facts) -> str:
    def line(name: str, text: str) -> str:
        return f"{name:18} {text}"

    fitted, rule = facts["fit"], calibration.line
    halves = f", half of the people by seed {facts['halves']['seed']}" if facts["halves"] else ""
    source = facts["calibration"]["file"] if fitted is None else _path(fitted) + halves
    lines = [line("recognizer", described(calibration.recognizer))] if calibration.score == "cosine" else []
    lines += [
        line("fit", f"{source}: {calibration.people} people"),
        line("", f"{calibration.genuine} genuine, {calibration.impostor} impostor scores"),
        line(
            "log10 LR", f"{rule.slope:.6g} x {calibration.score} {'+-'[rule.intercept < 0]} {abs(rule.intercept):.6g}"
        ),
        line("", f"within {rule.lower_bound:.2f} and {rule.upper_bound:.2f} (empirical bounds)"),
        line("", f"for scores from {rule.lowest:.4g} to {rule.highest:.4g}"),
    ]
    level = facts["intervals"]["level"]
    for name, test in found.items():
        where = f"{name}, the other half" if halves else name
        lines += ["", line("test", f"{where}: {test.people} people")]
        outside = f", {test.outside} outside the scores of the fit" if test.outside else ""
        lines.append(line("", f"{test.genuine} genuine, {test.impostor} impostor scores{outside}"))
        if left_out := facts["tests"][name].get("byte_identical_copies_left_out"):
            lines.append(line("left out", f"{left_out} byte-identical copies"))
        lines.append(line("", f"   value   {level:.0%} interval over {test.people} people"))
        lines += [line(TITLES[metric], _estimate(asdict(estimate))) for metric, estimate in test.metrics.items()]
    return "\n".join(lines)


def _path(facts: Facts) -> str:
    return facts["path"] if "path" in facts else facts["probes"]["path"]


def _estimate(found: Mapping[str, Any]) -> str:
    return f"{found['value']:8.4f}   {found['lo']:.4f} to {found['hi']:.4f}"


def _write(
    folder: Path, calibration: Calibration, found: Mapping[str, CalibrationReport], is_new: bool
) -> Sequence[str]:
    """Write tables and plots into a folder, and return their names."""
    rows: list[Sequence[float | str]] = [
        (
            "fit",
            "",
            calibration.people,
            calibration.genuine,
            calibration.impostor,
            name,
            metric.value,
            metric.lo,
            metric.hi,
        )
        for name, metric in calibration.metrics
    ]
    rows += [
        ("test", path, test.people, test.genuine, test.impostor, name, metric.value, metric.lo or 0.0, metric.hi or 0.0)
        for path, test in found.items()
        for name, metric in test.metrics.items()
    ]
    titles = {f"{Path(path).name}: {test.people} people": test for path, test in found.items()}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if is_new:
            calibration.save(folder / "calibration.json")
        _write_csv(folder / "calibration.csv", rows)
        save(
            calibration_plot({title: (calibration, test) for title, test in titles.items()}), folder / "calibration.png"
        )
        save(entropy_plot(titles), folder / "entropy.png")
    return [*["calibration.json"] * is_new, "calibration.csv", "calibration.png", "entropy.png"]


def _write_csv(path: Path, rows: Iterable[Sequence[float | str]]) -> None:
    """Write rows as CSV, numbers with nine digits."""
    header = ("set", "table", "people", "genuine", "impostor", "metric", "value", "lo", "hi")
    with path.open("w", encoding="utf-8", newline="\n") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in rows)
