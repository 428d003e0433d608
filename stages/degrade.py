"""Make the small faces for training and validation: degraded aligned faces, and native faces at the same size."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ftlgan.degradation import degrade, draw_kind, native_faces, stream_of
from ftlgan.errors import one_line_errors
from ftlgan.faces import DEGRADED, FACES, count_faces, decode_face, encode_png, stream_faces, write_faces
from ftlgan.params import Params, load_params
from ftlgan.progress import progress

ALIGNED, SMALL, SPLITS = Path("data/aligned"), Path("data/small"), ("train", "val")


def twins(params: Params) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(ALIGNED, SPLITS):
        for row in batch.select(FACES.names).to_pylist():
            rng = stream_of(params.seed, row["face_id"])
            kind = draw_kind(params.degradation, rng)
            face = degrade(decode_face(row["image"]), params.res, kind, rng)
            yield {**row, "image": encode_png(face), "native": False}


@one_line_errors
def main() -> None:
    params = load_params()
    native = ({**row, "native": True} for row in native_faces(SMALL, params.res, "train"))
    count = count_faces(ALIGNED, SPLITS) + count_faces(SMALL, ["train"])
    write_faces(Path("data/degraded"), DEGRADED, progress(chain(twins(params), native), "degrade", count))


if __name__ == "__main__":
    main()
