"""How much disk faces take, and how they could take less: `python tests/benchmarks/disk.py --data DATA`.

From the tables of a pipeline that has run, it prints

- bytes per face of each table, when its rows are repeated until there are `--faces` of them;
- bytes per aligned face, and milliseconds of a core to encode and to decode it, as PNG (which the tables hold), as
  lossless WebP, and as pixels in Parquet with zstd and in Arrow IPC with LZ4;
- seconds that DVC takes for a table of 250 shards: the first `dvc add`, `dvc status`, `dvc checkout`.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ftlgan.faces import decode_face, encode_png, shards, stream_faces, write_faces

SHARDS = 250
SAMPLE = 500
"""Faces of which encodings are compared."""


def repeated(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Yield `count` rows of a table, again and again, each in other bytes: Parquet stores equal values once."""
    rng, number = np.random.default_rng(0), 0
    while True:
        for batch in stream_faces(folder):
            for row in batch.to_pylist():
                row["face_id"] += f"-{number:07}"
                if "image" in row:
                    row["image"] += number.to_bytes(4, "little")  # which a decoder does not read
                if "embedding" in row:
                    row["embedding"] = rng.permutation(row["embedding"])
                yield row
                number += 1
                if number == count:
                    return


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tables(data: Path, faces: int, place: Path) -> None:
    print(f"| table | bytes per face, {faces} faces | GB for 1,000,000 |")
    print("|---|---|---|")
    for folder in sorted({path.parent for path in data.rglob("*.parquet") if "part-" in path.name}):
        schema = pq.read_schema(shards(folder)[0])
        if "face_id" not in schema.names or not any(pq.read_metadata(path).num_rows for path in shards(folder)):
            continue
        write_faces(place / "table", schema, repeated(folder, faces))
        each = size_of(place / "table") / faces
        print(f"| {folder.relative_to(data)} | {each:.0f} | {each / 1000:.1f} |", flush=True)


def milliseconds(call: Callable[[Any], Any], items: list[Any]) -> float:
    started = time.process_time()
    for item in items:
        call(item)
    return 1000 * (time.process_time() - started) / len(items)


def as_webp(face: np.ndarray, effort: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "WEBP", lossless=True, method=effort)
    return stream.getvalue()


def as_parquet(pixels: list[bytes]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"image": pixels}), stream, compression="zstd")
    return stream.getvalue()


def as_ipc(pixels: list[bytes]) -> bytes:
    table, stream = pa.table({"image": pixels}), io.BytesIO()
    with pa.ipc.new_file(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as file:
        file.write_table(table)
    return stream.getvalue()


def decode(image: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


def encodings(aligned: Path) -> None:
    rows = (row for batch in stream_faces(aligned) for row in batch.to_pylist())
    images = [row["image"] for row in islice(rows, SAMPLE)]
    faces = [decode_face(image) for image in images]
    print("\n| encoding | bytes per face | ms to encode | ms to decode |")
    print("|---|---|---|---|")
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        "PNG": encode_png,
        "lossless WebP, method 0": lambda face: as_webp(face, 0),
        "lossless WebP, method 4": lambda face: as_webp(face, 4),
    }
    for name, encode in encoders.items():
        encoded = [encode(face) for face in faces]
        assert (decode(encoded[0])[..., ::-1] == faces[0]).all()
        costs = milliseconds(encode, faces), milliseconds(decode, encoded)
        print(f"| {name} | {sum(map(len, encoded)) / len(faces):.0f} | {costs[0]:.2f} | {costs[1]:.2f} |", flush=True)
    pixels = [face.tobytes() for face in faces]
    for name, pack, read in (
        ("pixels, Parquet with zstd", as_parquet, lambda content: pq.read_table(io.BytesIO(content))),
        ("pixels, Arrow IPC with LZ4", as_ipc, lambda content: pa.ipc.open_file(io.BytesIO(content)).read_all()),
    ):
        content = pack(pixels)
        costs = milliseconds(pack, [pixels]) / len(faces), milliseconds(read, [content]) / len(faces)
        print(f"| {name} | {len(content) / len(faces):.0f} | {costs[0]:.2f} | {costs[1]:.2f} |", flush=True)


def dvc(aligned: Path, faces: int, place: Path) -> None:
    project, each = place / "project", max(1, faces // SHARDS)
    table = project / "aligned"
    table.mkdir(parents=True)
    schema, rows = pq.read_schema(shards(aligned)[0]), repeated(aligned, SHARDS * each)
    for number in range(SHARDS):
        shard = pa.Table.from_pylist(list(islice(rows, each)), schema)
        pq.write_table(shard, table / f"part-{number:05}.parquet", compression="none")
    print(f"\nDVC, {SHARDS} shards of {each} faces, {size_of(table) / 1e9:.1f} GB:")
    run = [sys.executable, "-m", "dvc"]
    subprocess.run([*run, "init", "-q", "--no-scm"], cwd=project, check=True)
    subprocess.run([*run, "config", "cache.type", "reflink,hardlink,copy"], cwd=project, check=True)
    for command in (["add", "-q", "aligned"], ["status", "-q"], ["checkout", "-q", "--force"]):
        if command[0] == "checkout":
            for path in table.iterdir():
                path.unlink()
        started = time.perf_counter()
        subprocess.run([*run, *command], cwd=project, check=True)
        print(f"  dvc {command[0]}: {time.perf_counter() - started:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--faces", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        tables(arguments.data, arguments.faces, Path(name))
        encodings(arguments.data / "aligned")
        dvc(arguments.data / "aligned", arguments.faces, Path(name))


if __name__ == "__main__":
    main()
