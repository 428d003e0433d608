"""Where networks run, and that they run the same twice."""

import os

import torch

from ftlgan.errors import ParamsError


def prepare_device(device: str, seed: int) -> None:
    """Seed torch, and make it refuse what would not repeat.

    Raises:
        ParamsError: if the device is a GPU that is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ParamsError("train.device: 'cuda', but torch finds no GPU here; set it to cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, CUDA's matrix products don't repeat
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
