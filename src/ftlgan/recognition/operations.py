"""ONNX's operations in torch: a function each, whose keywords are the operation's attributes.

Those that recognizers need, as versions 11 and later define them (github.com/onnx/onnx, docs/Operators.md). A constant
that is a number or holds integers, such as axes, is a Python number or list: no operation waits for a GPU.
"""

import operator
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from ftlgan.recognition.graph import SCALE_SHIFT

Operation = Callable[..., Tensor | Sequence[Tensor]]
"""Inputs by place, None for an optional one that is not given, and attributes by name -> one output or several."""


def convolution(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    kernel_shape: Sequence[int] = (),
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    auto_pad: bytes = b"NOTSET",
) -> Tensor:
    if auto_pad != b"NOTSET":
        raise NotImplementedError(f"auto_pad {auto_pad.decode()}")
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
    if group == 1 or max(strides) == 1:
        return functional.conv2d(x, kernel, bias, strides, (top, left), dilations, group)
    with without_autocast(x.device.type):  # bfloat16 takes a CPU up to 50 times as long for the gradient
        return functional.conv2d(x.to(kernel.dtype), kernel, bias, strides, (top, left), dilations, group)


def without_autocast(device: str) -> AbstractContextManager[object]:
    """Switch autocast off, where there is any."""
    available = torch.amp.autocast_mode.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    shape = (-1, *(1,) * (x.ndim - 2))
    return torch.addcmul(shift.to(x.dtype).view(shape), x, scale.to(x.dtype).view(shape))


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    shape = (*(1,) * (x.ndim - slope.ndim), *slope.shape)
    if slope.numel() != shape[1]:
        raise NotImplementedError(f"slopes of shape {list(slope.shape)} for {list(x.shape)}, not one a channel")
    return FrozenPReLU.apply(x, slope.flatten().expand(x.shape[1]))  # pyright: ignore[reportReturnType] - untyped


class FrozenPReLU(torch.autograd.Function):
    """PReLU whose slopes get no gradient: torch's own computes one all the same, and takes five times as long.

    The slope is 1 above 0 and `slope` below, so a gradient g becomes slope * g + (1 - slope) * relu'(x) * g.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, slope: Tensor) -> Tensor:
        """(N, C, ...) and slopes (C,) -> (N, C, ...)."""
        slope = slope.to(x.dtype)
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The gradient for the input; none for the slopes."""
        (gradient,), (x, slope) = gradients, ctx.saved_tensors
        slope = slope.view(-1, *(1,) * (x.ndim - 2))
        positive_part = torch.ops.aten.threshold_backward(gradient, x, 0)
        return positive_part.mul_(1 - slope).addcmul_(gradient, slope), None


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX's name
    transB: int = 0,  # noqa: N803 - ONNX's name
) -> Tensor:
    if transA or alpha != 1 or beta != 1:
        raise NotImplementedError("more than a matrix product and a sum")
    return functional.linear(a, b if transB else b.T, c)


def reshape(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    return x.reshape(*shape)


def transpose(x: Tensor, *, perm: Sequence[int]) -> Tensor:
    return x.permute(*perm)


def concat(*tensors: Tensor, axis: int) -> Tensor:
    """Concatenate. A batch of 1 among larger ones, such as a token that is the same for each face, is repeated."""
    (batch,) = torch.broadcast_shapes(*(x.shape[:1] for x in tensors))
    return torch.cat([x.expand(batch, *x.shape[1:]) for x in tensors], axis)


def split(
    x: Tensor, sizes: list[int] | None = None, *, axis: int = 0, split: list[int] | None = None, num_outputs: int = 0
) -> Sequence[Tensor]:
    chosen = sizes or split or -(-x.shape[axis] // num_outputs)
    return x.split(chosen, axis)


def slice_(
    x: Tensor, starts: list[int], ends: list[int], axes: list[int] | None = None, steps: list[int] | None = None
) -> Tensor:
    index = [slice(None)] * x.ndim
    for axis, *bounds in zip(axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True):
        index[axis] = slice(*bounds)
    return x[tuple(index)]


def gather(x: Tensor, index: int, *, axis: int = 0) -> Tensor:
    return x.select(axis, index)


def expand(x: Tensor, shape: list[int]) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, shape))


def reduction(function: Callable[..., Tensor]) -> Operation:
    """Reduce along axes, an input in later versions and an attribute in earlier ones."""

    def reduced(
        x: Tensor,
        chosen: list[int] | None = None,
        *,
        axes: list[int] | None = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Tensor:
        dims = chosen or axes
        if not dims:
            raise NotImplementedError("along all axes")
        return function(x, dim=dims, keepdim=bool(keepdims))

    return reduced


def subsample(x: Tensor, *, kernel_shape: Sequence[int], strides: Sequence[int], **attributes: Any) -> Tensor:
    """Pool with a kernel of 1x1, as shortcuts of residual networks do; a larger one's gradient would not repeat."""
    if max(kernel_shape) > 1 or any(attributes.get("pads", ())):
        raise NotImplementedError(f"kernel {list(kernel_shape)}, not [1, 1] without padding")
    return x[:, :, :: strides[0], :: strides[1]]


def softmax(x: Tensor, *, axis: int) -> Tensor:
    if axis not in (-1, x.ndim - 1):  # before version 13 it was along all axes from this one on
        raise NotImplementedError(f"axis {axis} of {x.ndim}, not the last")
    return x.softmax(-1)


def layer_normalization(
    x: Tensor, scale: Tensor, shift: Tensor | None = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Tensor:
    return functional.layer_norm(x, x.shape[axis:], scale, shift, epsilon)


def gelu(x: Tensor, *, approximate: bytes = b"none") -> Tensor:
    return functional.gelu(x, approximate=approximate.decode())


OPERATIONS: dict[str, Operation] = {
    SCALE_SHIFT: scale_shift,
    "Add": operator.add,
    "Clip": torch.clamp,
    "Concat": concat,
    "Conv": convolution,
    "Div": operator.truediv,
    "Erf": torch.erf,
    "Expand": expand,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": partial(torch.mean, dim=(2, 3), keepdim=True),
    "LayerNormalization": layer_normalization,
    "MatMul": torch.matmul,
    "MaxPool": subsample,
    "Mul": operator.mul,
    "PRelu": prelu,
    "Pow": operator.pow,
    "ReduceL2": reduction(torch.linalg.vector_norm),
    "ReduceMean": reduction(torch.mean),
    "Relu": torch.relu,
    "Reshape": reshape,
    "Sigmoid": torch.sigmoid,
    "Slice": slice_,
    "Softmax": softmax,
    "Split": split,
    "Sqrt": torch.sqrt,
    "Sub": operator.sub,
    "Transpose": transpose,
}
"""By ONNX's name."""
