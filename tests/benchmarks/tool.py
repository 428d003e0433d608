"""How fast `ftlgan restore` is: `python tests/benchmarks/tool.py PHOTOS`, a folder of photos of one face.

It measures, in one run: the seconds for one small photo from a cold start, and how many of them are imports; the faces
per second on photos whose faces are reduced to 28 pixels, beside Real-ESRGAN (ncnn) on the same faces; and the peak
memory on these photos and on `--many` photos, which are copies of them.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from ftlgan import restoration
from ftlgan.detection import FaceDetector, shrink
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.template import face_size

SIZE = 28
"""The size of the faces, pixels."""


def small_photos(source: Path, folder: Path, count: int) -> None:
    paths = sorted(source.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    detector = FaceDetector(0.7)
    for number, path in enumerate(paths[:count]):
        photo = read_photo(path.read_bytes())
        try:
            face = detector.main_face(photo)
        except NoFaceError:
            continue
        Image.fromarray(shrink(photo, min(1.0, SIZE / face_size(face.landmarks)))).save(folder / f"{number}.png")


def run(*command: object) -> tuple[float, float]:
    """Run a command, and return the seconds that it took and its peak memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def copies(photos: list[Path], folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"{number // 100}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number // 100}" / f"{number}.png").hardlink_to(photos[number % len(photos)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=100, help="photos for the rates")
    parser.add_argument("--many", type=int, default=5000, help="photos for the memory; 0: leave it out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        small_photos(arguments.photos, folder / "photos", arguments.count)
        photos = sorted((folder / "photos").iterdir())
        restore = (sys.executable, "-m", "ftlgan.cli", "restore")

        imports = "import cv2, torch, ftlgan.tool.restore_command"
        imported = min(run(sys.executable, "-c", imports)[0] for _ in range(3))
        cold = min(run(*restore, photos[0], "-o", folder / f"cold-{n}")[0] for n in range(3))
        print(f"one photo from a cold start: {cold:.2f} s, of which imports are {imported:.2f} s")

        whole, memory = run(*restore, folder / "photos", "-o", folder / "out")
        faces = sorted((folder / "out" / "small").rglob("*.png"))
        rate = len(faces) / (whole - cold)
        print(f"ftlgan restore: {len(photos)} photos, {len(faces)} faces: {rate:.1f} faces per second after the start")

        rival = restoration.load("realesrgan")
        given = [image for path in faces if len(image := np.asarray(Image.open(path))) == SIZE]
        started = time.perf_counter()
        for start in range(0, len(given), rival.faces_per_call):
            rival.restore(np.stack(given[start : start + rival.faces_per_call]))
        theirs = len(given) / (time.perf_counter() - started)
        print(
            f"Real-ESRGAN (ncnn) on the aligned faces alone: {theirs:.1f} faces per second; ratio {rate / theirs:.2f}"
        )

        print(f"peak memory: {memory:.0f} MB on {len(photos)} photos", flush=True)
        if arguments.many:
            copies(photos, folder / "many", arguments.many)
            whole, memory = run(*restore, folder / "many", "-o", folder / "restored")
            print(f"peak memory: {memory:.0f} MB on {arguments.many} photos, which took {whole:.0f} s")


if __name__ == "__main__":
    main()
