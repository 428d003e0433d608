"""Which generator restores a face of which size best: `python tests/benchmarks/sizes.py --data DATA`.

Photos of the test people of a pipeline are shrunk by the realistic chain, the faces found and restored by each
generator of the packaged set, whatever their size. It prints lr-hr d' by dlib, with 95% intervals over people, beside
the faces as they are. `ftlgan.tool.restorer.LARGEST` follows from it.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np

from ftlgan.degradation import downsample
from ftlgan.faces import HR
from ftlgan.recognition import Recognizer, recognizers
from ftlgan.recognition.embedding import embed_images
from ftlgan.tool.probes import photos_of_test_people, small_faces
from ftlgan.tool.restorer import Restorer
from ftlgan.verification.histogram import pair_histogram
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.verification.report import report

SIZES = (10, 14, 17, 20, 24, 28, 34, 40, 48, 56, 68, 80, 96)


def restored(crops: list[np.ndarray], restorer: Restorer, res: int | None) -> np.ndarray:
    """Restore aligned faces by one generator; None: leave them as they are."""
    if res is None:
        return np.stack(crops)
    return restorer.restore(np.stack([downsample(crop, (res, res), "bicubic") for crop in crops]))


def embedded(judge: Recognizer, names: list[str], identities: dict[str, str], images: np.ndarray) -> Faces:
    return Faces(np.array(names), np.array([identities[name] for name in names]), embed_images(judge, images))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--weights", default="lfw")
    parser.add_argument("--photos", type=int, default=2, help="of each person")
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    arguments = parser.parse_args()
    every = photos_of_test_people(arguments.data, arguments.photos)
    chosen = set(islice(dict.fromkeys(person.identity for person in every), arguments.people))
    people = [person for person in every if person.identity in chosen]
    identities = {person.face_id: person.identity for person in people}
    judge, restorer = recognizers.load("dlib"), Restorer.load(arguments.weights)
    names = [person.face_id for person in people]
    references = embedded(judge, names, identities, np.stack([person.aligned for person in people]))
    ways: list[int | None] = [None, *restorer.resolutions]
    rows = ["| size, px | faces | as it is | " + " | ".join(f"{res} px" for res in restorer.resolutions) + " |"]
    rows.append("|---" * (len(ways) + 2) + "|")
    for size in arguments.sizes:
        faces = list(small_faces(people, size, seed=1))
        cells: list[str] = []
        for res in ways:
            if res is not None and not 0.4 <= size / res <= 3:
                cells.append("")
                continue
            images = restored([face.crop for face in faces], restorer, res)
            assert images.shape[1:] == (HR, HR, 3)
            probes = embedded(judge, [face.face_id for face in faces], identities, images)
            found = report(pair_histogram(AllPairs(probes, references))).metrics["d_prime"]
            cells.append(f"{found.value:.2f} [{found.lo:.2f}, {found.hi:.2f}]")
        rows.append(f"| {size} | {len(faces)} | " + " | ".join(cells) + " |")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
