"""Networks of torchvision trained on ImageNet, which is for research: their weights are not of this project.

They are used where the user has put them, in the folder in which torchvision keeps them, and read as tensors alone.
"""

from pathlib import Path

import torch
from torch import Tensor

from ftlgan.errors import WeightsError
from ftlgan.weights import sha256_of


def load_imagenet(address: str, needed_by: str, otherwise: str) -> dict[str, Tensor]:
    """The weights of a network by torchvision's names.

    Args:
        address: torchvision's, whose last part ends in `-` and the beginning of the file's SHA-256.
        needed_by: the param that asks for them.
        otherwise: the value by which that param does without.

    Raises:
        WeightsError: if they are not where torchvision keeps them, or are others.
    """
    name = address.rpartition("/")[2]
    digest = name.removesuffix(".pth").rpartition("-")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise WeightsError(
            f"{path}: is missing, which {needed_by} needs; download {address} there (its SHA-256 begins with "
            f"{digest}), or set it to {otherwise}"
        )
    if not sha256_of(path).startswith(digest):
        raise WeightsError(f"{path}: its SHA-256 does not begin with {digest}; delete it and download {address} there")
    return torch.load(path, map_location="cpu", weights_only=True)
