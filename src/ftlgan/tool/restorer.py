"""Restore faces from Python: aligned faces, or all faces in a photo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from ftlgan.degradation import downsample
from ftlgan.detection import Detection, upright_boxes
from ftlgan.errors import DataError, ParamsError
from ftlgan.faces import HR
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.networks.weights import load_generator
from ftlgan.photos import NoFaceError
from ftlgan.template import face_size
from ftlgan.tool.crops import aligned_crop, enlarged, put_back
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.kit import kit_files
from ftlgan.weights.models import SETS, description_of, packaged_models

Faces = TypeVar("Faces", np.ndarray, Tensor)
Weights = str | PathLike[str] | Sequence[str | PathLike[str]]
"""The name of a packaged set, the path of a file of weights or of a kit, or several files."""

DETECTION_SCORE = 0.75
"""The lowest confidence of the detector, in the photo and in the closer look. At 0.7 it mistakes an ear for a face."""
LARGEST = {14: 16, 28: 28, 56: HR}
"""The size of the largest face that each generator restores, pixels. A face is hardly ever shrunk for its generator,
because that would lose detail (measured by `tests/benchmarks/sizes.py`)."""
FACES_PER_CALL = 8
"""The number of faces in a batch. On a CPU, a batch of 64 takes a third more time per face (measured)."""
SCALES = (1, 2, 4)
"""The factors by which a photo may be enlarged."""


@dataclass(frozen=True, eq=False)
class RestoredFace:
    """A face in a photo, as detected and as restored."""

    image: np.ndarray
    """The restored face, uint8 RGB, (112, 112, 3); unchanged if `model` is None."""
    small: np.ndarray
    """The aligned face that was the generator's input, uint8 RGB, (S, S, 3); S is `model`, or 112."""
    box: np.ndarray
    """x, y, width and height in the photo, float32 (4,)."""
    landmarks: np.ndarray
    """x and y of eyes, nose and mouth corners, float32 (5, 2), pixels of the photo turned by `turns`."""
    turns: int
    """The number of counter-clockwise quarter turns of the photo that put the face upright; 0 for an upright photo."""
    score: float
    """The confidence of the detector, 0 to 1."""
    size: float
    """The side of the square that the aligned face covers in the photo, pixels."""
    model: int | None
    """The resolution of the generator that restored the face; None if it is larger than 112 px and left unchanged."""


@dataclass(frozen=True, eq=False)
class RestoredPhoto:
    """A photo with its faces restored."""

    image: np.ndarray
    """The photo, uint8 RGB, (scale H, scale W, 3)."""
    faces: tuple[RestoredFace, ...]
    """The faces, from left to right."""


class Restorer:
    """Restores small faces to 112x112 with trained generators, one for each resolution."""

    def __init__(self, generators: Mapping[int, Generator], device: str = "cpu") -> None:
        """Use loaded generators; `Restorer.load` loads them.

        Args:
            generators: the generators by resolution, at least one.
            device: the device that holds them, `cpu` or `cuda`.
        """
        self._generators, self._device = dict(sorted(generators.items())), device
        self._finder: FaceFinder | None = None

    @classmethod
    def load(cls, weights: Weights = "lfw", device: str = "cpu") -> "Restorer":
        """Load generators.

        Args:
            weights: `lfw`, trained on Labeled Faces in the Wild, for research; `free`, trained on synthetic people, for
                any purpose; the path of a kit or of a `generator.safetensors` that you trained; or several files, one
                for each resolution.
            device: `cpu` or `cuda`.

        Raises:
            ParamsError: if there is no GPU for `cuda`.
            WeightsError: if a file is missing, or not the weights of a generator.
        """
        if device != "cpu" and not torch.cuda.is_available():
            raise ParamsError(f"device {device!r}: torch finds no GPU here; use cpu")
        generators: dict[int, Generator] = {}
        for file in weight_files(weights):
            res = description_of(file)["res"]
            generators[res] = load_generator(file, res, device)
        return cls(generators, device)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """The resolutions of the generators, rising."""
        return tuple(self._generators)

    def model_for(self, size: float) -> int | None:
        """Return the resolution of the generator for a face of this size; None if the face is too large.

        Args:
            size: the side of the aligned face in its photo, pixels.
        """
        if size > HR:
            return None
        fitting = [res for res in self._generators if size <= LARGEST[res]]
        return fitting[0] if fitting else self.resolutions[-1]

    def side_for(self, size: float) -> int:
        """Return the width and height of the crop to make of a face of this size: the generator's input, or 112.

        Args:
            size: the side of the aligned face in its photo, pixels.
        """
        return self.model_for(size) or HR

    def restore(self, faces: Faces) -> Faces:
        """Restore square faces that are aligned to the ArcFace template.

        Args:
            faces: uint8 RGB, (N, S, S, 3), as a numpy array; or RGB in [0, 1], (N, 3, S, S), as a torch tensor. S is
                at most 112. Faces are resized to the resolution of the generator for their size.

        Returns:
            The restored faces in the same form, (N, 112, 112, 3) or (N, 3, 112, 112).

        Raises:
            DataError: if `faces` has another type or shape.
        """
        if isinstance(faces, Tensor):
            _check(faces.is_floating_point() and faces.ndim == 4 and faces.shape[1] == 3, faces, "float (N, 3, S, S)")
            size = _size(faces.shape[2:])
            return self._restored(faces.to(self._device), size).clamp(0, 1).to(faces.device)
        _check(faces.dtype == np.uint8 and faces.ndim == 4 and faces.shape[3] == 3, faces, "uint8 (N, S, S, 3)")
        size = _size(faces.shape[1:3])
        parts = [faces[start : start + FACES_PER_CALL] for start in range(0, len(faces), FACES_PER_CALL)]
        restored = [to_faces(self._restored(to_tensor(part, self._device), size)) for part in parts]
        return np.concatenate(restored) if restored else np.empty((0, HR, HR, 3), np.uint8)

    def _restored(self, faces: Tensor, size: int) -> Tensor:
        model = self.model_for(size)
        assert model is not None
        if size != model:
            faces = torch.nn.functional.interpolate(faces, (model, model), mode="bicubic", antialias=True).clamp(0, 1)
        with torch.inference_mode():
            return self._generators[model](faces)

    def restore_photo(self, image: np.ndarray, scale: int = 1, main: bool = False) -> RestoredPhoto:
        """Find the faces in a photo, restore them, and put them back.

        Args:
            image: uint8 RGB, (H, W, 3), upright.
            scale: the factor by which the photo is enlarged: 1, 2 or 4. The rest of the photo is enlarged by bicubic
                interpolation.
            main: whether to restore only the most central face.

        Raises:
            DataError: if the photo shows no face, or `image` has another type or shape.
        """
        _check(image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, image, "uint8 (H, W, 3)")
        if scale not in SCALES:
            raise DataError(f"scale {scale}: give 1, 2 or 4")
        self._finder = self._finder or FaceFinder(DETECTION_SCORE)
        try:
            found = [self._finder.main_face(image)] if main else self._finder.all_faces(image)
        except NoFaceError as reason:
            raise DataError(f"the photo: {reason}") from None
        faces = self.restore_found(image, found)
        return RestoredPhoto(with_faces(enlarged(image, scale), faces, scale), faces)

    def restore_each(
        self, faces: Sequence[np.ndarray], sizes: Sequence[float]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Restore aligned faces of several sizes, each with the generator for its size.

        Args:
            faces: uint8 RGB, (S, S, 3) each, of any S.
            sizes: the sizes of the faces in their photos, before they were resized to S, pixels.

        Returns:
            The inputs of the generators, and the restored faces (112, 112, 3). Faces larger than 112 px are reduced to
            112 px in both. Gray faces stay gray: the generators would tint them.
        """
        models, sides = [self.model_for(size) for size in sizes], [self.side_for(size) for size in sizes]
        small = [
            face if len(face) == side else downsample(face, (side, side), "bicubic")
            for face, side in zip(faces, sides, strict=True)
        ]
        restored = list(small)
        for model in {model for model in models if model is not None}:
            which = [number for number, other in enumerate(models) if other == model]
            for number, face in zip(which, self.restore(np.stack([small[number] for number in which])), strict=True):
                restored[number] = _gray(face) if _is_gray(small[number]) else face
        return small, restored

    def restore_found(self, image: np.ndarray, found: Sequence[Detection]) -> tuple[RestoredFace, ...]:
        """Restore the faces that were found in a photo, in the same order.

        Args:
            image: uint8 RGB, (H, W, 3).
            found: the faces that `ftlgan.tool.finding.FaceFinder` found, at least one.
        """
        sizes = [face_size(face.landmarks) for face in found]
        crops = [aligned_crop(image, face, self.side_for(size)) for face, size in zip(found, sizes, strict=True)]
        small, restored = self.restore_each(crops, sizes)
        height, width = image.shape[:2]
        boxes = upright_boxes(found, width, height)
        return tuple(
            RestoredFace(
                restored[number],
                small[number],
                boxes[number],
                face.landmarks,
                face.turns,
                face.score,
                sizes[number],
                self.model_for(sizes[number]),
            )
            for number, face in enumerate(found)
        )


def weight_files(weights: Weights) -> list[Path]:
    """Return the files of a packaged set, of a kit, or the given files."""
    if isinstance(weights, str) and (weights in SETS or not Path(weights).exists()):
        return list(packaged_models(weights).values())
    named = [weights] if isinstance(weights, str | PathLike) else weights
    return [file for path in map(Path, named) for file in (kit_files(path) if path.is_dir() else [path])]


def with_faces(photo: np.ndarray, faces: Sequence[RestoredFace], scale: int) -> np.ndarray:
    """Put restored faces into an enlarged photo, in place, and return it. Faces left unchanged are skipped.

    Args:
        photo: the enlarged photo, uint8 RGB, (scale H, scale W, 3).
        faces: the faces of the photo before it was enlarged.
        scale: the factor by which it was enlarged.
    """
    for face in faces:
        if face.model is not None:
            put_back(photo, face.image, (face.landmarks + 0.5) * scale - 0.5, face.turns)
    return photo


def _is_gray(face: np.ndarray) -> bool:
    return bool((face == face[..., :1]).all())


def _gray(face: np.ndarray) -> np.ndarray:
    """Return a face without color, uint8 RGB."""
    return cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _check(right: bool, given: np.ndarray | Tensor, expected: str) -> None:
    if not right:
        raise DataError(f"faces are {given.dtype} of shape {tuple(given.shape)}; give RGB as {expected}")


def _size(shape: Sequence[int]) -> int:
    height, width = shape
    if height != width or not 0 < height <= HR:
        raise DataError(f"faces are {width}x{height} px; give square ones of at most {HR} px")
    return height
