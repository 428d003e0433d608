"""Faces a second from insightface's RecordIO into the tables: `python tests/benchmarks/recordio.py [FACES]`.

Faces are made up, 20 a person, JPEGs of about 10 kB. Each line is what one core does, with reading and writing files:
`look` reads the index and the records' headers, `fetch` writes the raw table, `align` passes the faces through into the
aligned one, as the stages do. `decode and encode` is what passing through spares: a PNG of each face.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ftlgan.alignment import aligned_rows
from ftlgan.faces import ALIGNED, encode_png, stream_faces, write_faces
from ftlgan.params import load_params
from ftlgan.photos import read_photo
from ftlgan.sources import recordio
from ftlgan.sources.fetch import fetch, raw_schema

sys.path.append(str(Path(__file__).parents[1] / "sources"))
from archives import packed, record

PHOTOS, IMAGES = 20, 200


def write(folder: Path, count: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    smooth = [cv2.resize(rng.integers(0, 256, (28, 28, 3), np.uint8), (112, 112)) for _ in range(IMAGES)]
    images = [cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for face in smooth]
    people, offset = -(-count // PHOTOS), 0
    with (folder / "train.rec").open("wb") as rec, (folder / "train.idx").open("w") as idx:
        for key in range(count + 1):
            label = float((key - 1) // PHOTOS)
            content = packed(label, images[key % IMAGES]) if key else packed((count + 1.0, count + 1.0))
            idx.write(f"{key}\t{offset}\n")
            offset += rec.write(record(content))
    (folder / "property").write_text(f"{people},112,112")
    return images


def rate(name: str, count: int, run: Callable[[], Any]) -> None:
    start, used = time.perf_counter(), time.process_time()
    run()
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    print(f"{name:18}{count / seconds:9,.0f} faces/s {count / processor:9,.0f} a processor second", flush=True)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    params = load_params()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images = write(folder, count)
        given = {"source": "recordio", "path": temporary, "people": None, "photos": None}
        dataset = params.dataset.model_copy(update=given)
        print(f"{count:,} faces of {np.mean(list(map(len, images))) / 1e3:.1f} kB")
        rate("look", count, lambda: recordio.open_records(folder))
        rate("fetch", count, lambda: write_faces(folder / "raw", raw_schema(dataset), fetch(dataset, 0)[1]))
        raw = (row for batch in stream_faces(folder / "raw") for row in batch.to_pylist())
        rate("align", count, lambda: write_faces(folder / "aligned", ALIGNED, aligned_rows(raw, params.align, [])))
        rate("decode and encode", 1000, lambda: [encode_png(read_photo(images[i % IMAGES])) for i in range(1000)])


if __name__ == "__main__":
    main()
