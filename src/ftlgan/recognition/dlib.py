"""dlib's ResNet, the default black-box judge: public-domain weights, no gradient, 0.08 s per face on one core.

The network has 29 convolutions and was trained on 3 million faces (King, "High quality face recognition with deep
metric learning", blog.dlib.net, 2017). It takes chips of 150 px, which dlib cuts by its own five landmarks. Here, one
fixed similarity turns a face on the 112 px ArcFace template into such a chip.
"""

import functools
import weakref
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

from ftlgan.errors import DataError
from ftlgan.params import BUILT_IN
from ftlgan.processes import available_cores, worker_pool
from ftlgan.recognition import check_faces, unit_length
from ftlgan.weights.packaged import packaged

PACKAGE = "face_recognition_models"
FILE = "models/dlib_face_recognition_resnet_model_v1.dat"
SHA256 = BUILT_IN["dlib"]
DIMENSION = 128

CHIP_SIZE = 150
CHIP_PADDING = 0.25
CHIP_LANDMARKS = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
"""The outer and inner corners of the right eye in the image, then of the left eye, and the base of the nose, in a chip
of side 1 without padding. Source: `get_face_chip_details` in dlib/image_transforms/interpolation.h."""
FACE_LANDMARKS = np.array([(79.5, 53.4), (65.8, 53.8), (30.9, 53.7), (44.6, 54.0), (55.4, 80.4)])
"""The same points in a face on the ArcFace template, in pixels. We measured them as the mean positions that dlib's
shape_predictor_5_face_landmarks finds in 3,034 photos of 1,200 people of LFW, aligned by YuNet's landmarks. The
standard deviation is 2 to 4 px."""

CHUNK = 4
"""The number of faces that a process takes at a time. It does not affect the embeddings."""
FEWEST_FOR_PROCESSES = 32
"""The smallest number of faces for which it pays to start processes."""


class Dlib:
    """dlib's ResNet as a `Recognizer`, on all cores.

    dlib holds Python's global lock while it computes, so it needs processes, not threads. They start at the first large
    `embed`, load the weights once each, and end with this object or with the program, even if it is killed. They import
    the program's main module again, so a script must embed under `if __name__ == "__main__"`.
    """

    name = "dlib"
    dimension = DIMENSION
    sha256 = SHA256
    device = "cpu"
    settings: str | None = None

    def __init__(self, processes: int | None = None) -> None:
        """Find the weights.

        Args:
            processes: number of processes, at least 1; None for one per core. The result does not depend on it.

        Raises:
            WeightsError: if the weights are missing or corrupted.
        """
        self._describe = functools.partial(_describe, packaged(PACKAGE, FILE, SHA256))
        self._processes = processes or available_cores()

    def __reduce__(self) -> tuple[type["Dlib"], tuple[()]]:
        return Dlib, ()

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """See `Recognizer.embed`."""
        check_faces(faces)
        chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
        in_processes = self._processes > 1 and len(faces) >= FEWEST_FOR_PROCESSES
        described = self._pool.map(self._describe, chunks) if in_processes else map(self._describe, chunks)
        try:
            return unit_length(np.concatenate([np.empty((0, DIMENSION)), *described]))
        except BrokenProcessPool:
            raise DataError("dlib: a worker process died, perhaps for lack of memory; run again") from None

    @functools.cached_property
    def _pool(self) -> ProcessPoolExecutor:
        pool = worker_pool(self._processes)
        weakref.finalize(self, pool.shutdown)  # waits; otherwise the pool may fail at exit
        return pool


def _describe(weights: Path, faces: np.ndarray) -> np.ndarray:
    """Compute dlib's descriptors, float64 (N, 128), of faces, uint8 (N, 112, 112, 3)."""
    chips = [cv2.warpAffine(face, face_to_chip(), (CHIP_SIZE, CHIP_SIZE)) for face in faces]  # black outside, like dlib
    return np.array([list(descriptor) for descriptor in _network(weights).compute_face_descriptor(chips)])


@functools.cache
def _network(weights: Path) -> Any:
    """Load the network, once per process."""
    return dlib.face_recognition_model_v1(str(weights))  # pyright: ignore[reportAttributeAccessIssue]


@functools.cache
def face_to_chip() -> np.ndarray:
    """Fit the similarity from an aligned face to dlib's chip, shape (2, 3), by least squares over the five landmarks.

    For points as complex numbers, a similarity is z -> a z + b, so the fit is a linear regression.
    """
    face = FACE_LANDMARKS @ (1, 1j)
    chip = (CHIP_LANDMARKS + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE @ (1, 1j)
    centred = face - face.mean()
    a = np.vdot(centred, chip) / np.vdot(centred, centred)
    b = chip.mean() - a * face.mean()
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])
