"""Whether progress bars tell the truth: `python tests/benchmarks/progress.py "python stages/restore.py bicubic" ...`.

Runs commands that write bars to a pipe, from the root of the project, on its data. For each command: the longest time
without a sign of life, from its start to its end. For each bar that is there for five seconds or more: what remained by
its estimate after a tenth of the work, as a multiple of what really remained, and the median of that from then on.
`--rivals 2` lets two other processes compute beside.
"""

import argparse
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

RIVAL = "import numpy\na = numpy.random.rand(400, 400)\nwhile True: a @ a"
BAR = re.compile(r"([\w' -]+): +\d+%\|.*?\| (\d+)/(\d+) \[[\d:]+<([\d:]+|\?)")
SHORTEST = 5


@dataclass(frozen=True)
class Sign:
    """A bar as it was drawn."""

    at: float
    """Seconds, monotonic."""
    done: int
    total: int
    remaining: float | None
    """Seconds, by its estimate."""


def seconds(clock: str) -> float | None:
    """Read `1:02:03` or `02:03`."""
    if clock == "?":
        return None
    total = 0
    for part in clock.split(":"):
        total = 60 * total + int(part)
    return total


def watch(command: list[str]) -> tuple[list[float], dict[str, list[Sign]]]:
    """Run a command, and return when something was drawn, from start to end, and its bars by their description."""
    drawn_at, bars, text = [time.monotonic()], defaultdict[str, list[Sign]](list), ""
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr
        while piece := process.stderr.read1(65536):  # pyright: ignore[reportAttributeAccessIssue]
            drawn_at.append(time.monotonic())
            *drawn, text = re.split(r"(?<=\])", text + piece.decode(errors="replace"))
            for name, done, total, clock in BAR.findall("".join(drawn)):
                bars[name].append(Sign(drawn_at[-1], int(done), int(total), seconds(clock)))
    if process.returncode:
        sys.exit(f"{shlex.join(command)}: exit code {process.returncode}")
    return [*drawn_at, time.monotonic()], bars


def estimate(signs: list[Sign]) -> str:
    """Say how good the estimates of a bar were."""
    end = signs[-1].at
    late = [sign for sign in signs if sign.done >= sign.total / 10 and sign.at < end - SHORTEST]
    ratios = [sign.remaining / (end - sign.at) for sign in late if sign.remaining is not None]
    return f"estimate / truth {ratios[0]:.2f}, then {statistics.median(ratios):.2f}" if ratios else "no estimate"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commands", nargs="+")
    parser.add_argument("--rivals", type=int, default=0)
    arguments = parser.parse_args()
    rivals = [subprocess.Popen([sys.executable, "-c", RIVAL]) for _ in range(arguments.rivals)]
    try:
        for command in arguments.commands:
            drawn_at, bars = watch(shlex.split(command))
            silent = max(after - before for before, after in pairwise(drawn_at))
            print(f"{command}: {drawn_at[-1] - drawn_at[0]:.0f} s, silent for {silent:.1f} s at most", flush=True)
            for name, signs in bars.items():
                if signs[-1].at - signs[0].at >= SHORTEST:
                    print(f"  {name}: {signs[-1].at - signs[0].at:.0f} s, {estimate(signs)}", flush=True)
    finally:
        for rival in rivals:
            rival.kill()


if __name__ == "__main__":
    main()
