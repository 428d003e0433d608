"""A comparison as a Markdown page."""

from collections.abc import Sequence

from ftlgan.comparison.runs import Run, differing_params, differing_software
from ftlgan.comparison.table import MEAN, PAPER, PAPER_GAIN, Row, methods_by_box
from ftlgan.evaluation.judging import CEILING
from ftlgan.look import label

HEADING = ["px", "method", "d'", "AUC", "d' minus the best other's", "gap to HR closed"]
OTHER_HEADINGS = {
    "tar_at_far_1e2": "TAR at FAR 0.01",
    "tar_at_far_1e3": "TAR at FAR 0.001",
    "accuracy": "accuracy on pairs",
    "rank_1": "rank-1",
    "cllr": "Cllr (less is better)",
}
"""The optional columns: a table has those for which any of its rows has the metric."""
QUALITY_HEADINGS = {"psnr": "PSNR, dB", "ssim": "SSIM", "lpips": "LPIPS (less is better)"}


def to_markdown(rows: Sequence[Row], runs: Sequence[Run]) -> str:
    """Return a page with a section for each judge, the image quality, the paper's own results, and the runs.

    Args:
        rows: the rows that `ftlgan.comparison.table.compare_runs` returned.
        runs: the runs that it compared.
    """
    ours = [row for row in rows if row.judge != PAPER]
    parts = ["Restored faces against high-resolution ones (lr-hr); intervals in brackets, by a bootstrap over people."]
    if any(row.trainings > 1 for row in ours):
        parts.append(
            "Runs that differ only in train.seed share a row with their mean. The ± gives the standard deviation over "
            "these trainings, the brackets the mean ends of their intervals over people."
        )
    if outdated := _outdated_files(runs):
        parts.append(
            "Some files of metrics are of other faces than the rest of their run, which did not compute them, and so "
            f"are left out: {outdated}. Run `dvc exp run` without a target to compute all."
        )
    for judge in dict.fromkeys(row.judge for row in ours):
        group = [row for row in ours if row.judge == judge]
        others = [name for name in OTHER_HEADINGS if any(getattr(row, name) is not None for row in group)]
        trainings = any(row.trainings > 1 for row in group)
        heading = [*HEADING, *(OTHER_HEADINGS[name] for name in others), *["trainings"] * trainings]
        lines = [_judged(row, others) + [str(row.trainings)] * trainings for row in group]
        parts += [f"## Judged by {label(judge)}: {_boxes(group)}", _grid(heading, lines)]
    parts += _looks([row for row in ours if row.judge == ours[0].judge and row.method != CEILING])
    parts += [
        "## The paper's own results",
        "The paper used other photos and another recognizer, so its results can't be compared directly with those "
        f"above. It reports a mean d' {PAPER_GAIN:.0%} above that of the best other model.",
        _grid(HEADING[:4], [[row.res, "theirs", f"{row.d_prime}", f"{row.auc}"] for row in rows if row.judge == PAPER]),
        "## The runs",
        _runs(runs),
    ]
    return "\n\n".join(parts) + "\n"


def _outdated_files(runs: Sequence[Run]) -> str:
    """Return the outdated files with the runs they belong to, or nothing: `px-14, px-28 (quality.json)`."""
    names: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        if run.outdated:
            names.setdefault(tuple(run.outdated), []).append(run.name)
    return ", ".join(f"{', '.join(group)} ({', '.join(files)})" for files, group in names.items())


def _boxes(rows: Sequence[Row]) -> str:
    white, black = methods_by_box(rows).values()
    if not white:
        return "a black box, in no loss"
    seen = f"a white box, in the loss of {', '.join(map(label, white))}"
    return f"{seen}; in no other" if black else seen


def _judged(row: Row, others: Sequence[str]) -> list[str]:
    gain = ""
    if row.gain is not None and row.best_other:
        relative = f" ({row.gain / (row.d_prime - row.gain):+.0%})" if row.res == MEAN else ""
        gain = f"{_estimate(row, 'gain', '+.2f')}{relative} {label(row.best_other)}"
    return [
        row.res,
        label(row.method),
        _estimate(row, "d_prime", ".2f"),
        _estimate(row, "auc", ".3f"),
        gain,
        "" if row.gap_closed is None else f"{row.gap_closed:.0%}",
        *(_estimate(row, name, ".3f") for name in others),
    ]


def _estimate(row: Row, name: str, form: str) -> str:
    """Return a metric with its standard deviation over trainings and its interval over people, if it has them."""
    value, lo, hi, spread = (getattr(row, name + end, None) for end in ("", "_lo", "_hi", "_sd"))
    if value is None:
        return ""
    over_trainings = "" if spread is None else f" ± {spread:{form.removeprefix('+')}}"
    return f"{value:{form}}{over_trainings}" + ("" if lo is None or hi is None else f" [{lo:{form}}, {hi:{form}}]")


def _looks(rows: Sequence[Row]) -> list[str]:
    """Return the section on image quality, which does not depend on the judge.

    A metric has a column if any row has it; the cells of the other rows are empty.
    """

    def cells(row: Row, names: Sequence[str]) -> list[str]:
        values = [getattr(row, name) for name in names]
        return ["" if value is None else f"{value:.3f}" for value in values]

    names = [name for name in QUALITY_HEADINGS if any(any(cells(row, [name])) for row in rows)]
    lines = [[row.res, label(row.method), *cells(row, names)] for row in rows if any(cells(row, names))]
    heading = ["px", "method", *(QUALITY_HEADINGS[name] for name in names)]
    return ["## How the faces look", _grid(heading, lines)] if lines else []


def _runs(runs: Sequence[Run]) -> str:
    """Return the table of the runs, with the params and library versions that differ between them."""
    differing = {**differing_params(runs), **differing_software(runs)}
    settings = [["" if value is None else f"{value}" for value in values] for values in differing.values()]
    cells = [
        [str(run.res), run.name, run.commit or "in a folder", *(values[k] for values in settings)]
        for k, run in enumerate(runs)
    ]
    return _grid(["px", "run", "commit", *differing], cells)


def _grid(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, which is also readable on a terminal."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [heading, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
