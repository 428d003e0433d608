"""torchvision's networks trained on ImageNet. Their weights are for research only, and are not part of this project.

You download them yourself, into torchvision's folder. Nothing is downloaded here.
"""

from pathlib import Path

import torch

from ftlgan.errors import WeightsError
from ftlgan.weights.packaged import sha256_of


def imagenet_weights(address: str, sha256: str, needed_by: str, otherwise: str) -> Path:
    """Find the weights of a network in torchvision's folder, and check their digest.

    Args:
        address: torchvision's URL of the file.
        sha256: expected digest, 64 hexadecimal digits.
        needed_by: the param that needs the weights, for the message.
        otherwise: a value of that param that does not need them, for the message.

    Returns:
        The path of the file, the same that torchvision loads.

    Raises:
        WeightsError: if the file is missing or has another digest.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not path.is_file():
        raise WeightsError(
            f"{path}: is missing, but {needed_by} needs it; download {address} there (its SHA-256 is {sha256}), or set "
            f"the param to {otherwise}"
        )
    found = sha256_of(path)
    if found != sha256:
        raise WeightsError(f"{path}: has SHA-256 {found}, expected {sha256}; delete it and download {address} there")
    return path
