"""`ftlgan compare`: the results of several runs side by side."""

from pathlib import Path

from ftlgan.comparison.markdown import to_markdown
from ftlgan.comparison.plot import resolution_plot
from ftlgan.comparison.runs import find_runs
from ftlgan.comparison.table import compare_runs, write_csv
from ftlgan.errors import ParamsError, writing
from ftlgan.look import save


def compare(runs: list[str], folder: Path | None) -> None:
    """Print the metrics of runs at each resolution.

    Args:
        runs: experiments, commits or folders. If empty, the experiments of the current commit are compared, and the
            commit itself if no experiment has its resolution.
        folder: the folder for `comparison.md`, `comparison.csv` and `d_prime.png`; None writes nothing.

    Raises:
        DataError: if a run does not exist, or the runs can't be compared.
        ParamsError: if the folder is a file.
    """
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ParamsError(f"--to {folder}: is a file; give a folder")
    found = find_runs(runs)
    rows = compare_runs(found)
    text = to_markdown(rows, found)
    print(text)
    if folder is None:
        return
    plot = resolution_plot(rows)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.md").write_text(text, encoding="utf-8", newline="\n")
        write_csv(folder / "comparison.csv", rows)
        save(plot, folder / "d_prime.png")
    print(f"Written to {folder}: comparison.md, comparison.csv, d_prime.png")
