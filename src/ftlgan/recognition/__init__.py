"""Face recognition: aligned faces in, unit embeddings out. A recognizer is a module, imported when it is asked for.

A recognizer in a loss is a *teacher*; one that scores a result is a *judge*. A judge that was never in a loss is the
fairer one, because it cannot have been fooled by what the loss has learnt.
"""

from typing import Protocol

import numpy as np

from ftlgan.errors import DataError


class Recognizer(Protocol):
    """Turns aligned faces into embeddings: the closer two of them, the more likely the same person."""

    name: str
    """As params.yaml names it."""
    dimension: int
    """D, the length of an embedding."""
    sha256: str
    """Digest of the file with the weights: embeddings of two digests cannot be compared."""
    settings: str | None
    """What else embeddings depend on, if params.yaml decides it, such as the preprocessing of a file; else None."""

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


def check_faces(faces: np.ndarray) -> None:
    """Refuse what `Recognizer.embed` does not take.

    Raises:
        DataError: if `faces` is not uint8 of shape (N, 112, 112, 3).
    """
    if faces.dtype != np.uint8 or faces.ndim != 4 or faces.shape[1:] != (112, 112, 3):
        found = f"{faces.dtype} of shape {faces.shape}"
        raise DataError(f"faces are {found}, but recognition takes uint8 of shape (N, 112, 112, 3): align them first")


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Divide each row by its Euclidean length: (N, D) of any float type to float32. A row of zeros becomes NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
