"""Paired differences between experiments, over several seeds: `python tests/benchmarks/ablation.py ARM ARM...`.

An ARM is EXPERIMENT:METHOD. The DVC experiments are EXPERIMENT-0, EXPERIMENT-1 and so on, one for each of `--seeds`,
and METHOD is a model in them. All arms must be tested on the same faces. Each row has d' minus that of bicubic, and
minus that of the first arm: the mean over the seeds ± its standard deviation over them, and in brackets the 95%
interval of the mean by a bootstrap over people.
"""

import argparse
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from ftlgan.errors import DataError, one_line_errors
from ftlgan.evaluation.judging import BASELINE, LR_HR, LR_LR, read_embedded
from ftlgan.progress import progress
from ftlgan.verification.histogram import pair_histogram
from ftlgan.verification.pairs import AllPairs
from ftlgan.verification.report import Report, report

D_PRIME = "d_prime"


@cache
def judged(experiment: str, method: str, condition: str, protocol: str, judge: str) -> Report:
    """Report how well a judge tells people apart whose faces a method restored in a DVC experiment.

    Raises:
        DataError: if the experiment does not exist, or has no such embeddings in DVC's cache.
    """
    from dvc.api import DVCFileSystem  # pyright: ignore[reportPrivateUsage] - DVC documents it under this name
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    with tempfile.TemporaryDirectory() as aside:
        probes, gallery = Path(aside, "probes"), Path(aside, "gallery")
        try:
            files = DVCFileSystem(".", rev=experiment)
            files.get(f"data/probes/{condition}/{method}/{judge}", str(probes), recursive=True)
            files.get(f"data/gallery/{judge}", str(gallery), recursive=True)
        except (FileNotFoundError, DvcException, SCMError) as error:
            raise DataError(
                f"{experiment}:{method}: no embeddings by {judge}, condition {condition}; "
                f"`dvc exp list` names the experiments ({error})"
            ) from error
        pairs = AllPairs(read_embedded(probes).faces, read_embedded(gallery).faces if protocol == LR_HR else None)
    return report(pair_histogram(pairs))


def difference(methods: list[Report], baselines: list[Report]) -> str:
    """Describe method minus baseline, seed by seed: the mean ± standard deviation, and the interval of the mean."""
    values, draws = [], []
    for method, baseline in zip(methods, baselines, strict=True):
        mine, theirs = method.replicates, baseline.replicates
        assert mine and theirs and mine.people == theirs.people, "the arms are not tested on the same people"
        values.append(method.metrics[D_PRIME].value - baseline.metrics[D_PRIME].value)
        draws.append(mine.metrics[D_PRIME] - theirs.metrics[D_PRIME])
    lo, hi = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.2f}{spread} [{lo:+.2f}, {hi:+.2f}]"


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arms", nargs="+", metavar="EXPERIMENT:METHOD", help="the others are compared with the first")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"], help="what follows EXPERIMENT- in the names")
    parser.add_argument("--judges", nargs="+", default=["dlib", "sface"])
    parser.add_argument("--condition", default="bicubic")
    parser.add_argument("--protocol", default=LR_HR, choices=[LR_HR, LR_LR])
    arguments = parser.parse_args()
    arms = [arm.split(":") for arm in arguments.arms]
    asked = [(name, method, judge) for name, method in arms for judge in arguments.judges]
    found: dict[tuple[str, str, str], tuple[list[Report], list[Report]]] = {}
    for name, method, judge in progress(asked, "judge", unit="arm"):
        runs = [f"{name}-{seed}" for seed in arguments.seeds]
        mine, bicubic = (
            [judged(run, which, arguments.condition, arguments.protocol, judge) for run in runs]
            for which in (method, BASELINE)
        )
        found[name, method, judge] = mine, bicubic
    print("| arm | " + " | ".join(f"{j}: minus bicubic | minus the first" for j in arguments.judges) + " |")
    print("|---" * (1 + 2 * len(arguments.judges)) + "|")
    for name, method in arms:
        cells: list[str] = []
        for judge in arguments.judges:
            mine, bicubic = found[name, method, judge]
            first, _ = found[arms[0][0], arms[0][1], judge]
            cells += [difference(mine, bicubic), "" if [name, method] == arms[0] else difference(mine, first)]
        print(f"| {name}:{method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
