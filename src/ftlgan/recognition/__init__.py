"""Face recognition: aligned faces in, unit embeddings out. A recognizer's module is imported on first use.

A recognizer in a loss is a *teacher*; one that scores a result is a *judge*. A judge that is in no loss is fairer,
because the generator can't have learned to deceive it.
"""

from typing import Protocol

import numpy as np

from ftlgan.errors import DataError


class Recognizer(Protocol):
    """Turns aligned faces into embeddings: the closer two are, the more likely they show the same person.

    It can be pickled, and loads its weights anew where it is unpickled.
    """

    name: str
    """Its name in params.yaml."""
    dimension: int
    """D, the length of an embedding."""
    sha256: str
    """Digest of the file with the weights. Embeddings by different digests can't be compared."""
    device: str
    """Where its network runs: `cpu` or `cuda`."""
    settings: str | None
    """Other settings in params.yaml on which embeddings depend, such as the preprocessing of a file; else None."""

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """Embed faces. The embedding of a face does not depend on the other faces.

        Args:
            faces: RGB aligned to the ArcFace template, uint8, shape (N, 112, 112, 3), N >= 0.

        Returns:
            Embeddings of unit length, float32, shape (N, D).

        Raises:
            DataError: if `faces` has another type or shape.
        """
        ...


def check_faces(faces: np.ndarray) -> None:
    """Refuse input that `Recognizer.embed` does not take.

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
