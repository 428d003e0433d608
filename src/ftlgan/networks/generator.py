"""The generator: a residual-in-residual dense trunk at the low resolution, then sub-pixel upsampling to 112x112.

Sources: Wang et al., "ESRGAN" (2018) for RRDB and residual scaling; Shi et al., "Real-time single image and video
super-resolution using an efficient sub-pixel convolutional neural network" (2016). The paper (Pulgar and Mery) leaves
the network open: this one, and its bicubic skip, are our choice. The skip makes an untrained network equal bicubic
interpolation, so that training starts from the baseline that it has to beat.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch users know
from torch import Tensor, nn

from ftlgan import params
from ftlgan.faces import HR

RESIDUAL_SCALE = 0.2
"""ESRGAN: residuals are scaled down before they are added, which keeps deep trunks stable."""

PRESETS = {
    "small": {"features": 48, "blocks": 2, "growth": 24},  # 1 million weights: two CPU cores train it in minutes
    "paper": {"features": 64, "blocks": 23, "growth": 32},  # ESRGAN's trunk, 17 million: for a GPU
}
"""Sizes by name."""


def generator_size(config: params.Generator) -> dict[str, int]:
    """Return the arguments of `Generator`: the preset's, unless the config gives a number of its own."""
    own = {"features": config.features, "blocks": config.blocks, "growth": config.growth}
    return {**PRESETS[config.preset], **{name: value for name, value in own.items() if value is not None}}


class DenseBlock(nn.Module):
    """Five 3x3 convolutions, each of which sees the input and all earlier results."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        inputs = [features + i * growth for i in range(5)]
        outputs = [growth] * 4 + [features]
        self.convs = nn.ModuleList(_conv(i, o, gain=0.1) for i, o in zip(inputs, outputs, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        for conv in list(self.convs)[:-1]:
            seen.append(_activate(conv(torch.cat(seen, dim=1))))
        return x + RESIDUAL_SCALE * self.convs[-1](torch.cat(seen, dim=1))


class RRDB(nn.Module):
    """Residual in residual dense block: three dense blocks around one more skip."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.blocks(x)


class Generator(nn.Module):
    """LR face -> HR face.

    Args:
        res: width and height of the input, pixels; 112 / res is a power of two.
        features: channels of the trunk.
        blocks: number of RRDBs.
        growth: channels that each dense layer adds.
    """

    def __init__(self, res: int, features: int, blocks: int, growth: int) -> None:
        super().__init__()
        stages = int(math.log2(HR // res))
        self.head = _conv(3, features)
        self.trunk = nn.Sequential(*(RRDB(features, growth) for _ in range(blocks)), _conv(features, features))
        # Half the trunk's channels from here on: at 112x112 a channel costs (112 / res)^2 times what it does there.
        width = features // 2
        doubling = [(features if i == 0 else width) for i in range(stages)]
        self.upsample = nn.Sequential(*(_double(channels, width) for channels in doubling))
        self.tail = _conv(width, 3, gain=0.0)

    def forward(self, lr: Tensor) -> Tensor:
        """Restore faces.

        Args:
            lr: RGB in [0, 1], (N, 3, res, res).

        Returns:
            RGB, (N, 3, 112, 112), about [0, 1]: not clamped, so that gradients reach every pixel.
        """
        shallow = self.head(lr)  # (N, features, res, res)
        deep = shallow + self.trunk(shallow)
        residual = self.tail(self.upsample(deep))  # (N, 3, 112, 112)
        return bicubic(lr) + residual


def bicubic(lr: Tensor) -> Tensor:
    """Bicubic interpolation to 112x112; `antialias` makes it the same kernel (a = -0.5) as Pillow's."""
    return F.interpolate(lr, size=(HR, HR), mode="bicubic", antialias=True)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the width and height, by a sub-pixel convolution.

    The four pixels that come of one begin alike, so that no checkerboard stands at the start (ICNR: Aitken et al.,
    "Checkerboard artifact free sub-pixel convolution", 2017).
    """
    conv = _conv(inputs, 4 * outputs)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
    return nn.Sequential(conv, nn.PixelShuffle(2), nn.LeakyReLU(0.2, inplace=True))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def _conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """3x3, He initialisation times `gain`."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=0.2)
    with torch.no_grad():
        conv.weight.mul_(gain)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType] - bias=True, so it is there
    return conv
