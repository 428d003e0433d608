"""Where networks run, and that they run the same twice."""

import os
import shutil
from contextlib import AbstractContextManager

import torch

from ftlgan.errors import ParamsError
from ftlgan.params import Precision


def prepare_device(device: str, seed: int, devices: int = 1, precision: Precision = "float32") -> None:
    """Seed torch, set the precision, and make torch refuse what would not repeat.

    Raises:
        ParamsError: if there are not so many GPUs.
    """
    found = torch.cuda.device_count()
    if device == "cuda" and found < devices:
        there = "no GPU" if not found else f"{found} GPU{'s' if found > 1 else ''}"
        raise ParamsError(
            f"train.device: 'cuda', but torch finds {there} here; set it to cpu"
            if devices == 1
            else f"train.devices: {devices}, but torch finds {there} here; lower it"
        )
    # Matrix products and convolutions of 10-bit mantissas, or of 23: never whatever the library's default is.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, CUDA's matrix products don't repeat
    torch.backends.cudnn.benchmark = False  # it would choose algorithms by the clock
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def require_compiler() -> None:
    """Look for the C++ compiler that `torch.compile` needs.

    Raises:
        ParamsError: if there is none.
    """
    named = os.environ.get("CXX")
    if not any(map(shutil.which, [named] if named else ["g++", "clang++", "c++"])):
        raise ParamsError(
            f"train.compile: true needs a C++ compiler and {named or 'g++'} is not here; install it or set it to false"
        )


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """Compute in bfloat16 what bears it, where that is the precision."""
    return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=precision == "bfloat16")
