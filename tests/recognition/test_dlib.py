import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import pytest

from ftlgan.recognition.dlib import (
    CHIP_LANDMARKS,
    CHIP_PADDING,
    CHIP_SIZE,
    FACE_LANDMARKS,
    face_to_chip,
)


def test_faces_become_chips_by_the_least_squares_similarity() -> None:
    chip = (CHIP_LANDMARKS + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE
    rows = [row for x, y in FACE_LANDMARKS for row in ((x, -y, 1, 0), (y, x, 0, 1))]
    (a, b, c, d), *_ = np.linalg.lstsq(np.array(rows), chip.reshape(-1))
    np.testing.assert_allclose(face_to_chip(), [(a, -b, c), (b, a, d)], rtol=1e-9)


def test_a_chip_is_what_dlib_cuts_by_the_same_landmarks() -> None:
    y, x = np.mgrid[:112, :112]
    coordinates = np.stack([2 * x, 2 * y, np.zeros_like(x)], axis=-1).astype(np.uint8)  # a colour says where it was
    library: Any = dlib  # it comes without types
    landmarks = [library.point(round(x), round(y)) for x, y in FACE_LANDMARKS]
    shape = library.full_object_detection(library.rectangle(0, 0, 111, 111), landmarks)
    expected = library.get_face_chip(coordinates, shape, CHIP_SIZE, CHIP_PADDING)
    found = cv2.warpAffine(coordinates, face_to_chip(), (CHIP_SIZE, CHIP_SIZE))
    covered = (found[..., 0] > 0) & (found[..., 1] > 0) & (expected[..., 0] > 0) & (expected[..., 1] > 0)
    assert covered.mean() > 0.8
    shift = (found.astype(float) - expected)[covered][:, :2].mean(axis=0) / 2
    assert np.abs(shift).max() < 0.5  # pixels of the face: dlib's landmarks are whole numbers


COMPARE = """
import sys
import numpy as np
from ftlgan.recognition import dlib

if __name__ == "__main__":
    dlib.FEWEST_FOR_PROCESSES, dlib.CHUNK = 3, 2
    faces = np.load(sys.argv[1])
    rows = np.arange(5) % len(faces)
    one, two = dlib.Dlib(processes=1).embed(faces)[rows], dlib.Dlib(processes=2).embed(faces[rows])
    np.testing.assert_array_equal(two, one)
"""


def test_the_embedding_does_not_depend_on_the_number_of_processes(faces: np.ndarray, tmp_path: Path) -> None:
    """In a program of its own, as a stage is: after other faces, the last digits of dlib's result may differ."""
    script = tmp_path / "compare.py"
    script.write_text(COMPARE, encoding="utf-8")
    np.save(tmp_path / "faces.npy", faces)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "faces.npy"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


SCRIPT = """
import multiprocessing, os, signal, sys
import numpy as np
from ftlgan.recognition import dlib

if __name__ == "__main__":
    dlib.FEWEST_FOR_PROCESSES, dlib.CHUNK = 2, 1
    judge = dlib.Dlib(processes=2)
    judge.embed(np.zeros((2, 112, 112, 3), np.uint8))
    assert len(multiprocessing.active_children()) == 2
    assert "face_recognition_models" not in sys.modules
    if sys.argv[1] == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1] == "is interrupted":
        os.killpg(0, signal.SIGINT)
    if sys.argv[1] == "drops it":
        children = multiprocessing.active_children()
        del judge
        for child in children:
            child.join()
"""


@pytest.mark.parametrize(
    ("program", "status", "tracebacks"),
    [("ends", 0, 0), ("drops it", 0, 0), ("is interrupted", -signal.SIGINT, 1), ("is killed", -signal.SIGKILL, 0)],
)
def test_no_process_is_left_behind_when_the_program(program: str, status: int, tracebacks: int, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ended = subprocess.run(  # returns once every process that inherited the output has ended
        [sys.executable, script, program],
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert ended.stderr.count("Traceback") == tracebacks, ended.stderr
