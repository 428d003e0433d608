"""The device and precision of networks, and settings that make their results repeatable."""

import os
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TypeVar

import torch
from torch import Tensor, nn

from ftlgan.errors import DataError, ParamsError
from ftlgan.params import Precision

Result = TypeVar("Result", Tensor, tuple[Tensor, list[Tensor]])


def prepare_device(device: str, seed: int, devices: int = 1, precision: Precision = "float32") -> None:
    """Seed torch, set the precision, and make torch refuse nondeterministic operations.

    Raises:
        ParamsError: if there are fewer GPUs than `devices`, or the packages of requirements-gpu.lock are missing.
    """
    found = torch.cuda.device_count()
    if device == "cuda" and found < devices:
        gpus = "no GPU" if not found else f"{found} GPU{'s' if found > 1 else ''}"
        raise ParamsError(
            f"train.device: 'cuda', but torch finds {gpus} here; set it to cpu"
            if devices == 1
            else f"train.devices: {devices}, but torch finds {gpus} here; lower it"
        )
    if device == "cuda" and sys.platform == "linux" and find_spec("triton") is None:
        raise ParamsError(
            "train.device: 'cuda', but torch's packages for a GPU are missing; install them with "
            "`uv pip install --no-deps --require-hashes -r requirements-gpu.lock`, or set it to cpu"
        )
    # TF32 has 10-bit mantissas instead of 23. Set it explicitly: the libraries' defaults differ.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # otherwise CUDA's matrix products don't repeat
    torch.backends.cudnn.benchmark = False  # it would choose algorithms by timing them
    torch.set_deterministic_debug_mode("error")  # `prepare_compiler` sets the rest for the compiler
    # By default, torch then fills every uninitialized tensor, which costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.manual_seed(seed)


def prepare_compiler() -> None:
    """Make `torch.compile` deterministic, and check for the C++ compiler that it needs.

    Raises:
        ParamsError: if there is no C++ compiler.
    """
    named = os.environ.get("CXX")
    if not any(map(shutil.which, [named] if named else ["g++", "clang++", "c++"])):
        raise ParamsError(
            f"train.compile: true needs a C++ compiler, but {named or 'g++'} is missing; install it, or set it to false"
        )
    torch.use_deterministic_algorithms(True)  # takes seconds, because it imports the compiler


def autocast(device: str, precision: Precision, *, cached: bool = True) -> AbstractContextManager[object]:
    """Return a context that runs suitable operations in bfloat16 if that is the precision, and else changes nothing.

    Args:
        device: the device, e.g. `cpu` or `cuda:0`.
        precision: the precision of the training.
        cached: keep converted weights until the block ends.
    """
    enabled = precision == "bfloat16"
    return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=enabled, cache_enabled=cached)


def cuda_graphed(
    function: Callable[[Tensor], Result], like: Tensor, precision: Precision
) -> Callable[[Tensor], Result]:
    """Record a function's kernels, forward and backward, as CUDA graphs that the GPU replays with one launch.

    On small faces, the kernels of a deep network take longer to launch one by one than to run.

    Args:
        function: a network, whose weights get their gradients, or any other function; not differentiable twice.
        like: an example input, (N, 3, H, W) on the GPU, with `requires_grad` as in later calls. Calls must have the
            same shape, which is not checked.
        precision: precision of its arithmetic, in any context.

    Returns:
        The same function, for training on the GPU. Its next call overwrites its result.
    """
    # Recording replaces the `forward` of a module. Wrap the network, so that its own `forward` stays.
    recorded = nn.Sequential(function) if isinstance(function, nn.Module) else function
    # Gradients come from the recording's stream. torch waits for it, and would log a warning.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with autocast("cuda", precision, cached=False):
        return torch.cuda.make_graphed_callables(recorded, (like,))  # pyright: ignore[reportReturnType]


@contextmanager
def enough_memory() -> Generator[None]:
    """Turn torch's error about full GPU memory into one line.

    Raises:
        DataError: instead of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise DataError("train: the GPU's memory is full; lower train.batch") from None
