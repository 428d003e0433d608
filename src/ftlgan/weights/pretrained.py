"""Pretrained networks: finds and checks their official .pth files, and reads only tensors from them.

A .pth file is a pickle, which may contain code. torch's `weights_only` refuses code, and spandrel, which builds the
networks, receives only tensors.
"""

import pickle
from typing import Any

import torch
from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError, canonicalize_state_dict
from torch import nn

from ftlgan.errors import WeightsError
from ftlgan.params import PretrainedWeights
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.lookup import find_weights


def load_pretrained(method: str, weights: PretrainedWeights, architecture: str, scale: int, device: str) -> nn.Module:
    """Build the network of a .pth file, ready for inference.

    Args:
        method: name of the method, for messages.
        weights: path or URL, and digest.
        architecture: spandrel's name of the network that the method needs, e.g. `ESRGAN`.
        scale: size of the network's output relative to its input.
        device: `cpu` or `cuda`.

    Raises:
        DataError: if the file can't be downloaded.
        WeightsError: if it is missing, has another digest, is not a file of weights, or is for another network.
    """
    cached = cache_folder("weights") / weights.file.rpartition("/")[2]
    path = find_weights(f"weights.{method}", weights.file, weights.sha256, cached, f"remove {method} from methods")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        model = MAIN_REGISTRY.load(canonicalize_state_dict(state))
    except (pickle.UnpicklingError, EOFError, OSError):
        raise WeightsError(f"{path}: is damaged, or contains code, which was not run; get the official file") from None
    except (UnsupportedModelError, AttributeError, RuntimeError, TypeError, KeyError, ValueError):
        raise WeightsError(f"{path}: has no network that spandrel knows, but {method} needs {architecture}") from None
    found = model.architecture.id
    if found != architecture or not isinstance(model, ImageModelDescriptor) or model.scale != scale:
        raise WeightsError(f"{path}: has {found} x{model.scale}, but {method} needs {architecture} x{scale}")
    return model.model.to(torch.device(device)).eval().requires_grad_(False)
