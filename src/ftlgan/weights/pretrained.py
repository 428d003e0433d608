"""Networks that others have trained: their official .pth files are found, checked, and read as nothing but tensors.

A .pth file is a pickle, which may hold code. Torch's reader for weights alone refuses it, and spandrel, which knows the
networks, is handed tensors.
"""

import pickle
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError, canonicalize_state_dict
from torch import nn

from ftlgan.errors import WeightsError, writing
from ftlgan.params import PretrainedWeights
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.download import fetch
from ftlgan.weights.packaged import sha256_of


def load_pretrained(method: str, weights: PretrainedWeights, architecture: str, scale: int, device: str) -> nn.Module:
    """Build the network of a .pth file, ready for inference.

    Args:
        method: whose weights they are, for messages.
        weights: path or address, and digest.
        architecture: spandrel's name of the network that the method needs, e.g. `ESRGAN`.
        scale: how much larger than its input that network's output is.
        device: `cpu` or `cuda`.

    Raises:
        DataError: if the file can't be downloaded.
        WeightsError: if it is missing, has another digest, is no file of weights, or is of another network.
    """
    path = _find(method, weights)
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        model = MAIN_REGISTRY.load(canonicalize_state_dict(state))
    except (pickle.UnpicklingError, EOFError, OSError):
        raise WeightsError(
            f"{path}: is no file of weights alone: it is damaged or holds code, which was not run; get the official one"
        ) from None
    except (UnsupportedModelError, AttributeError, RuntimeError, TypeError, KeyError, ValueError):
        raise WeightsError(f"{path}: holds no network that spandrel knows, but {method} needs {architecture}") from None
    found = model.architecture.id
    if found != architecture or not isinstance(model, ImageModelDescriptor) or model.scale != scale:
        raise WeightsError(f"{path}: holds {found} x{model.scale}, but {method} needs {architecture} x{scale}")
    return model.model.to(torch.device(device)).eval().requires_grad_(False)


def _find(method: str, weights: PretrainedWeights) -> Path:
    """The file of the weights, downloaded once a user if it is an address, with the right digest."""
    if weights.is_address:
        folder = cache_folder("weights")
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):  # two pipelines may want it at once
            path = folder / weights.file.rpartition("/")[2]
            return fetch(weights.file, path, weights.sha256, f"take {method} out of methods")
    path = Path(weights.file)
    if not path.is_file():
        raise WeightsError(
            f"weights.{method}.file: {path}: there is no such file; it should have SHA-256 {weights.sha256}; put it "
            f"there, or take {method} out of methods"
        )
    found = sha256_of(path)
    if found != weights.sha256:
        raise WeightsError(
            f"{path}: has SHA-256 {found}, expected {weights.sha256}; get it anew, or set weights.{method}.sha256 if "
            "it is another file on purpose"
        )
    return path
