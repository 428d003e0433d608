"""The rows of a comparison as a page of Markdown."""

from collections.abc import Sequence

from ftlgan.comparison.runs import Run, differing_params
from ftlgan.comparison.table import MEAN, PAPER, PAPER_GAIN, TEACHER, Row
from ftlgan.evaluation import CEILING
from ftlgan.figures import label

HEADING = ["px", "method", "d'", "AUC", "d' minus the best other's", "gap to HR closed"]
QUALITY_HEADINGS = {"psnr": "PSNR, dB", "ssim": "SSIM", "lpips": "LPIPS (less is better)"}


def to_markdown(rows: Sequence[Row], runs: Sequence[Run]) -> str:
    """A section a judge, one of how the faces look, the paper's own figures, marked as theirs, and the runs.

    Args:
        rows: of `ftlgan.comparison.table.compare_runs`.
        runs: those that it was given.
    """
    ours = [row for row in rows if row.role != PAPER]
    parts = ["Restored faces against high-resolution ones (lr-hr); in brackets intervals from a bootstrap over people."]
    for judge in dict.fromkeys(row.judge for row in ours):
        group = [row for row in ours if row.judge == judge]
        role = "the teacher, which FTLGAN's loss has seen" if group[0].role == TEACHER else "in no loss"
        parts += [f"## Judged by {judge}: {role}", _grid(HEADING, [_judged(row) for row in group])]
    parts += _looks([row for row in ours if row.judge == ours[0].judge and row.method != CEILING])
    parts += [
        "## The paper's own figures",
        "Theirs: of other photographs, by another recognizer, so not to be held against those above one by one. It "
        f"says that this mean d' is {PAPER_GAIN:.0%} above that of the best model compared.",
        _grid(HEADING[:4], [[row.res, "theirs", f"{row.d_prime}", f"{row.auc}"] for row in rows if row.role == PAPER]),
        "## The runs",
        _runs(runs),
    ]
    return "\n\n".join(parts) + "\n"


def _judged(row: Row) -> list[str]:
    gain = ""
    if row.gain is not None and row.best_other:
        relative = f" ({row.gain / (row.d_prime - row.gain):+.0%})" if row.res == MEAN else ""
        gain = f"{_with_interval(row.gain, row.gain_lo, row.gain_hi, '+.2f')}{relative} {label(row.best_other)}"
    return [
        row.res,
        label(row.method),
        _with_interval(row.d_prime, row.d_prime_lo, row.d_prime_hi, ".2f"),
        _with_interval(row.auc, row.auc_lo, row.auc_hi, ".3f"),
        gain,
        "" if row.gap_closed is None else f"{row.gap_closed:.0%}",
    ]


def _with_interval(value: float, lo: float | None, hi: float | None, form: str) -> str:
    return f"{value:{form}}" + ("" if lo is None or hi is None else f" [{lo:{form}}, {hi:{form}}]")


def _looks(rows: Sequence[Row]) -> list[str]:
    """Image quality, which does not depend on the judge; a column where any row has it, and empty where one has not."""

    def cells(row: Row, names: Sequence[str]) -> list[str]:
        values = [getattr(row, name) for name in names]
        return ["" if value is None else f"{value:.3f}" for value in values]

    names = [name for name in QUALITY_HEADINGS if any(any(cells(row, [name])) for row in rows)]
    lines = [[row.res, label(row.method), *cells(row, names)] for row in rows if any(cells(row, names))]
    heading = ["px", "method", *(QUALITY_HEADINGS[name] for name in names)]
    return ["## How the faces look", _grid(heading, lines)] if lines else []


def _runs(runs: Sequence[Run]) -> str:
    """Where the figures come from, and what else than the resolution differs."""
    differing = differing_params(runs)
    settings = [["" if value is None else f"{value}" for value in values] for values in differing.values()]
    cells = [
        [str(run.res), run.name, run.commit or "in a folder", *(values[k] for values in settings)]
        for k, run in enumerate(runs)
    ]
    return _grid(["px", "run", "commit", *differing], cells)


def _grid(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown, its columns as wide as what they hold: to be read on a terminal, too."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [heading, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
