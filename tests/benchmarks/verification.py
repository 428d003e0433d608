"""Pairs a second and memory of verification, beside plain numpy and scikit-learn: the last line is of full size.

    python tests/benchmarks/verification.py [PHOTOS ...]      (default: 1000 2000 4000 6000 12000 25000 50000)

So many probes against as many references of the same photos, 128-d, five a person: all but the N pairs of a photo with
itself. `plain` holds all scores in memory, as `roc_auc_score` and `roc_curve` want them, and is run as long as its
scores, labels and their sorted copies stay below 2 GB; it has no intervals. `streamed` is the library with all its
metrics and a bootstrap of 1,000 draws. Each runs in a process of its own, whose peak memory is given.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from ftlgan.verification import histogram
from ftlgan.verification.histogram import pair_histogram
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.verification.report import report

SIZES = (1000, 2000, 4000, 6000, 12000, 25000, 50000)
PHOTOS_PER_PERSON, DIMENSION = 5, 128
PLAIN_BYTES_PER_PAIR = 60
"""Measured: score, label, and what scikit-learn sorts and accumulates."""
MEMORY = 2e9


def faces(photos: int) -> tuple[Faces, Faces]:
    """Restored faces and their originals, of people who are points."""
    generator = np.random.default_rng(0)
    person = np.arange(photos) // PHOTOS_PER_PERSON
    centres = generator.normal(size=(person[-1] + 1, DIMENSION)).astype(np.float32)

    def noisy(vectors: np.ndarray, noise: float) -> np.ndarray:
        return vectors + noise * generator.normal(size=vectors.shape).astype(np.float32)

    hr = noisy(centres[person], 1.2)
    lr = noisy(hr, 1.5)
    who = np.char.zfill(person.astype(np.str_), 6)
    names = np.char.add(who, np.char.add("/", (np.arange(photos) % PHOTOS_PER_PERSON).astype(np.str_)))
    unit = [vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (lr, hr)]
    return Faces(names, who, unit[0]), Faces(names, who, unit[1])


def plain(probes: Faces, references: Faces) -> dict[str, float]:
    similarity = probes.embeddings @ references.embeddings.T
    different = ~np.eye(len(similarity), dtype=np.bool_)
    scores = similarity[different]
    labels = (probes.identities[:, None] == references.identities)[different]
    fmr, tmr, _ = roc_curve(labels, scores)
    genuine, impostor = scores[labels].astype(np.float64), scores[~labels].astype(np.float64)
    return {
        "d_prime": abs(genuine.mean() - impostor.mean()) / np.sqrt((genuine.var() + impostor.var()) / 2),
        "auc": float(roc_auc_score(labels, scores)),
        "eer": float(np.interp(0, fmr + tmr - 1, fmr)),
        "fnmr_at_fmr_0.001": float(1 - np.interp(0.001, fmr, tmr)),
    }


def streamed(probes: Faces, references: Faces) -> dict[str, float]:
    histogram.MOST_EXACT = 0  # also where the library would hold all scores
    found = report(pair_histogram(AllPairs(probes, references)))
    return {name: estimate.value for name, estimate in found.metrics.items()} | {"bound": found.auc_error}


def measure(method: Callable[[Faces, Faces], dict[str, float]], photos: int) -> tuple[dict[str, float], float, float]:
    """Metrics, seconds, and MB at the peak less those that the libraries and the faces take."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (method, photos))


def _measured(method: Callable[..., Any], photos: int) -> tuple[dict[str, float], float, float]:
    tables = faces(photos)
    start = time.perf_counter()
    metrics = method(*tables)
    return metrics, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print(f"{'photos':>6} {'pairs':>14}  {'':8} {'seconds':>8} {'pairs/s':>12} {'MB':>6}  errors against plain")
    for photos in sizes:
        pairs = photos * (photos - 1)
        found: dict[str, dict[str, float]] = {}
        for name, method in (("plain", plain), ("streamed", streamed)):
            if name == "plain" and pairs * PLAIN_BYTES_PER_PAIR > MEMORY:
                continue
            found[name], seconds, megabytes = measure(method, photos)
            row = f"{photos:6} {pairs:14,}  {name:8} {seconds:8.1f} {pairs / seconds:12,.0f} {megabytes:6.0f}"
            print(row, _errors(found) if name == "streamed" else "", flush=True)


def _errors(found: dict[str, dict[str, float]]) -> str:
    bound = f" AUC bound {found['streamed']['bound']:.1e}"
    if "plain" not in found:
        return bound
    errors = (f"{name} {abs(found['streamed'][name] - value):.1e}" for name, value in found["plain"].items())
    return f"{bound}; {', '.join(errors)}"


if __name__ == "__main__":
    main()
