"""Make the low-resolution twin of every aligned face."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftlgan.degradation import degrade
from ftlgan.errors import one_line_errors
from ftlgan.faces import FACES, count_faces, decode_png, encode_png, stream_faces, write_faces
from ftlgan.params import load_params
from ftlgan.progress import progress

ALIGNED = Path("data/aligned")


def rows() -> Iterator[dict[str, Any]]:
    params = load_params()
    for batch in stream_faces(ALIGNED):
        for row in batch.select(FACES.names).to_pylist():
            yield {**row, "image": encode_png(degrade(decode_png(row["image"]), params.res, params.degradation.kernel))}


@one_line_errors
def main() -> None:
    write_faces(Path("data/degraded"), FACES, progress(rows(), "degrade", count_faces(ALIGNED)))


if __name__ == "__main__":
    main()
