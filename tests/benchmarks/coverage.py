"""How often a 95% interval holds the truth: `python tests/benchmarks/coverage.py [SIMULATIONS]`.

Simulated people with three photos each, whose scores are Gaussian with a known d', from which every other metric
follows. `1st` is the bootstrap to first order, which the library takes for many people only. The standard error of a
rate of 95% over 400 simulations is 1.1%.
"""

import sys
from collections import Counter
from pathlib import Path

from ftlgan.progress import progress
from ftlgan.verification import histogram
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.report import report

sys.path.append(str(Path(__file__).parents[1] / "verification"))
from people import holds, metrics_of_two_gaussians, scores_of_known_d_prime

PEOPLE = (15, 40, 100, 250)
D_PRIMES = (1.0, 3.0)
FMR = 0.01


def coverage(people: int, d_prime: float, simulations: int) -> Counter[str]:
    """How many intervals hold the truth of each metric."""
    truth = metrics_of_two_gaussians(d_prime, FMR)
    held = Counter[str]()
    for seed in progress(range(simulations), f"{people} people, d' {d_prime:g}", unit="simulation"):
        found = report(score_histogram(scores_of_known_d_prime(people, 3, d_prime, seed)), 500, seed=seed, fmrs=[FMR])
        held.update(name for name, estimate in found.metrics.items() if holds(estimate, truth[name]))
    return held


def main() -> None:
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    names = list(metrics_of_two_gaussians(1, FMR))
    print(f"{'people':>6} {'true d-prime':>12} {'draws':>5}", *(f"{name:>17}" for name in names))
    most_cells = histogram.MOST_CELLS
    for people in PEOPLE:
        for d_prime in D_PRIMES:
            for draws, cells in (("exact", most_cells), ("1st", 0)):
                histogram.MOST_CELLS = cells
                held = coverage(people, d_prime, simulations)
                # Below 1,000 impostor scores there is no FNMR at an FMR of 0.01.
                shares = (f"{held[name] / simulations:17.1%}" if name in held else f"{'-':>17}" for name in names)
                print(f"{people:6} {d_prime:12g} {draws:>5}", *shares, flush=True)


if __name__ == "__main__":
    main()
