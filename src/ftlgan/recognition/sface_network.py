"""SFace by torch, for a loss: the weights of `sface`, apart from it so that extraction starts without torch."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from onnx import numpy_helper
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from ftlgan.recognition.sface import DIMENSION, float_model

TAPS = (2, 6, 10, 22)
"""Blocks whose output a perceptual loss compares: the last ones at 112, 56, 28 and 14 pixels."""


class SFaceNetwork(nn.Module):
    """SFace as a frozen torch module, through which a gradient reaches the faces.

    Batch normalisation is folded into its neighbours and dropout is left out, so that nothing here has a mode:
    `train()` on a parent changes no output. The weights are buffers, not parameters, so that no optimiser and no
    `requires_grad_()` on a parent can move them, and they stay out of its `state_dict`: they belong to the package.
    """

    def __init__(self) -> None:
        super().__init__()
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in float_model().graph.initializer}
        blocks = [ConvolutionBlock(weights, "conv_1", stride=1)]
        for index in range(2, 15):
            blocks.append(ConvolutionBlock(weights, f"conv_{index}_dw", stride=2 if index in (3, 5, 7, 13) else 1))
            blocks.append(ConvolutionBlock(weights, f"conv_{index}", stride=1))
        self.blocks = nn.Sequential(*blocks)
        self.embedding = Embedding(weights)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Embed faces.

        Args:
            faces: RGB in [0, 1], aligned to the ArcFace template, float32, shape (N, 3, 112, 112).

        Returns:
            Embeddings of unit length, shape (N, 128).
        """
        return self.features(faces)[0]

    def features(self, faces: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Embed faces, and keep what the layers before each halving made of them.

        Args:
            faces: see `forward`.

        Returns:
            Embeddings of unit length, float32 (N, 128), and features, a (N, C, S, S) a layer.
        """
        x, kept = (faces * 255 - 127.5) / 128, list[torch.Tensor]()
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                kept.append(x)
        return functional.normalize(self.embedding(x).float()), kept  # x: (N, 1024, 7, 7)


class ConvolutionBlock(nn.Module):
    """Convolution and batch normalisation in one, then PReLU. A name that ends in `_dw` is depthwise."""

    kernel: torch.Tensor
    bias: torch.Tensor
    slope: torch.Tensor

    def __init__(self, weights: dict[str, np.ndarray], name: str, stride: int) -> None:
        super().__init__()
        scale, shift = _normalisation(weights, f"{name}_batchnorm", epsilon=1e-3)
        kernel = weights[f"{name}_conv2d_weight_reshaped"] * scale[:, None, None, None]
        _freeze(self, kernel=kernel, bias=shift, slope=weights[f"{name}_relu_gamma"].reshape(-1))
        self.stride = stride
        self.padding = kernel.shape[-1] // 2
        self.groups = len(kernel) if name.endswith("_dw") else 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride == 1:
            x = self._convolve(x)
        else:  # bfloat16 takes a CPU up to 50 times as long for the gradient of a depthwise convolution with a stride
            with _float32(x.device.type):
                x = self._convolve(x.float())
        return FrozenPReLU.apply(x, self.slope)  # pyright: ignore[reportReturnType] - untyped in torch

    def _convolve(self, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, self.kernel, self.bias, self.stride, self.padding, groups=self.groups)


def _float32(device: str) -> AbstractContextManager[object]:
    """Switch autocast off, where there is any."""
    available = torch.amp.autocast_mode.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


class FrozenPReLU(torch.autograd.Function):
    """PReLU whose slopes get no gradient: torch's own computes one all the same, and takes five times as long.

    The slope is 1 above 0 and `slope` below, so a gradient g becomes slope * g + (1 - slope) * relu'(x) * g.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) and slopes (C,) -> (N, C, H, W)."""
        slope = slope.to(x.dtype)
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient for the input; none for the slopes."""
        (gradient,), (x, slope) = gradients, ctx.saved_tensors
        slope = slope[:, None, None]
        positive_part = torch.ops.aten.threshold_backward(gradient, x, 0)
        return positive_part.mul_(1 - slope).addcmul_(gradient, slope), None


class Embedding(nn.Module):
    """Batch normalisation, fully connected layer and batch normalisation in one: (N, 1024, 7, 7) to (N, 128)."""

    matrix: torch.Tensor
    bias: torch.Tensor

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        scale_in, shift_in = _normalisation(weights, "bn1", epsilon=2e-5)
        scale_out, shift_out = _normalisation(weights, "fc1", epsilon=2e-5)
        matrix = weights["pre_fc1_weight_dequantized"].reshape(DIMENSION, len(scale_in), -1)  # (128, 1024, 7 * 7)
        bias = weights["pre_fc1_bias_dequantized"] + matrix.sum(axis=2, dtype=np.float64) @ shift_in
        matrix = matrix * scale_in[:, None] * scale_out[:, None, None]
        _freeze(self, matrix=matrix.reshape(DIMENSION, -1), bias=bias * scale_out + shift_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x.flatten(1), self.matrix, self.bias)


def _normalisation(weights: dict[str, np.ndarray], name: str, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Write a frozen batch normalisation as x * scale + shift, both float64 of shape (C,)."""
    mean, variance = weights[f"{name}_moving_mean"], weights[f"{name}_moving_var"].astype(np.float64)
    scale = weights[f"{name}_gamma"] / np.sqrt(variance + epsilon)
    return scale, weights[f"{name}_beta"] - mean * scale


def _freeze(module: nn.Module, **arrays: np.ndarray) -> None:
    """Give a module float32 buffers that follow it to a device and stay out of its `state_dict`."""
    for name, array in arrays.items():
        module.register_buffer(name, torch.tensor(array, dtype=torch.float32), persistent=False)
