"""How many small faces are found: `python tests/benchmarks/finding.py PHOTOS`, a folder of photos of one face.

Each photo is reduced by area until the box of its face is so many pixels wide. Then the face is looked for as the
pipeline does, in the photo as it is, and as `ftlgan restore` does. A face counts as found where its landmarks are at
most 0.3 of its width off.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np

from ftlgan.detection import Detection, FaceDetector, shrink
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.progress import progress
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.restorer import DETECTION_SCORE

WIDTHS = (30, 20, 16, 12, 10, 8)
"""Pixels."""
FARTHEST = 0.3


def all_faces(finder: FaceFinder, photo: np.ndarray) -> list[Detection]:
    try:
        return finder.all_faces(photo)
    except NoFaceError:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=150)
    arguments = parser.parse_args()
    paths = sorted(arguments.photos.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    detector, finder = FaceDetector(0.7), FaceFinder(DETECTION_SCORE)
    errors: dict[tuple[int, str], list[float]] = defaultdict(list)
    faces: dict[tuple[int, str], int] = defaultdict(int)
    count = 0
    for path in progress(paths[: arguments.count], "find", unit="photo"):
        photo = read_photo(path.read_bytes())
        try:
            true = detector.main_face(photo)
        except NoFaceError:
            continue
        count += 1
        for width in WIDTHS:
            scale = width / true.width
            small, landmarks = shrink(photo, scale), (true.landmarks + 0.5) * scale - 0.5
            for name, found in (("as it is", detector.faces(small)), ("restore", all_faces(finder, small))):
                error = [float(np.linalg.norm(f.landmarks - landmarks, axis=1).mean()) / width for f in found]
                faces[width, name] += len(found)
                if error and min(error) <= FARTHEST:
                    errors[width, name].append(min(error))
    print(f"{count} photos\n")
    print("| width, px | found as it is | by restore | landmarks off, share of the width | faces in all |")
    print("|---|---|---|---|---|")
    for width in WIDTHS:
        one, other = (errors[width, name] for name in ("as it is", "restore"))
        off = " and ".join(f"{np.mean(e):.1%}" if e else "-" for e in (one, other))
        both = f"{faces[width, 'as it is']} and {faces[width, 'restore']}"
        print(f"| {width} | {len(one) / count:.0%} | {len(other) / count:.0%} | {off} | {both} |")


if __name__ == "__main__":
    main()
