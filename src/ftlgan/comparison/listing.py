"""`ftlgan runs`: the experiments in a table that fits the terminal, or as CSV."""

import csv
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ftlgan.comparison.experiments import SUCCESS, Experiment, read_experiments
from ftlgan.look import label

WIDTH = 100
"""The least width of the table in characters, and its width without a terminal."""
HEAD = 1
"""The index of the current commit, which follows the workspace."""
LONGEST_VALUE = 24
"""The most characters of a param's value in the table; the CSV has all."""


def list_runs(commits: int, as_csv: bool) -> None:
    """Print the workspace, the last commits and their experiments, with a row for each.

    Args:
        commits: the number of commits to show, from the current one backwards; -1 shows all.
        as_csv: whether to print CSV, with full names and values of the params that differ.

    Raises:
        DataError: if DVC can't list its experiments, or there is no commit.
    """
    experiments = read_experiments(commits)
    if as_csv:
        write_csv(experiments)
        return
    # A terminal that is too narrow wraps the lines, but cuts nothing.
    console = Console(width=max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns), highlight=False)
    console.print(table(experiments, datetime.now()))
    console.print(f"d' by the first judge that is in no loss; params that differ from {_title(experiments[HEAD])}'s.")


def table(experiments: Sequence[Experiment], now: datetime) -> Table:
    """Return a table of experiments: resolution, age, state, headline, and the params that differ.

    Args:
        experiments: the experiments that `ftlgan.comparison.experiments.read_experiments` returned.
        now: the local time, to compute ages.
    """
    methods = _methods(experiments)
    states = any(experiment.state != SUCCESS for experiment in experiments)
    short = short_names(name for experiment in experiments for name in experiment.params)
    found = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    found.add_column("run", overflow="fold", min_width=12)
    for heading in ("px", "age", *(["state"] if states else [])):
        found.add_column(heading, justify="right" if heading == "px" else "left", no_wrap=True)
    for method in methods:
        # The name is split into lines to keep the column narrow.
        found.add_column(label(method).replace("-", "-\n").replace(" ", "\n"), justify="right", no_wrap=True)
    found.add_column("what differs", overflow="fold", min_width=20)
    for experiment, differing in zip(experiments, differing_params(experiments), strict=True):
        cells = [
            _title(experiment),
            str(experiment.params.get("res", "")),
            "" if experiment.created is None else _format_age(now - experiment.created),
            *([experiment.state.replace(SUCCESS, "")] if states else []),
            *(_format_d_prime(experiment, method) for method in methods),
            " ".join(f"{short[name]}={_shorten(format_value(value))}" for name, value in differing.items()),
        ]
        found.add_row(*map(Text, cells))
    return found


def write_csv(experiments: Sequence[Experiment]) -> None:
    """Print a CSV line for each experiment: the d' of each method, and every param that differs between experiments."""
    methods, differing = _methods(experiments), differing_params(experiments)
    params = list(dict.fromkeys(name for each in differing for name in each))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["run", "commit", "created", "state", "res", *(f"{method}.d'" for method in methods), *params])
    for experiment in experiments:
        created = "" if experiment.created is None else experiment.created.isoformat()
        d_prime = [experiment.d_prime.get(method, "") for method in methods]
        values = [format_value(experiment.params[name]) if name in experiment.params else "" for name in params]
        res = experiment.params.get("res", "")
        writer.writerow([experiment.name, experiment.commit, created, experiment.state, res, *d_prime, *values])


def differing_params(experiments: Sequence[Experiment]) -> list[dict[str, Any]]:
    """Return the params of each experiment, except the resolution, that differ from those of the current commit.

    Params that only the current commit has are left out, because the experiment's code does not know them.
    """
    reference = experiments[HEAD].params
    return [
        {
            name: value
            for name, value in experiment.params.items()
            if name != "res" and (name not in reference or reference[name] != value)
        }
        for experiment in experiments
    ]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the shortest unique end of each dotted name, such as `steps` for `train.steps`."""
    ends = {name: [name.split(".", depth)[-1] for depth in range(name.count("."), -1, -1)] for name in names}
    count = Counter(end for each in ends.values() for end in each)
    return {name: next((end for end in each if count[end] == 1), name) for name, each in ends.items()}


def format_value(value: Any) -> str:
    """Return a value of params.yaml in the form that `dvc exp run -S` takes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(format_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _methods(experiments: Iterable[Experiment]) -> list[str]:
    return list(dict.fromkeys(method for experiment in experiments for method in experiment.d_prime))


def _title(experiment: Experiment) -> str:
    return experiment.name or experiment.commit


def _format_d_prime(experiment: Experiment, method: str) -> str:
    return f"{experiment.d_prime[method]:.2f}" if method in experiment.d_prime else ""


def _format_age(age: timedelta) -> str:
    """Return an age in its largest unit, rounded down."""
    seconds = max(0, int(age.total_seconds()))
    units: Mapping[str, int] = {"d": 86400, "h": 3600, "min": 60}
    return next((f"{seconds // length} {unit}" for unit, length in units.items() if seconds >= length), f"{seconds} s")


def _shorten(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"
