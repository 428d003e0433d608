"""Make the low-resolution twin of every aligned face."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from ftlgan.degradation import degrade
from ftlgan.errors import one_line_errors
from ftlgan.faces import FACES, count_faces, decode_png, encode_png, stream_faces, write_faces
from ftlgan.params import Params, load_params
from ftlgan.progress import progress

ALIGNED = Path("data/aligned")


def rows(params: Params) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(ALIGNED):
        for row in batch.select(FACES.names).to_pylist():
            # Drawn by the face alone: the same whatever else is there.
            rng = np.random.default_rng([params.seed, crc32(row["face_id"].encode())])
            face = degrade(decode_png(row["image"]), params.res, params.degradation.kind, rng)
            yield {**row, "image": encode_png(face)}


@one_line_errors
def main() -> None:
    params = load_params()
    write_faces(Path("data/degraded"), FACES, progress(rows(params), "degrade", count_faces(ALIGNED)))


if __name__ == "__main__":
    main()
