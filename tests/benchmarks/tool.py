"""How fast `ftlgan restore` is: `python tests/benchmarks/tool.py PHOTOS`, a folder of photos of one face.

In one run: a cold start with one small photo, and what of it are imports; faces a second on photos whose faces are
reduced to 28 pixels, beside Real-ESRGAN (ncnn) on the same faces; and the memory at its highest.
"""

import argparse
import random
import resource
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
from ftlgan.tool.crops import face_size

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


def seconds(*command: object) -> float:
    started = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        small_photos(arguments.photos, folder / "photos", arguments.count)
        photos = sorted((folder / "photos").iterdir())
        restore = (sys.executable, "-m", "ftlgan.cli", "restore")

        imports = "import cv2, torch, ftlgan.tool.restore_command"
        imported = min(seconds(sys.executable, "-c", imports) for _ in range(3))
        cold = min(seconds(*restore, photos[0], "-o", folder / f"cold-{n}") for n in range(3))
        print(f"one photo from a cold start: {cold:.2f} s, of which imports are {imported:.2f} s")

        whole = seconds(*restore, folder / "photos", "-o", folder / "out")
        faces = sorted((folder / "out" / "small").rglob("*.png"))
        rate = len(faces) / (whole - cold)
        print(f"ftlgan restore: {len(photos)} photos, {len(faces)} faces: {rate:.1f} faces a second after the start")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"memory at its highest: {memory:.0f} MB")

        rival = restoration.load("realesrgan")
        given = [image for path in faces if len(image := np.asarray(Image.open(path))) == SIZE]
        started = time.perf_counter()
        for start in range(0, len(given), rival.faces_per_call):
            rival.restore(np.stack(given[start : start + rival.faces_per_call]))
        theirs = len(given) / (time.perf_counter() - started)
        print(f"Real-ESRGAN (ncnn) on the aligned faces alone: {theirs:.1f} faces a second; ratio {rate / theirs:.2f}")


if __name__ == "__main__":
    main()
