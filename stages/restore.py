"""Restore the low-resolution test faces by one method: `python stages/restore.py METHOD`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftlgan import restoration
from ftlgan.errors import one_line_errors
from ftlgan.faces import FACES, count_faces, decode_images, encode_png, stream_faces, write_faces
from ftlgan.networks.device import prepare_device
from ftlgan.params import load_params
from ftlgan.progress import progress

DEGRADED = Path("data/degraded")


def rows(restorer: restoration.Restorer) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(DEGRADED, ["test"]):
        restored = restorer.restore(decode_images(batch["image"]))
        for row, face in zip(batch.to_pylist(), restored, strict=True):
            yield {**row, "image": encode_png(face)}


@one_line_errors
def main() -> None:
    params, method = load_params(), sys.argv[1]
    prepare_device(params.train.device, params.train.seed)
    restorer = restoration.load(method, Path("data/model"), params.res, params.train.device)
    faces = progress(rows(restorer), f"restore by {method}", count_faces(DEGRADED, ["test"]))
    write_faces(Path("data/restored") / method, FACES, faces)


if __name__ == "__main__":
    main()
