"""Recognizers by name, for a loss. Apart from `recognizers`, so that a new judge makes no training stale."""

from typing import Protocol, Self

from torch import Tensor

from ftlgan.errors import ParamsError
from ftlgan.params import RecognizerFile

NAMES = ("sface",)


class Teacher(Protocol):
    """A frozen recognizer through which a gradient reaches the faces: RGB in [0, 1], (N, 3, 112, 112)."""

    def __call__(self, faces: Tensor, /) -> Tensor:
        """Unit embeddings, float32 (N, D)."""
        ...

    def features(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The same, and the features of some layers."""
        ...

    def to(self, device: str, /) -> Self:
        """Move to a device."""
        ...


def load(name: str, file: RecognizerFile | None = None) -> Teacher:
    """Load a recognizer for a loss: the weights of `recognizers.load(name)`, frozen, with a gradient for the faces.

    Returns:
        A module from RGB in [0, 1], float32, shape (N, 3, 112, 112), to embeddings of unit length, shape (N, D).

    Raises:
        ParamsError: if `name` is not one of `NAMES`.
        WeightsError: if its weights are missing or corrupted.
    """
    match name:
        case "sface":
            from ftlgan.recognition import sface
            from ftlgan.recognition.network import RecognizerNetwork

            return RecognizerNetwork(sface.packaged_model(), sface.PREPROCESSING, sface.FILE)
        case _:
            allowed = ", ".join(NAMES)
            raise ParamsError(f"recognizer {name!r} has no differentiable form, as a loss needs: use one of {allowed}")
