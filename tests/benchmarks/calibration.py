"""How often the 95% intervals of a calibration hold the truth: `python tests/benchmarks/calibration.py [SIMULATIONS]`.

Simulated people with four photos each, whose scores are Gaussian with d' 2, so that the LR of every score and Cllr are
known. Each simulation fits a calibration on some people, and reports it on as many others. The standard error of a rate
of 95% over 100 simulations is 2.2%.
"""

import sys
from pathlib import Path

import numpy as np

from ftlgan.progress import progress
from ftlgan.verification.calibration.counts import count_scores
from ftlgan.verification.calibration.fit import fit
from ftlgan.verification.calibration.metrics import cllr
from ftlgan.verification.calibration.report import report

sys.path.append(str(Path(__file__).parents[1] / "verification"))
from people import holds, scores_of_known_d_prime

PEOPLE = (15, 45, 100)
D_PRIME, EACH, DRAWS = 2.0, 4, 200
SCORES = np.array([0.0, 0.5, 1.0, 1.5, 2.0])


def true_log_lr(scores: np.ndarray) -> np.ndarray:
    """Return the log10 LR of scores, where genuine ones are N(d', 1) and impostor ones N(0, 1)."""
    return (D_PRIME * scores - D_PRIME**2 / 2) / np.log(10)


def main() -> None:
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    normal = np.random.default_rng(0).normal(size=1_000_000)
    truth = cllr(true_log_lr(D_PRIME + normal), true_log_lr(normal))
    print(f"true Cllr {truth:.4f}; log10 LR at scores {', '.join(f'{score:g}' for score in SCORES)}")
    for people in PEOPLE:
        held, errors, loss = [], [], []
        for seed in progress(range(simulations), f"{people} people", unit="simulation"):
            some, others = (scores_of_known_d_prime(people, EACH, D_PRIME, 2 * seed + k) for k in (0, 1))
            calibration = fit(count_scores(some), {}, "score", replicates=DRAWS, seed=seed)
            band, line = calibration.interval, calibration.line
            lo, hi = (np.interp(SCORES, band.scores, end) for end in (band.lo, band.hi))
            found = report(line, count_scores(others), DRAWS, seed=seed).metrics
            held.append([*((lo <= true_log_lr(SCORES)) & (true_log_lr(SCORES) <= hi)), holds(found["cllr"], truth)])
            errors.append(line.intercept + line.slope * SCORES - true_log_lr(SCORES))
            loss.append(found["cllr_cal"].value)
        rates = ", ".join(f"{rate:.0%}" for rate in np.mean(held, axis=0))
        spread = ", ".join(f"{error:.2f}" for error in np.std(errors, axis=0))
        median, most = np.quantile(loss, [0.5, 0.9])
        print(
            f"{people:4} people: held {rates} (Cllr last); standard errors {spread}; Cllr_cal {median:.3f}, {most:.3f}"
        )


if __name__ == "__main__":
    main()
