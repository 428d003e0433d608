"""What mining triplets costs, from 10,000 faces to 1,000,000.

    python tests/benchmarks/triplets.py [FACES[:GROUPS] ...]

Embeddings are made up: 20 faces a person, 128 numbers each, as far apart as SFace's. Each size runs in a process of its
own, with the triplets of params.yaml, and writes its table; with GROUPS it stops after so many groups of 4,096 anchors,
multiplies and says `~`. `seconds` is by the clock, `processor` what all threads
took together: on a machine that does other work, half of that is what two idle cores would need. `all pairs` is the
plain search, one anchor after the other against all faces, measured on 200 anchors and multiplied.
"""

import math
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

from ftlgan.params import load_params
from ftlgan.triplets.mining import ANCHORS_PER_GROUP, Space, mine
from ftlgan.triplets.table import write_triplets

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
PHOTOS, DIMENSION, ROWS = 20, 128, 65536
NOISE = 0.8
"""The length of what differs between two photos of a person, beside the length of what is common."""


def made_up(count: int) -> Space:
    rng = np.random.default_rng(0)
    who = np.arange(count) // PHOTOS
    people = rng.standard_normal((int(who[-1]) + 1, DIMENSION), np.float32)
    embeddings = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, ROWS):
        rows = slice(start, min(start + ROWS, count))
        some = people[who[rows]]
        some += np.float32(NOISE) * rng.standard_normal(some.shape, np.float32)
        embeddings[rows] = some / np.linalg.norm(some, axis=1, keepdims=True)
    identities = np.array([f"person {i:06}" for i in who], dtype=object)
    return Space(np.array([f"face {i:07}" for i in range(count)], dtype=object), identities, embeddings)


def measure(count: int, groups: int, folder: Path) -> tuple[float, float, float, float]:
    """Return seconds, processor seconds, MB at the peak, and MB of the table."""
    space = made_up(count)
    start, used = time.perf_counter(), time.process_time()
    write_triplets(folder, islice(mine(space, load_params().triplets, 0), groups))
    found = time.perf_counter() - start, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    share = min(1.0, groups * ANCHORS_PER_GROUP / count)
    return found[0] / share, found[1] / share, peak, size / share


def all_pairs(count: int) -> float:
    """Return processor seconds of a plain search for the nearest of each anchor."""
    space = made_up(count)
    start = time.process_time()
    for anchor in range(200):
        np.argsort(space.embeddings @ space.embeddings[anchor], kind="stable")
    return (time.process_time() - start) / 200 * count


def main() -> None:
    print(f"{'faces':>9} {'seconds':>8} {'processor':>9} {'MB':>6} {'table MB':>8} {'all pairs':>10}   load")
    for size in sys.argv[1:] or map(str, SIZES):
        count, _, groups = size.partition(":")
        every = math.ceil(int(count) / ANCHORS_PER_GROUP)
        with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, processor, peak, written = pool.apply(measure, (int(count), int(groups or every), Path(folder)))
            plain = pool.apply(all_pairs, (int(count),))
        print(
            f"{int(count):9,} {seconds:8.1f} {processor:9.1f} {peak:6.0f} {written:8.1f} {plain:10.0f}"
            f"   {os.getloadavg()[0]:.1f}{' ~' if groups else ''}",
            flush=True,
        )


if __name__ == "__main__":
    main()
