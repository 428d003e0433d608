"""dlib's ResNet, the default black-box judge: weights in the public domain, no gradient, 0.08 s a face on one core.

The network: a ResNet of 29 convolutions, trained on 3 million faces (King, "High quality face recognition with deep
metric learning", blog.dlib.net, 2017). It takes chips of 150 px, which dlib cuts by five landmarks of its own; faces
aligned to the 112 px ArcFace template become such chips by one similarity, the same for every face.
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
"""Outer and inner corner of the eye on the right of the image, of the eye on the left, and base of the nose, in a chip
of side 1 without padding. Source: `get_face_chip_details` in dlib/image_transforms/interpolation.h."""
FACE_LANDMARKS = np.array([(79.5, 53.4), (65.8, 53.8), (30.9, 53.7), (44.6, 54.0), (55.4, 80.4)])
"""The same points in a face aligned to the ArcFace template, in pixels. Our measurement: the mean of what dlib's
shape_predictor_5_face_landmarks finds in 3,034 photos of 1,200 people of LFW, aligned by YuNet's landmarks; standard
deviation 2 to 4 px."""

CHUNK = 4
"""Faces that a process takes at a time. The embeddings are the same bits in any chunk."""
FEWEST_FOR_PROCESSES = 32
"""Below, starting the processes takes longer than the faces."""


class Dlib:
    """dlib's ResNet as a `Recognizer`, on as many cores as there are.

    dlib holds Python's global lock while it computes, so cores need processes, not threads. They start at the first
    large `embed`, each loads the weights once, and they end with this object or with the program, however it ends.
    They import the program's main module anew: a script that embeds must do so under `if __name__ == "__main__"`.
    """

    name = "dlib"
    dimension = DIMENSION
    sha256 = SHA256
    settings: str | None = None

    def __init__(self, processes: int | None = None) -> None:
        """Find the weights.

        Args:
            processes: how many to embed with, at least 1; None for one a core. The result does not depend on it.

        Raises:
            WeightsError: if the weights are missing or corrupted.
        """
        self._describe = functools.partial(_describe, packaged(PACKAGE, FILE, SHA256))
        self._processes = processes or available_cores()

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """See `Recognizer.embed`."""
        check_faces(faces)
        chunks = [faces[start : start + CHUNK] for start in range(0, len(faces), CHUNK)]
        in_processes = self._processes > 1 and len(faces) >= FEWEST_FOR_PROCESSES
        described = self._pool.map(self._describe, chunks) if in_processes else map(self._describe, chunks)
        try:
            return unit_length(np.concatenate([np.empty((0, DIMENSION)), *described]))
        except BrokenProcessPool:
            raise DataError("dlib: a process that embeds died, for want of memory perhaps; run again") from None

    @functools.cached_property
    def _pool(self) -> ProcessPoolExecutor:
        pool = worker_pool(self._processes)
        weakref.finalize(self, pool.shutdown)  # and waits; else the program may end while the pool does, and complain
        return pool


def _describe(weights: Path, faces: np.ndarray) -> np.ndarray:
    """Compute dlib's descriptors: faces, uint8 of shape (N, 112, 112, 3), to float64 of shape (N, 128)."""
    chips = [cv2.warpAffine(face, face_to_chip(), (CHIP_SIZE, CHIP_SIZE)) for face in faces]  # black beyond, as in dlib
    return np.array([list(descriptor) for descriptor in _network(weights).compute_face_descriptor(chips)])


@functools.cache
def _network(weights: Path) -> Any:
    """Load the network, once a process."""
    return dlib.face_recognition_model_v1(str(weights))  # pyright: ignore[reportAttributeAccessIssue]


@functools.cache
def face_to_chip() -> np.ndarray:
    """Fit the similarity from an aligned face to dlib's chip, shape (2, 3), by least squares over the five landmarks.

    With points as complex numbers a similarity is z -> a z + b, and the fit is a linear regression.
    """
    face = FACE_LANDMARKS @ (1, 1j)
    chip = (CHIP_LANDMARKS + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIZE @ (1, 1j)
    centred = face - face.mean()
    a = np.vdot(centred, chip) / np.vdot(centred, centred)
    b = chip.mean() - a * face.mean()
    return np.array([(a.real, -a.imag, b.real), (a.imag, a.real, b.imag)])
