"""What DVC and Python cost where there is nothing to compute: `python tests/benchmarks/overheads.py [--faces 100000]`.

In a project of 12 people it measures a `dvc repro` with nothing to do beside `dvc status`, and each stage's script:
until it has read params.yaml, which is interpreter and imports, and the whole of it on 48 photos. Then the tables are
made as large as is asked, of random bytes, committed without running a stage, and DVC is measured on them: status,
repro with nothing to do, push to a folder and pull from it into a clone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.faces import ALIGNED, FACES, embeddings_schema, read_faces, write_faces
from ftlgan.sources import synthetic

sys.path.append(str(Path(__file__).parents[1] / "pipeline"))
from project import Project, new_project

ROUNDS = 5
CONDITION = "bicubic"
BYTES = {"raw": 3000, "aligned": 5000, "small": 800, "restored": 5000}
"""The bytes of an image: a PNG of 112x112 takes three times as much, which would fill the disk of a small machine."""
DIMENSIONS = {"sface": 128, "dlib": 128}
TEACHER = "sface"
METHODS = ("bicubic", "ftlgan")
PHOTOS_PER_PERSON = 5

UNTIL_PARAMS = """
import os, runpy, sys
from ftlgan import params
load = params.load_params
params.load_params = lambda: (load(), os._exit(0))
sys.argv[:] = sys.argv[1:]
sys.path[0] = "stages"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def seconds(project: Project, *command: str) -> float:
    start = time.perf_counter()
    project.run(*command)
    return time.perf_counter() - start


def photos(folder: Path) -> Path:
    for identity, name, image in synthetic.photographs(12, 4, seed=0):
        (folder / identity).mkdir(exist_ok=True, parents=True)
        (folder / identity / name).write_bytes(image)
    return folder


def nothing_to_do(project: Project) -> None:
    """`dvc repro` beside `dvc status`, in turns."""
    project.dvc("status")  # hashes what nobody has hashed yet
    pairs = [(seconds(project, "dvc", "status"), seconds(project, "dvc", "repro")) for _ in range(ROUNDS)]
    for name, times in zip(("dvc status", "dvc repro, nothing to do"), zip(*pairs, strict=True), strict=True):
        print(f"  {name:28}{statistics.median(times):7.2f} s")
    print(f"  {'ratio':28}{statistics.median(repro / status for status, repro in pairs):7.2f}", flush=True)


def stages(project: Project) -> None:
    """Each script's start, and all of it on 48 photos."""
    scripts = [[f"stages/{name}.py"] for name in ("locate", "fetch", "align", "degrade")]
    scripts += [[f"stages/{name}.py", "sface"] for name in ("embed_teacher", "triplets")]
    scripts += [["stages/gallery.py", "dlib"]]
    scripts += [[f"stages/{name}.py", "ftlgan"] for name in ("targets", "train", "validate")]
    scripts += [["stages/degrade_test.py", CONDITION], ["stages/restore_model.py", "ftlgan", CONDITION]]
    scripts += [["stages/restore.py", "bicubic", CONDITION], ["stages/embed.py", "bicubic", "dlib", CONDITION]]
    scripts += [[f"stages/{name}.py"] for name in ("evaluate", "quality")]
    print(f"  {'stage':28}{'until params':>14}{'whole':>9}")
    bare = statistics.median(seconds(project, "python", "-c", "pass") for _ in range(ROUNDS))
    print(f"  {'python alone':28}{bare:12.2f} s")
    for script in scripts:
        start = [seconds(project, "python", "-c", UNTIL_PARAMS, *script) for _ in range(ROUNDS)]
        whole = seconds(project, "python", *script)
        print(f"  {Path(script[0]).stem:28}{statistics.median(start):12.2f} s{whole:7.1f} s", flush=True)


def rows(count: int, splits: tuple[str, ...], size: int = 0, dimension: int = 0) -> Iterator[dict[str, Any]]:
    """Faces of random bytes, or embeddings of random numbers: of the first half of the people in train, and so on."""
    rng = np.random.default_rng([count, size, dimension])
    for i in range(count):
        person = i // PHOTOS_PER_PERSON
        split = ("train", "train", "train", "val", "test")[person % 5]
        if split not in splits:
            continue
        row: dict[str, Any] = {"face_id": f"{person:06}/{i:06}.jpg", "identity": f"{person:06}", "split": split}
        if size:
            row |= {"image": rng.bytes(size), "landmarks": [0.0] * 10, "detection_score": 0.9}
        else:
            row["embedding"] = rng.normal(size=dimension).astype(np.float32)
        yield row


def enlarge(project: Project, faces: int) -> None:
    """Tables of so many faces in place of what the stages made, as if they had."""
    data, every = project.root / "data", ("train", "val", "test")
    for name, schema in (("raw", FACES), ("aligned", ALIGNED)):
        write_faces(data / name, schema, rows(faces, every, BYTES[name]))
    write_faces(data / "degraded", FACES, rows(faces, ("train", "val"), BYTES["small"]))
    write_faces(data / "test" / CONDITION, FACES, rows(faces, ("test",), BYTES["small"]))
    for judge, dimension in DIMENSIONS.items():
        schema = embeddings_schema(dimension, judge, "0" * 64)
        if judge == TEACHER:
            write_faces(data / "teacher" / judge, schema, rows(faces, ("train", "val"), dimension=dimension))
        write_faces(data / "gallery" / judge, schema, rows(faces, ("val", "test"), dimension=dimension))
        for method in METHODS:
            write_faces(
                data / "probes" / CONDITION / method / judge, schema, rows(faces, ("test",), dimension=dimension)
            )
    for method in METHODS:
        write_faces(data / "restored" / CONDITION / method, FACES, rows(faces, ("test",), BYTES["restored"]))
    assert read_faces(data / "aligned", ["face_id"]).num_rows == faces


def share(project: Project, folder: Path) -> None:
    """Push to a folder, and pull into a clone that has nothing."""
    project.dvc("remote", "add", "--default", "team", str(folder / "remote"))
    project.commit()
    print(f"  {'dvc push, everything':28}{seconds(project, 'dvc', 'push'):7.1f} s")
    print(f"  {'dvc push, nothing new':28}{seconds(project, 'dvc', 'push'):7.1f} s", flush=True)
    clone = Project(folder / "clone" / "project")
    clone.root.parent.mkdir()
    subprocess.run(["git", "clone", "--quiet", project.root, clone.root], check=True)
    subprocess.run(["rm", "-rf", project.root], check=True)  # makes room
    print(f"  {'dvc pull, everything':28}{seconds(clone, 'dvc', 'pull'):7.1f} s")
    print(f"  {'dvc pull, nothing new':28}{seconds(clone, 'dvc', 'pull'):7.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    faces = parser.parse_args().faces
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every process compiles anew all that it imports
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project = new_project(folder / "here", photos(folder / "photos"))
        project.dvc("repro")
        project.commit()
        print(f"48 photos; medians of {ROUNDS} rounds in turn", flush=True)
        nothing_to_do(project)
        stages(project)
        enlarge(project, faces)
        tables = [path for path in (project.root / "data").rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in tables)
        print(f"{faces:,} faces: {len(tables)} files, {size / 1e9:.2f} GB", flush=True)
        print(f"  {'dvc commit':28}{seconds(project, 'dvc', 'commit', '--force'):7.1f} s", flush=True)
        nothing_to_do(project)
        share(project, folder)


if __name__ == "__main__":
    main()
