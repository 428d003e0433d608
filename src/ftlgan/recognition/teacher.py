"""Loads recognizers by name, for a loss. Separate from `recognizers`, so that a new judge makes no training stale."""

from collections.abc import Mapping
from typing import Protocol, Self

from torch import Tensor

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, RecognizerFile
from ftlgan.params.values import NOT_DIFFERENTIABLE


class Teacher(Protocol):
    """A frozen recognizer that passes gradients to the faces: RGB in [0, 1], (N, 3, 112, 112)."""

    @property
    def layers(self) -> int:
        """The number of layers whose features `features` returns."""
        ...

    def __call__(self, faces: Tensor, /) -> Tensor:
        """Return unit embeddings, float32 (N, D)."""
        ...

    def features(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return unit embeddings, float32 (N, D), and the features of some layers."""
        ...

    def to(self, device: str, /) -> Self:
        """Move to a device."""
        ...


def load(name: str, file: RecognizerFile | None = None) -> Teacher:
    """Load a recognizer for a loss. It has the weights of `recognizers.load(name, file)`, and is differentiable.

    Args:
        name: its name in params.yaml.
        file: its entry in `recognizers`; None for a built-in recognizer.

    Returns:
        A module from RGB in [0, 1], float32, shape (N, 3, 112, 112), to embeddings of unit length, shape (N, D).

    Raises:
        DataError: if its weights can't be downloaded.
        ParamsError: if it is not differentiable, or has no file and is not built in.
        WeightsError: if its weights are missing, corrupted, not those of a recognizer, or need an unknown operation.
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
        f"recognizer {name!r} has no differentiable form, which a loss needs: use one of {allowed}, or give a file in "
        "recognizers"
    )


def check_features(teachers: Mapping[str, Teacher], key: str) -> None:
    """Refuse a teacher that has no features for the perceptual term.

    Args:
        teachers: the teachers of a model by name.
        key: the entry of params.yaml with the model's loss, for the message.

    Raises:
        ParamsError: if a teacher has no features.
    """
    for name, teacher in teachers.items():
        if not teacher.layers:
            raise ParamsError(
                f"{key}.perceptual: {name} halves no resolution and so has no features to compare; set it to 0, or "
                f"{key}.perceptual_network to vgg19"
            )
