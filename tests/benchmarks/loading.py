"""How faces come from disk to a training, by this project and by the libraries that could do it.

    python tests/benchmarks/loading.py [--faces 20000] [--batches 40] [--train FACES]

Each way gives the same task: batches of 256 decoded faces of 112x112 in shuffled order, from a table of Parquet shards
with a JPEG of 10 kB a face. It is timed in a process of its own, from the first batch on: faces a second by the clock,
faces for each second of a processor, MB at the peak, the seconds before the first batch and the MB that it adds on the
disk. `datasets`, `webdataset` and a DataLoader are measured where they are installed. They shuffle differently: with
`datasets` and with ours any face may come next; the others mix what a buffer holds.

With --train it measures `read_training_set` and `Batches` instead, on made-up tables of so many faces: memory over time
and how long a step waits for its batch at 2,000 images a second.
"""

import argparse
import importlib.util
import multiprocessing
import os
import resource
import statistics
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
import torch

from ftlgan.faces import DEGRADED, FACES, HR, decode_face, decode_images, embeddings_schema, shards, write_faces
from ftlgan.training.batches import Batches
from ftlgan.training.data import read_training_set
from ftlgan.training.stored_faces import find_faces
from ftlgan.triplets.table import TRIPLETS, write_triplets

sys.path.append(str(Path(__file__).parents[1] / "training"))
from small import PARAMS, changed, losing

BATCH, PHOTOS, IMAGES, DIMENSION = 256, 20, 200, 128
BUFFER = 4096
"""Faces that a library mixes which can't read in any order."""
RATE = 2000
"""Images a second of the training that is played."""


def jpegs(side: int) -> list[bytes]:
    rng = np.random.default_rng(side)
    smooth = [cv2.resize(rng.integers(0, 256, (28, 28, 3), np.uint8), (side, side)) for _ in range(IMAGES)]
    return [cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes() for face in smooth]


def distinct(image: bytes, number: int) -> bytes:
    """The same picture in other bytes: with a comment."""
    return image[:2] + b"\xff\xfe\x00\x0a" + number.to_bytes(8, "little") + image[2:]


def rows(count: int, side: int, val: int = 0) -> Iterator[dict[str, Any]]:
    images = jpegs(side)
    for i in range(count + val):
        yield {
            **{"face_id": f"face {i:08}", "identity": f"person {i // PHOTOS:07}"},
            **{"split": "train" if i < count else "val", "native": False},
            "image": distinct(images[i % IMAGES], i),
        }


def ours(folder: Path, _: Path) -> Iterator[np.ndarray]:
    _, faces = find_faces(folder, "train")
    order = np.random.default_rng(0).permutation(len(faces))
    for start in range(0, len(faces) - BATCH, BATCH):
        yield faces[order[start : start + BATCH]]


def in_memory(folder: Path, _: Path) -> Iterator[np.ndarray]:
    faces = np.concatenate([decode_images(pq.read_table(path)["image"]) for path in shards(folder)])
    order = np.random.default_rng(0).permutation(len(faces))
    for start in range(0, len(faces) - BATCH, BATCH):
        yield faces[order[start : start + BATCH]]


def by_datasets(folder: Path, extra: Path) -> Iterator[np.ndarray]:
    from datasets import load_dataset  # pyright: ignore[reportMissingImports]

    os.environ["HF_HUB_OFFLINE"] = "1"
    files = [str(path) for path in shards(folder)]
    table: Any = load_dataset("parquet", data_files=files, split="train", cache_dir=str(extra)).shuffle(seed=0)
    for batch in table.select_columns(["image"]).iter(BATCH):
        yield np.stack([decode_face(image) for image in batch["image"]])


def by_webdataset(folder: Path, extra: Path) -> Iterator[np.ndarray]:
    import webdataset  # pyright: ignore[reportMissingImports]

    for number, path in enumerate(shards(folder)):
        with webdataset.TarWriter(str(extra / f"{number:05}.tar")) as tar:
            for row in pq.read_table(path, columns=["face_id", "image"]).to_pylist():
                tar.write({"__key__": row["face_id"], "jpg": row["image"]})
    files = [str(path) for path in sorted(extra.glob("*.tar"))]
    samples: Any = webdataset.WebDataset(files, shardshuffle=len(files), seed=0).shuffle(BUFFER)
    images = (decode_face(sample["jpg"]) for sample in samples)
    while batch := list(islice(images, BATCH)):
        yield np.stack(batch)


class RowGroups(torch.utils.data.IterableDataset[Any]):
    """Row groups in shuffled order, the faces of each mixed."""

    def __init__(self, folder: Path) -> None:
        self.paths = shards(folder)

    def __iter__(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        for path in rng.permutation(np.array(self.paths, dtype=object)):
            file = pq.ParquetFile(path)
            for group in rng.permutation(file.num_row_groups).tolist():
                images = file.read_row_group(group, columns=["image"])["image"]
                for row in rng.permutation(len(images)).tolist():
                    yield decode_face(images[row].as_py())


def by_dataloader(folder: Path, _: Path) -> Iterator[np.ndarray]:
    for batch in torch.utils.data.DataLoader(RowGroups(folder), BATCH):
        yield batch.numpy()


WAYS: dict[str, Callable[[Path, Path], Iterator[np.ndarray]]] = {
    "all in memory": in_memory,
    "ours": ours,
    "datasets": by_datasets,
    "webdataset": by_webdataset,
    "dataloader": by_dataloader,
}


def processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(way: str, folder: Path, batches: int) -> str:
    with tempfile.TemporaryDirectory() as extra:
        start = time.perf_counter()
        found = WAYS[way](folder, Path(extra))
        next(found)
        before, first, used = time.perf_counter() - start, time.perf_counter(), processor()
        count = sum(len(batch) for batch in islice(found, batches))
        seconds = time.perf_counter() - first
        del found
        cost = processor() - used
        more = sum(path.stat().st_size for path in Path(extra).rglob("*") if path.is_file()) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{way:14} {count / seconds:9,.0f} {count / cost:9,.0f} {peak:7.0f} {before:7.1f} {more:8.0f}"


def libraries(faces: int, batches: int, ways: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "table"
        write_faces(folder, FACES, rows(faces, HR))
        print(
            f"{faces:,} faces\n{'':14} {'faces/s':>9} {'/processor':>9} {'MB':>7} {'before':>7} {'disk MB':>8}   load"
        )
        for way in ways:
            if way in ("datasets", "webdataset") and importlib.util.find_spec(way) is None:
                print(f"{way:14} is not installed")
                continue
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(f"{pool.apply(measure, (way, folder, batches))}   {os.getloadavg()[0]:.1f}", flush=True)


def made_up_project(folder: Path, count: int, val: int = 200) -> None:
    """The tables that a training reads, of so many faces, four triplets an anchor."""
    write_faces(folder / "degraded", DEGRADED, rows(count, 14, val))
    write_faces(folder / "aligned", FACES, rows(count, HR, val))
    rng = np.random.default_rng(0)

    def embedded() -> Iterator[dict[str, Any]]:
        for row in rows(count, 14, val):
            vector = rng.standard_normal(DIMENSION, np.float32)
            yield {**row, "embedding": vector / np.linalg.norm(vector), "image": b""}

    write_faces(folder / "targets/sface", embeddings_schema(DIMENSION, "sface", "0" * 64), embedded())
    write_triplets(folder / "targets/_triplets", triplets(count))


def triplets(count: int) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    for start in range(0, count, 2**16):
        anchor = np.arange(start, min(start + 2**16, count)).repeat(12)
        positive = anchor // PHOTOS * PHOTOS + rng.integers(0, PHOTOS, len(anchor))
        negative = (anchor + PHOTOS + rng.integers(0, count // 2, len(anchor))) % count
        columns = [np.char.add("face ", np.char.zfill(rows.astype(str), 8)) for rows in (anchor, positive, negative)]
        columns += [
            np.char.add("person ", np.char.zfill((rows // PHOTOS).astype(str), 7)) for rows in (anchor, negative)
        ]
        columns += [np.zeros(len(anchor), np.float32), np.ones(len(anchor), np.float32)]
        yield pa.table([pa.array(column) for column in columns], schema=TRIPLETS)


def resident() -> float:
    """MB of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def play(folder: Path, batches: int, name: str, shift: float) -> None:
    config = losing(PARAMS.training("ftlgan"), triplet=1.0, pixel=1.0, identity=1.0)
    config = changed(config, augmentation={"shift": shift, "rotation": 0.0, "scale": 0.0})
    before, start = resident(), time.perf_counter()
    data = read_training_set(folder / "degraded", folder / "aligned", folder / "targets", config)
    print(
        f"{name}: {len(data.train.lr):,} faces, {len(data.triplets):,} triplets, "
        f"read in {time.perf_counter() - start:.0f} s"
    )
    waits, used = list[float](), time.process_time()
    after = resident()
    with Batches(data, config, BATCH) as drawn:
        drawn[1]
        for step in range(2, batches + 2):
            time.sleep(BATCH / RATE)
            asked = time.perf_counter()
            drawn[step]
            waits.append(time.perf_counter() - asked)
        cost = (time.process_time() - used) / (batches + 2) / BATCH
        began = time.perf_counter()
        for step in range(batches + 2, 2 * batches + 2):
            drawn[step]
        most = batches * BATCH / (time.perf_counter() - began)
    share = statistics.median(waits) / (BATCH / RATE + statistics.median(waits))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  {before:.0f} MB before, {after:.0f} MB after, {resident():.0f} MB after {batches} steps, {peak:.0f} MB peak"
    )
    print(f"  {1e3 * cost:.2f} ms of a processor an image, {most:,.0f} images/s at most on {os.cpu_count()} cores")
    print(
        f"  a step waits {1e3 * statistics.median(waits):.1f} ms, {share:.1%} of it, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--train", type=int)
    arguments = parser.parse_args()
    if not arguments.train:
        libraries(arguments.faces, arguments.batches, arguments.ways)
        return
    with tempfile.TemporaryDirectory() as temporary:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(made_up_project, (Path(temporary), arguments.train))
            size = sum(path.stat().st_size for path in Path(temporary).rglob("*") if path.is_file())
            print(f"tables of {size / 1e9:.1f} GB", flush=True)
        for way in (("moved and degraded anew", 0.5), ("as stored", 0.0)):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(play, (Path(temporary), arguments.batches, *way))


if __name__ == "__main__":
    main()
