"""The ONNX operations that recognizers need, in torch: one function each, whose keywords are the ONNX attributes.

They follow versions 11 and later (github.com/onnx/onnx, docs/Operators.md). A constant that is a number or contains
integers, such as axes, is a Python number or list, so that no operation waits for a GPU.
"""

import math
import operator
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from ftlgan.recognition.graph import SCALE_SHIFT

Operation = Callable[..., Tensor | Sequence[Tensor]]
"""Inputs by position (None for an optional input not given) and attributes by name -> one output or several."""


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
    top, left, bottom, right = padding(x, kernel.shape[2:], strides, pads, dilations, auto_pad)
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
    if group == 1 or max(strides) == 1:
        return functional.conv2d(x, kernel, bias, strides, (top, left), dilations, group)
    with without_autocast(x.device.type):  # bfloat16 takes a CPU up to 50 times as long for the gradient
        return functional.conv2d(x.to(kernel.dtype), kernel, bias, strides, (top, left), dilations, group)


def padding(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int] = (1, 1),
    auto_pad: bytes = b"NOTSET",
) -> tuple[int, int, int, int]:
    """Return the padding of `x` above, left, below and right."""
    if auto_pad == b"VALID":
        return 0, 0, 0, 0
    if auto_pad == b"NOTSET":
        top, left, bottom, right = pads
        return top, left, bottom, right
    before: list[int] = []
    after: list[int] = []
    for size, side, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (side - 1) * dilation + 1 - size)
        smaller, larger = total // 2, total - total // 2
        before.append(smaller if auto_pad == b"SAME_UPPER" else larger)
        after.append(larger if auto_pad == b"SAME_UPPER" else smaller)
    return before[0], before[1], after[0], after[1]


def without_autocast(device: str) -> AbstractContextManager[object]:
    """Return a context that switches autocast off, if the device has it."""
    available = torch.amp.autocast_mode.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    shape = (-1, *(1,) * (x.ndim - 2))
    return torch.addcmul(shift.to(x.dtype).view(shape), x, scale.to(x.dtype).view(shape))


def prelu(x: Tensor, slope: Tensor | float) -> Tensor:
    if not isinstance(slope, Tensor):
        return leaky_relu(x, alpha=slope)
    shape = (*(1,) * (x.ndim - slope.ndim), *slope.shape)
    if slope.numel() not in (1, shape[1]):
        raise NotImplementedError(f"slopes of shape {list(slope.shape)} for {list(x.shape)}, not one per channel")
    return FrozenPReLU.apply(x, slope.flatten().expand(x.shape[1]))  # pyright: ignore[reportReturnType] - untyped


class FrozenPReLU(torch.autograd.Function):
    """PReLU without a gradient for its slopes. torch's PReLU always computes one, and takes five times as long.

    The slope is 1 above 0 and `slope` below, so a gradient g becomes slope * g + (1 - slope) * relu'(x) * g.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, slope: Tensor) -> Tensor:
        """Apply slopes (C,) to (N, C, ...)."""
        slope = slope.to(x.dtype)
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the input, and None for the slopes."""
        (gradient,), (x, slope) = gradients, ctx.saved_tensors
        slope = slope.view(-1, *(1,) * (x.ndim - 2))
        positive_part = torch.ops.aten.threshold_backward(gradient, x, 0)
        return positive_part.mul_(1 - slope).addcmul_(gradient, slope), None


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | float | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX's name
    transB: int = 0,  # noqa: N803 - ONNX's name
) -> Tensor:
    if not transA and alpha == beta == 1 and isinstance(c, Tensor | None) and (c is None or c.ndim == 1):
        return functional.linear(a, b if transB else b.T, c)
    product = alpha * ((a.T if transA else a) @ (b.T if transB else b))
    return product if c is None else product + beta * c


def reshape(x: Tensor, *, shape: Sequence[int]) -> Tensor:
    return x.reshape(*shape)


def transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(*(perm or range(x.ndim)[::-1]))


def concat(*tensors: Tensor, axis: int) -> Tensor:
    """Concatenate. A batch of 1, such as a token that all faces share, is repeated to match the others."""
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
    for axis, *bounds in zip(axes or range(len(starts)), starts, ends, steps or [1] * len(starts), strict=True):
        kept = range(x.shape[axis])[slice(*bounds)]
        backwards = kept.step < 0
        kept = kept[::-1] if backwards else kept
        index = [slice(None)] * x.ndim
        index[axis] = slice(kept.start, kept.stop, kept.step)
        x = x[tuple(index)].flip(axis) if backwards else x[tuple(index)]
    return x


def gather(x: Tensor, index: int | list[Any], *, axis: int = 0) -> Tensor:
    """Take one or several positions along an axis. torch's own indexing has a nondeterministic gradient."""
    if isinstance(index, int):
        return x.select(axis, index)
    if not all(isinstance(place, int) for place in index):
        raise NotImplementedError("by a table of indices")
    return torch.stack([x.select(axis, place) for place in index], axis)


def expand(x: Tensor, shape: list[int]) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, shape))


def reduction(function: Callable[..., Tensor]) -> Operation:
    """Return a reduction along axes, which are an input in later versions and an attribute in earlier ones."""

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


def max_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    storage_order: int = 0,
) -> Tensor:
    """Pool by a maximum over shifted images. Its gradient is deterministic on a GPU, unlike that of torch's pooling."""
    if max(kernel_shape) == 1 and not any(pads):
        return x[:, :, :: strides[0], :: strides[1]]
    if max(dilations) > 1 or ceil_mode:
        raise NotImplementedError("with dilations, or rounded up")
    top, left, bottom, right = padding(x, kernel_shape, strides, pads, auto_pad=auto_pad)
    x = functional.pad(x, (left, right, top, bottom), value=-math.inf)
    height, width = (size - side + 1 for size, side in zip(x.shape[2:], kernel_shape, strict=True))
    windows = [
        x[:, :, row : row + height : strides[0], column : column + width : strides[1]]
        for row in range(kernel_shape[0])
        for column in range(kernel_shape[1])
    ]
    return reduce(torch.maximum, windows)


def average_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    auto_pad: bytes = b"NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Tensor:
    top, left, bottom, right = padding(x, kernel_shape, strides, pads, auto_pad=auto_pad)
    if (top, left) != (bottom, right) or max(dilations) > 1 or ceil_mode:
        raise NotImplementedError("padded on one side, with dilations, or rounded up")
    return functional.avg_pool2d(
        x, tuple(kernel_shape), tuple(strides), (top, left), count_include_pad=bool(count_include_pad)
    )


def pad(
    x: Tensor, pads: list[int], value: float | None = None, axes: list[int] | None = None, *, mode: bytes = b"constant"
) -> Tensor:
    if mode != b"constant" or axes is not None:
        raise NotImplementedError(f"mode {mode.decode()}" if axes is None else "of some axes")
    sides = [side for before, after in zip(pads[: x.ndim], pads[x.ndim :], strict=True) for side in (after, before)]
    return functional.pad(x, sides[::-1], value=value or 0.0)


def clip(
    x: Tensor,
    low: float | Tensor | None = None,
    high: float | Tensor | None = None,
    *,
    min: float | None = None,
    max: float | None = None,
) -> Tensor:
    """Clip to bounds, which are inputs in later versions and attributes in earlier ones. Both are optional."""
    low, high = min if low is None else low, max if high is None else high
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        raise NotImplementedError("bounds that are not constant numbers")
    return x if low is None and high is None else x.clamp(low, high)


def add_all(*terms: Tensor) -> Tensor:
    return reduce(operator.add, terms)


def leaky_relu(x: Tensor, *, alpha: float = 0.01) -> Tensor:
    return functional.leaky_relu(x, alpha)


def hard_sigmoid(x: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


def hard_swish(x: Tensor) -> Tensor:
    return x * hard_sigmoid(x, alpha=1 / 6)


def lp_normalization(x: Tensor, *, axis: int = -1, p: int = 2) -> Tensor:
    return x / torch.linalg.vector_norm(x, p, dim=axis, keepdim=True)


def softmax(x: Tensor, *, axis: int) -> Tensor:
    if axis not in (-1, x.ndim - 1):  # before version 13, it ran over all axes from this one on
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
    "AveragePool": average_pool,
    "Clip": clip,
    "Concat": concat,
    "Conv": convolution,
    "Div": operator.truediv,
    "Erf": torch.erf,
    "Expand": expand,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": partial(torch.mean, dim=(2, 3), keepdim=True),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "LayerNormalization": layer_normalization,
    "LeakyRelu": leaky_relu,
    "LpNormalization": lp_normalization,
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "Mul": operator.mul,
    "Neg": torch.neg,
    "Pad": pad,
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
    "Sum": add_all,
    "Tanh": torch.tanh,
    "Transpose": transpose,
}
"""The functions by ONNX name."""
