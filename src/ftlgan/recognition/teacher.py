"""Recognizers by name, for a loss. Apart from `recognizers`, so that a new judge makes no training stale."""

from collections.abc import Mapping
from typing import Protocol, Self

from torch import Tensor

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, RecognizerFile
from ftlgan.params.values import NOT_DIFFERENTIABLE


class Teacher(Protocol):
    """A frozen recognizer through which a gradient reaches the faces: RGB in [0, 1], (N, 3, 112, 112)."""

    @property
    def layers(self) -> int:
        """The number of layers whose features it gives."""
        ...

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
    """Load a recognizer for a loss: the weights of `recognizers.load(name, file)`, frozen, with a gradient.

    Args:
        name: as params.yaml names it.
        file: its entry in `recognizers`; None for one that is built in.

    Returns:
        A module from RGB in [0, 1], float32, shape (N, 3, 112, 112), to embeddings of unit length, shape (N, D).

    Raises:
        DataError: if its weights can't be downloaded.
        ParamsError: if it has no differentiable form, or no file and is not built in.
        WeightsError: if its weights are missing or corrupted, no recognizer's, or have an unknown operation.
    """
    if file is not None:
        from ftlgan.recognition.files import find
        from ftlgan.recognition.network import RecognizerNetwork

        found = find(name, file)
        return RecognizerNetwork(found.model, found.preprocessing, found.label, found.output)
    if name == "sface":
        from ftlgan.recognition import sface
        from ftlgan.recognition.network import RecognizerNetwork

        return RecognizerNetwork(sface.packaged_model(), sface.PREPROCESSING, sface.FILE)
    allowed = ", ".join(recognizer for recognizer in BUILT_IN if recognizer not in NOT_DIFFERENTIABLE)
    raise ParamsError(
        f"recognizer {name!r} has no differentiable form, as a loss needs: use one of {allowed}, or say in recognizers "
        "which file it is"
    )


def check_features(teachers: Mapping[str, Teacher], key: str) -> None:
    """Refuse a teacher that has no features for the perceptual term.

    Args:
        teachers: those of a model, by name, on one device.
        key: the entry of params.yaml with the model's loss, for the message.

    Raises:
        ParamsError: if one has none.
    """
    for name, teacher in teachers.items():
        if not teacher.layers:
            raise ParamsError(
                f"{key}.perceptual: {name} halves no resolution and has no features to compare; set it to 0, or "
                f"{key}.perceptual_network to vgg19"
            )
