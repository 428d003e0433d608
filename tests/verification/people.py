"""Simulated people, for the tests of verification."""

import math
import statistics

import numpy as np
from numpy.typing import NDArray

from ftlgan.verification.pairs import Comparison, Faces
from ftlgan.verification.report import Estimate


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Divide by the length."""
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def photos(people: int, each: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probes, references and identities: a person is a point, a photo is near it, a restored photo near the photo."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(people, 8)), each, axis=0)
    hr = centres + 0.5 * generator.normal(size=centres.shape)
    lr = hr + noise * generator.normal(size=centres.shape)
    return unit(lr), unit(hr), [f"person {row // each:03}" for row in range(people * each)]


def faces(embeddings: np.ndarray, identities: list[str]) -> Faces:
    """Photos with names of their own."""
    names = np.array([f"{who}/{row:05}.jpg" for row, who in enumerate(identities)], dtype=np.str_)
    return Faces(names, np.array(identities, dtype=np.str_), embeddings.astype(np.float32))


def interval(estimate: Estimate) -> tuple[float, float]:
    """The confidence interval, where there is one."""
    assert estimate.lo is not None
    assert estimate.hi is not None
    return estimate.lo, estimate.hi


def holds(estimate: Estimate, truth: float) -> bool:
    """Whether a value is in the confidence interval."""
    lo, hi = interval(estimate)
    return lo <= truth <= hi


def metrics_of_two_gaussians(d_prime: float, fmr: float) -> dict[str, float]:
    """What follows from d' where genuine scores are N(d', 1) and impostor scores N(0, 1)."""
    normal = statistics.NormalDist()
    return {
        "d_prime": d_prime,
        "auc": normal.cdf(d_prime / math.sqrt(2)),
        "eer": normal.cdf(-d_prime / 2),
        f"fnmr_at_fmr_{fmr:g}": normal.cdf(normal.inv_cdf(1 - fmr) - d_prime),
    }


def scores_of_known_d_prime(people: int, each: int, d_prime: float, seed: int) -> Comparison:
    """Gaussian scores of `each` photos a person, every unordered pair of photos once.

    Impostor scores are N(0, 1) and genuine ones N(d', 1), over people as well as over pairs. Each of the two people
    accounts for a tenth of the variance of an impostor score, the person for half of that of a genuine score.
    """
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people, dtype=np.int32), each)
    one, other = person[np.stack(np.triu_indices(len(person), 1))]
    impostor, same = np.stack([one, other])[:, one != other], one[one == other]
    share, own = generator.normal(size=(2, people))
    pair, own_pair = generator.normal(size=impostor.shape[1]), generator.normal(size=len(same))
    return Comparison(
        people=tuple(f"{k:05}" for k in range(people)),
        genuine=d_prime + (own[same] + own_pair) / np.sqrt(2),
        impostor=np.sqrt(0.1) * share[impostor].sum(axis=0) + np.sqrt(0.8) * pair,
        genuine_person=same,
        impostor_persons=impostor,
    )
