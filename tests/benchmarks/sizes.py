"""Which generator of a kit restores a face of which size best: `python tests/benchmarks/sizes.py --data DATA`.

Photos of the test people of a pipeline are made small in two ways: the aligned face by bicubic downsampling, and the
photo by the realistic chain, in which the face is then found. Each generator restores the faces, whatever their size.
The benchmark prints lr-hr d' by each judge, with 95% intervals over people. `ftlgan.tool.restorer.LARGEST` follows from
it.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ftlgan.degradation import downsample
from ftlgan.faces import HR
from ftlgan.recognition import Recognizer, recognizers
from ftlgan.recognition.embedding import embed_images
from ftlgan.tool.crops import aligned_crop
from ftlgan.tool.probes import Person, photos_of_test_people, small_faces
from ftlgan.tool.restorer import Restorer
from ftlgan.verification.histogram import pair_histogram
from ftlgan.verification.pairs import AllPairs, Faces
from ftlgan.verification.report import report

SIZES = (14, 17, 20, 24, 28, 34, 40, 48, 56)
RATIOS = 0.4, 2.5
"""The least and the largest ratio of a face's size to a generator's resolution."""


Cut = Callable[[int], np.ndarray]
"""A width and height -> the faces of this size, uint8 RGB, (N, S, S, 3)."""


def small(people: list[Person], condition: str, size: int) -> tuple[list[str], Cut]:
    """Return the names of the photos, and their faces."""
    if condition == "bicubic":
        faces = [downsample(person.aligned, (size, size), "bicubic") for person in people]
        return [person.face_id for person in people], lambda side: np.stack(
            [downsample(face, (side, side), "bicubic") for face in faces]
        )
    found = list(small_faces(people, size, seed=1))
    return [face.face_id for face in found], lambda side: np.stack(
        [aligned_crop(face.photo, face.face, side) for face in found]
    )


def d_prime(judge: Recognizer, names: Sequence[str], images: np.ndarray, references: Faces) -> str:
    identities = dict(zip(references.face_ids.tolist(), references.identities.tolist(), strict=True))
    probes = Faces(np.array(names), np.array([identities[name] for name in names]), embed_images(judge, images))
    found = report(pair_histogram(AllPairs(probes, references))).metrics["d_prime"]
    return f"{found.value:.2f} [{found.lo:.2f}, {found.hi:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--weights", default="lfw", help="a packaged set, or a kit")
    parser.add_argument("--photos", type=int, default=2, help="of each person")
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--judges", nargs="+", default=["dlib"])
    parser.add_argument("--conditions", nargs="+", choices=["bicubic", "realistic"], default=["realistic"])
    arguments = parser.parse_args()
    every = photos_of_test_people(arguments.data, arguments.photos)
    chosen = set(islice(dict.fromkeys(person.identity for person in every), arguments.people))
    people = [person for person in every if person.identity in chosen]
    names, identities = (np.array([getattr(person, key) for person in people]) for key in ("face_id", "identity"))
    judges, restorer = [recognizers.load(name) for name in arguments.judges], Restorer.load(arguments.weights)
    high = np.stack([person.aligned for person in people])
    references = {judge.name: Faces(names, identities, embed_images(judge, high)) for judge in judges}
    generators = " | ".join(f"{res} px" for res in restorer.resolutions)
    print(f"| size, px | made small by | judge | faces | enlarged | {generators} |")
    print("|---" * (5 + len(restorer.resolutions)) + "|")
    for size in arguments.sizes:
        for condition in arguments.conditions:
            found, cut = small(people, condition, size)
            images = {
                res: restorer.restore(cut(res)) for res in restorer.resolutions if RATIOS[0] <= size / res <= RATIOS[1]
            }
            for judge in judges:
                known = references[judge.name]
                cells = [d_prime(judge, found, cut(HR), known)]
                cells += [
                    d_prime(judge, found, images[res], known) if res in images else "" for res in restorer.resolutions
                ]
                print(f"| {size} | {condition} | {judge.name} | {len(found)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
