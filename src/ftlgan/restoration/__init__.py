"""Methods that restore low-resolution faces: a file each, called by its name in `methods` of params.yaml."""

from pathlib import Path
from typing import Protocol, get_args

import numpy as np

from ftlgan.errors import ParamsError
from ftlgan.params import Method

NAMES: tuple[str, ...] = get_args(Method)


class Restorer(Protocol):
    """Turns low-resolution faces into faces of 112x112."""

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """Restore faces.

        Args:
            lr: uint8 RGB, (N, res, res, 3).

        Returns:
            uint8 RGB, (N, 112, 112, 3).
        """
        ...


def load(method: str, model: Path, res: int, device: str = "cpu") -> Restorer:
    """The restorer of a name.

    Args:
        method: its name.
        model: folder of the model that was trained here, for the methods that need one.
        res: width and height of the faces that it will be given, pixels.
        device: `cpu` or `cuda`.

    Raises:
        ParamsError: if there is no such method.
        WeightsError: if its weights are missing or belong to another `res`.
    """
    match method:
        case "bicubic":
            from ftlgan.restoration.bicubic import Bicubic

            return Bicubic()
        case "ftlgan":
            from ftlgan.restoration.ftlgan import Ftlgan

            return Ftlgan(model / "generator.safetensors", res, device)
        case _:
            raise ParamsError(f"methods: {method!r} is unknown: use one of {', '.join(NAMES)}")
