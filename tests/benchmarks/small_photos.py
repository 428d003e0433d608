"""A stand-in for small photos without twins: `python tests/benchmarks/small_photos.py PHOTOS OUT`.

PHOTOS is a folder with one folder of photos per person. OUT gets two such folders: `people`, with every second photo as
it is, and `small`, with the others, which went through the held-out chain as a whole until the face was 12 to 20 px
wide. Their twins are nowhere in OUT. So this asks what native small faces are worth, of a camera whose chain nobody
models:

    dvc exp run -S dataset.path=OUT/people -S dataset.small=OUT/small -S 'test.conditions=[native]'

beside the same where the training sees `people` alone: `-S train.faces=paired`.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from ftlgan.degradation import shrink_by_held_out_chain, stream_of
from ftlgan.detection import FaceDetector
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.progress import progress
from ftlgan.sources.folder import album

FACE = (12.0, 20.0)
"""The width of the small faces' boxes in pixels, from and to."""
PHOTOS_PER_PERSON = 4
"""Who has fewer is left out: two stay as they are and two become small."""


def main() -> None:
    photos, out = map(Path, sys.argv[1:])
    people = {name: paths for name, paths in album(photos).items() if len(paths) >= PHOTOS_PER_PERSON}
    detector = FaceDetector(0.7)
    every = [(name, number, path) for name, paths in people.items() for number, path in enumerate(paths)]
    for name, number, path in progress(every, "shrink", unit="photo"):
        place = out / ("small" if number % 2 else "people") / name
        place.mkdir(parents=True, exist_ok=True)
        if number % 2 == 0:
            (place / path.name).write_bytes(path.read_bytes())
            continue
        image, rng = read_photo(path.read_bytes()), stream_of(0, f"{name}/{path.name}")
        try:
            scale = min(1.0, rng.uniform(*FACE) / detector.main_face(image).width)
        except NoFaceError:
            continue
        small = shrink_by_held_out_chain(np.ascontiguousarray(image), scale, rng)
        Image.fromarray(small).save(place / f"{path.stem}.png")


if __name__ == "__main__":
    main()
