"""Networks of torchvision trained on ImageNet. Their weights are for research only and do not come with this project.

You download them yourself, into the folder where torchvision keeps them. Nothing is downloaded here.
"""

from pathlib import Path

import torch

from ftlgan.errors import WeightsError
from ftlgan.weights.packaged import sha256_of


def imagenet_weights(address: str, sha256: str, needed_by: str, otherwise: str) -> Path:
    """Find the weights of a network where torchvision keeps them, and check their bytes.

    Args:
        address: torchvision's URL of the file.
        sha256: the expected digest, 64 hexadecimal digits.
        needed_by: the param that asks for the weights, for the message.
        otherwise: the value of that param that needs no weights, for the message.

    Returns:
        The path of the file, which is the one that torchvision loads.

    Raises:
        WeightsError: if the file is missing or has another digest.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not path.is_file():
        raise WeightsError(
            f"{path}: is missing, which {needed_by} needs; download {address} there (its SHA-256 is {sha256}), or set "
            f"it to {otherwise}"
        )
    found = sha256_of(path)
    if found != sha256:
        raise WeightsError(f"{path}: has SHA-256 {found}, expected {sha256}; delete it and download {address} there")
    return path
