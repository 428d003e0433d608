"""BasicSR's RRDBNet with the weights of ncnn's file, read by nothing but numpy: the other side of the parity test."""

import numpy as np
import torch
from spandrel.architectures.ESRGAN import ESRGAN

from ftlgan.restoration.realesrgan import BIN_SHA256, FILES, PACKAGE
from ftlgan.weights.packaged import packaged

HALF_PRECISION = 0x01306B47
"""The tag with which ncnn says that the weights which follow are float16; biases are float32."""


def from_ncnn() -> torch.nn.Module:
    """ncnn's file holds the convolutions in the order of the forward pass, weights before biases."""
    content = packaged(PACKAGE, f"{FILES}.bin", BIN_SHA256).read_bytes()
    network = ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4)
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    offset = 0
    for convolution in convolutions:
        (tag,) = np.frombuffer(content, np.uint32, 1, offset)
        assert tag == HALF_PRECISION
        assert convolution.bias is not None
        weight, bias = convolution.weight.data, convolution.bias.data
        weight.copy_(torch.tensor(np.frombuffer(content, np.float16, weight.numel(), offset + 4)).view_as(weight))
        offset += 4 + 2 * weight.numel()
        bias.copy_(torch.tensor(np.frombuffer(content, np.float32, len(bias), offset)))
        offset += 4 * len(bias)
    assert offset == len(content), "every byte is used"
    return network.eval().requires_grad_(False)
