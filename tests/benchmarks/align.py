"""Photos a second of alignment, beside the plain loop that it replaces: `python tests/benchmarks/align.py [FOLDER]`.

FOLDER holds a folder of photos per person; without it, people who do not exist are drawn.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ftlgan.alignment import Aligner, aligned_rows
from ftlgan.faces import SPLITS, encode_png
from ftlgan.params import Align
from ftlgan.photos import NoFaceError
from ftlgan.sources import folder, synthetic

ROUNDS = 5


def photos() -> list[bytes]:
    if len(sys.argv) > 1:
        place = Path(sys.argv[1])
        return [photo for _, _, photo in folder.photographs(place, folder.people(place, 100, 4, seed=0))]
    return [photo for _, _, photo in synthetic.photographs(10, 10, seed=0)]


def plain(images: list[bytes]) -> None:
    """One photo after the other."""
    aligner = Aligner(0.7, 30)
    for image in images:
        try:
            encode_png(aligner(image).image)
        except NoFaceError:
            continue


def pipeline(images: list[bytes]) -> None:
    """As the stage `align` does."""
    rows = [
        {
            "face_id": str(i),
            "identity": str(6 * i // len(images)),
            "split": SPLITS[3 * i // len(images)],
            "image": image,
        }
        for i, image in enumerate(images)
    ]
    list(aligned_rows(rows, Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=False), []))


def seconds(function: Callable[[list[bytes]], None], images: list[bytes]) -> float:
    start = time.perf_counter()
    function(images)
    return time.perf_counter() - start


def main() -> None:
    images = photos()
    pairs = [(seconds(plain, images), seconds(pipeline, images)) for _ in range(ROUNDS)]
    print(f"{len(images)} photos, medians of {ROUNDS} rounds, both in turn")
    for name, times in zip(("plain loop", "pipeline"), zip(*pairs, strict=True), strict=True):
        print(f"{name:10}  {len(images) / statistics.median(times):6.1f} photos/s")
    print(f"ratio       {statistics.median(a / b for a, b in pairs):6.2f}")


if __name__ == "__main__":
    main()
