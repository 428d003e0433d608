"""Where networks run, and that they run the same twice."""

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
    """Seed torch, set the precision, and make torch refuse what would not repeat.

    Raises:
        ParamsError: if there are not so many GPUs, or the packages of requirements-gpu.lock are missing.
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
    # Matrix products and convolutions of 10-bit mantissas, or of 23: never whatever the library's default is.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, CUDA's matrix products don't repeat
    torch.backends.cudnn.benchmark = False  # it would choose algorithms by the clock
    torch.set_deterministic_debug_mode("error")  # what it does not set for the compiler is in `prepare_compiler`
    # Else torch fills every new tensor before it is written to, in case that it is not.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.manual_seed(seed)


def prepare_compiler() -> None:
    """Make `torch.compile` choose what repeats, and look for the C++ compiler that it needs.

    Raises:
        ParamsError: if there is none.
    """
    named = os.environ.get("CXX")
    if not any(map(shutil.which, [named] if named else ["g++", "clang++", "c++"])):
        raise ParamsError(
            f"train.compile: true needs a C++ compiler and {named or 'g++'} is not here; install it or set it to false"
        )
    torch.use_deterministic_algorithms(True)  # takes seconds: it imports the compiler


def autocast(device: str, precision: Precision, *, cached: bool = True) -> AbstractContextManager[object]:
    """Compute in bfloat16 what bears it, where that is the precision.

    Args:
        cached: keep the weights that were converted until the block ends.
    """
    enabled = precision == "bfloat16"
    return torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=enabled, cache_enabled=cached)


def cuda_graphed(
    function: Callable[[Tensor], Result], like: Tensor, precision: Precision
) -> Callable[[Tensor], Result]:
    """Let a GPU replay as one what a function starts on it kernel by kernel, forward and backward.

    Small faces are small work: one by one, the kernels of a deep network take longer to start than to run.

    Args:
        function: a network, whose weights get their gradients, or any other function; not differentiable twice.
        like: what it will be called with, (N, 3, H, W) on the GPU, as to shape and whether a gradient is wanted for
            it. The shape is not checked.
        precision: of its arithmetic, whatever it is called in.

    Returns:
        The same function, for training on the GPU. What it returns is overwritten by its next call.
    """
    # The recording replaces the `forward` of a module. Here it is a module around the network, which stays as it is.
    recorded = nn.Sequential(function) if isinstance(function, nn.Module) else function
    # Gradients come from the stream of the recording: torch waits for it, and would warn of that.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    with autocast("cuda", precision, cached=False):
        return torch.cuda.make_graphed_callables(recorded, (like,))  # pyright: ignore[reportReturnType]


@contextmanager
def enough_memory() -> Generator[None]:
    """Say in one line that the memory of the GPU is full.

    Raises:
        DataError: in place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise DataError("train: the GPU's memory is full; lower train.batch") from None
