"""Searches a second and memory of identification, beside faiss: the last lines are of full size.

    python tests/benchmarks/identification.py [PROBES:REFERENCES:DIMENSION[:PHOTOS] ...]

So many probes against a gallery of so many references of that dimension, one a person (or so many PHOTOS), made up by a
generator, in a file on the disk that the library reads as a memory map; half the probes are non-mated. `faiss` is
IndexFlatIP, exact search as well, which holds the gallery in memory and finds the 20 best photos, from which rank-1,
rank-5, rank-20 and FNIR at FPIR follow, but no rank beyond 20 and, of several photos, not the mean. `ours` is
`identify` and `report`: every rank, all metrics and a bootstrap of 1,000 draws. Each runs in a process of its own,
whose peak memory is given, with the pages of the file in it. Beside `ours` stand the ratios to faiss.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.lib.format import open_memmap

from ftlgan.verification.identification.gallery import Gallery
from ftlgan.verification.identification.report import report
from ftlgan.verification.identification.search import identify
from ftlgan.verification.pairs import Faces

SIZES = ("1000:100000:128", "1000:100000:128:2", "10000:1000000:128", "10000:1000000:512")
ROWS = 65536
LIKENESS = 4.8
"""The mean score of two photos of a person, in standard deviations of those of strangers: not all mates stand out."""


def make(file: Path, probes: int, references: int, dimension: int, photos: int) -> None:
    """Write the gallery, and beside it the probes: those of the first people, and then those of strangers."""
    generator = np.random.default_rng(0)
    amount = np.float32(np.sqrt(np.sqrt(dimension) / LIKENESS - 1))

    def noisy(vectors: np.ndarray) -> np.ndarray:
        noise = generator.normal(size=vectors.shape).astype(np.float32)
        found = vectors + amount * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def centres(rows: int) -> np.ndarray:
        found = generator.normal(size=(rows, dimension)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    gallery = open_memmap(file, "w+", np.float32, (references, dimension))
    mates = np.zeros((0, dimension), np.float32)
    for start in range(0, references, ROWS):
        people = centres(-(-min(ROWS, references - start) // photos))
        gallery[start : start + ROWS] = noisy(np.repeat(people, photos, axis=0))[: references - start]
        mates = np.concatenate([mates, people[: probes // 2 - len(mates)]])
    np.save(file.with_name("probes.npy"), noisy(np.concatenate([mates, centres(probes - len(mates))])))


def ours(file: Path, photos: int) -> dict[str, float]:
    embeddings = np.load(file, mmap_mode="r")
    probes = np.load(file.with_name("probes.npy"))
    person = np.arange(len(embeddings)) // photos
    who = np.char.zfill(person.astype(np.str_), 7)
    references = Faces(np.char.zfill(np.arange(len(embeddings)).astype(np.str_), 8), who, embeddings)
    half = len(probes) // 2
    names = np.char.add("probe ", np.arange(len(probes)).astype(np.str_))
    mated = Faces(names[:half], who[: half * photos : photos], probes[:half])
    others = Faces(names[half:], np.char.add("stranger ", names[half:]), probes[half:])
    found = report(*identify(Gallery(references, "max"), mated, others))
    return {name: estimate.value for name, estimate in found.metrics.items()}


def by_faiss(file: Path, photos: int) -> dict[str, float]:
    embeddings, probes = np.load(file), np.load(file.with_name("probes.npy"))
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)  # pyright: ignore[reportCallIssue] - its Python wrapper takes the array alone
    del embeddings
    scores, order = index.search(probes, 20 * photos)  # pyright: ignore[reportCallIssue]
    half = len(probes) // 2
    person = order[:half] // photos
    found = person == np.arange(half)[:, None]
    place = np.argmax(found, axis=1)
    ranks = [1 + len(set(row[:k].tolist())) for row, k in zip(person, place, strict=True)]
    rank = np.where(found.any(axis=1), ranks, len(probes))
    metrics = {f"rank_{k}": float(np.mean(rank <= k)) for k in (1, 5, 20)}
    for fpir in (0.01, 0.1):
        level = np.sort(scores[half:, 0])[-1 - round(fpir * (len(probes) - half))]
        metrics[f"fnir_at_fpir_{fpir:g}"] = float(1 - np.mean((rank == 1) & (scores[:half, 0] > level)))
    return metrics


def measure(method: Callable[..., Any], *arguments: object) -> tuple[dict[str, float], float, float]:
    """Metrics, seconds, and MB at the peak."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (method, *arguments))


def _measured(method: Callable[..., Any], *arguments: object) -> tuple[dict[str, float], float, float]:
    start = time.perf_counter()
    metrics = method(*arguments)
    return metrics, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    print(f"{'probes':>6} {'references':>10} {'D':>4} {'photos':>6}  {'':5} {'seconds':>8} {'MB':>6}")
    for size in sys.argv[1:] or SIZES:
        probes, references, dimension, photos = map(int, f"{size}:1".split(":")[:4])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "gallery.npy"
            measure(make, file, probes, references, dimension, photos)
            row = f"{probes:6} {references:10,} {dimension:4} {photos:6}  "
            theirs, their_seconds, their_megabytes = measure(by_faiss, file, photos)
            print(row, f"faiss {their_seconds:8.1f} {their_megabytes:6.0f}", flush=True)
            metrics, seconds, megabytes = measure(ours, file, photos)
        ratios = f"time x{seconds / their_seconds:.2f}, memory x{megabytes / their_megabytes:.2f}"
        error = max(abs(theirs[name] - value) for name, value in metrics.items())
        values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        print(row, f"ours  {seconds:8.1f} {megabytes:6.0f}  {ratios}; {values}; furthest from faiss {error:.1e}")


if __name__ == "__main__":
    main()
