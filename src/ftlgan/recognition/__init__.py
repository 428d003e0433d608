"""Face recognition: aligned faces in, unit embeddings out. A recognizer is a module, imported when it is asked for.

A recognizer in a loss is a *teacher*; one that scores a result is a *judge*. A judge that was never in a loss is the
fairer one, because it cannot have been fooled by what the loss has learnt.
"""

from typing import TYPE_CHECKING, Protocol, get_args

import numpy as np

from ftlgan.errors import DataError, ParamsError
from ftlgan.params import RecognizerName

if TYPE_CHECKING:
    from torch import nn

NAMES: tuple[str, ...] = get_args(RecognizerName)
"""Every recognizer, for `load`."""
DIFFERENTIABLE = ("sface",)
"""Those that can be in a loss, for `differentiable`."""


class Recognizer(Protocol):
    """Turns aligned faces into embeddings: the closer two of them, the more likely the same person."""

    name: str
    """One of `NAMES`."""
    dimension: int
    """D, the length of an embedding."""
    sha256: str
    """Digest of the file with the weights: embeddings of two digests cannot be compared."""

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """Embed each face by itself: the result depends neither on its neighbours nor on their number.

        Args:
            faces: RGB aligned to the ArcFace template, uint8, shape (N, 112, 112, 3), N >= 0.

        Returns:
            Embeddings of unit length, float32, shape (N, D).

        Raises:
            DataError: if `faces` has another type or shape.
        """
        ...


def load(name: str) -> Recognizer:
    """Load a recognizer for extraction.

    Raises:
        ParamsError: if `name` is not one of `NAMES`.
        WeightsError: if its weights are missing or corrupted.
    """
    match name:
        case "sface":
            from ftlgan.recognition.sface import SFace

            return SFace()
        case "dlib":
            from ftlgan.recognition.dlib import Dlib

            return Dlib()
        case _:
            raise ParamsError(f"recognizer {name!r} is unknown: use one of {', '.join(NAMES)}")


def differentiable(name: str) -> "nn.Module":
    """Load a recognizer for a loss: the same weights as `load(name)`, frozen, with a gradient for the faces.

    Returns:
        A module from RGB in [0, 1], float32, shape (N, 3, 112, 112), to embeddings of unit length, shape (N, D).

    Raises:
        ParamsError: if `name` is not one of `DIFFERENTIABLE`.
        WeightsError: if its weights are missing or corrupted.
    """
    match name:
        case "sface":
            from ftlgan.recognition.sface import SFaceNetwork

            return SFaceNetwork()
        case _:
            allowed = ", ".join(DIFFERENTIABLE)
            raise ParamsError(f"recognizer {name!r} has no differentiable form, as a loss needs: use one of {allowed}")


def check_faces(faces: np.ndarray) -> None:
    """Refuse what `Recognizer.embed` does not take.

    Raises:
        DataError: if `faces` is not uint8 of shape (N, 112, 112, 3).
    """
    if faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[1:] != (112, 112, 3):
        found = f"{faces.dtype} of shape {faces.shape}"
        raise DataError(f"faces are {found}, but recognition takes uint8 of shape (N, 112, 112, 3): align them first")


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Divide each row by its Euclidean length: (N, D) of any float type to float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
