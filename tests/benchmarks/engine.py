"""Work on faces by threads of this machine, and by a Ray cluster on it: `python tests/benchmarks/engine.py [PEOPLE]`.

The cluster is one node with as many CPUs as this machine has cores. Each row is the median of some rounds, both in
turn. The seconds include that each worker loads the network. The machine of the stage reads and writes everything, so
its processor seconds limit how many nodes it can feed.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ftlgan import engine
from ftlgan.alignment import aligned_rows
from ftlgan.degradation import draw_twin, shrink_each
from ftlgan.engine import Engine, Local
from ftlgan.faces import ALIGNED, FACES, RAW, SPLITS, stream_faces, write_faces
from ftlgan.params import Align, Degradation
from ftlgan.processes import available_cores
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_faces
from ftlgan.restoration import load, restore_faces
from ftlgan.sources import synthetic

ROUNDS, PHOTOS, COPIES = 3, 4, 8
ALIGN = Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=False)
Work = Callable[[Engine, Path], object]


def photos(people: int) -> Iterator[dict[str, Any]]:
    drawn = list(synthetic.photographs(people, PHOTOS, seed=0))
    for copy in range(COPIES):
        for number, (who, name, image) in enumerate(drawn):
            row = {"face_id": f"{who}.{copy}/{name}", "identity": f"{who}.{copy}", "image": image, "aligned": False}
            yield {**row, "split": SPLITS[number // PHOTOS % 3]}


def works(folder: Path) -> dict[str, tuple[Work, Path]]:
    """What is measured, and the table that each reads."""
    draw = partial(draw_twin, res=14, config=Degradation(kind="bicubic", realistic=0), seed=0)
    raw, aligned, many, small = (folder / name for name in ("raw", "aligned", "many", "small"))

    def align(where: Engine, out: Path) -> None:
        rows = (row for batch in stream_faces(raw) for row in batch.to_pylist())
        write_faces(out, ALIGNED, aligned_rows(rows, ALIGN, [], engine=where))

    def degrade(where: Engine, out: Path) -> None:
        write_faces(out, FACES, shrink_each(draw, many, SPLITS, where))

    def restore(where: Engine, out: Path) -> None:
        restore_faces("realesrgan", load("realesrgan"), small, out, engine=where)

    def embed(where: Engine, out: Path) -> None:
        embed_faces(recognizers.load("sface"), aligned, out, engine=where)

    align(Local(), aligned)
    rows = [row for batch in stream_faces(aligned) for row in batch.select(FACES.names).to_pylist()]
    write_faces(small, FACES, shrink_each(draw, aligned, SPLITS))
    write_faces(many, FACES, ({**row, "face_id": f"{row['face_id']} {n}"} for n in range(COPIES) for row in rows))
    return {"align": (align, raw), "degrade": (degrade, many), "restore": (restore, small), "embed": (embed, aligned)}


def seconds(work: Work, where: Engine, out: Path) -> tuple[float, float]:
    """Return the seconds of a run, and the processor seconds of this process."""
    started, worked = time.perf_counter(), time.process_time()
    work(where, out)
    return time.perf_counter() - started, time.process_time() - worked


def measure(folder: Path, cluster: Engine) -> None:
    print("work       faces   local s    ray s  ray/local  faces per processor second of this process")
    for name, (work, table) in works(folder).items():
        rounds = [
            (*seconds(work, Local(), folder / "a")[:1], *seconds(work, cluster, folder / "b")) for _ in range(ROUNDS)
        ]
        local, ray, driver = (statistics.median(values) for values in zip(*rounds, strict=True))
        ratio = statistics.median(there / here for here, there, _ in rounds)
        count = sum(len(batch) for batch in stream_faces(table))
        print(f"{name:8} {count:7} {local:9.2f} {ray:8.2f} {ratio:10.2f} {count / driver:10.0f}")


def main() -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    torch.set_num_threads(1)
    head = {"num_cpus": available_cores(), "object_store_memory": 200 * 2**20, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args={**head, "include_dashboard": False})
    with tempfile.TemporaryDirectory() as place:
        write_faces(Path(place, "raw"), RAW, photos(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
        measure(Path(place), engine.start("ray", cluster.address))
    import ray

    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
