"""The generator: a trunk at a low resolution, then sub-pixel upsampling to 112x112.

Two trunks. The dense one is of convolutions: residual-in-residual dense blocks. The attention one looks at the whole
face on a grid of 14x14 places, whatever the resolution of the input, and knows where each place is: aligned faces have
their eyes, nose and mouth always in the same places, which a convolution can't know.

Sources: Wang et al., "ESRGAN" (2018) for RRDB and residual scaling; Shi et al., "Real-time single image and video
super-resolution using an efficient sub-pixel convolutional neural network" (2016); Vaswani et al., "Attention is all
you need" (2017), and Dosovitskiy et al., "An image is worth 16x16 words" (2021) for learned positions; Guo et al.,
"CMT" (2022) for the depthwise convolution between attention and MLP. The paper (Pulgar and Mery) leaves the
network open: these, and the bicubic skip, are our choice. The skip makes an untrained network equal bicubic
interpolation, so that training starts from the baseline that it has to beat.
"""

import math
from typing import TypedDict, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch users know
from torch import Tensor, nn

from ftlgan import params
from ftlgan.errors import ParamsError
from ftlgan.faces import HR
from ftlgan.params import Trunk

RESIDUAL_SCALE = 0.2
"""ESRGAN: residuals are scaled down before they are added, which keeps deep trunks stable."""
GRID = 14
"""Width and height of the grid of places on which attention looks at a face."""
CHANNELS_PER_HEAD = 32
"""A head of attention has so many; those of larger vision transformers have 64."""
MLP_RATIO = 3
"""The hidden layer of an MLP is so many times as wide as its input."""


class Size(TypedDict):
    """The arguments of `Generator`, beside the resolution."""

    trunk: Trunk
    features: int
    blocks: int
    growth: int
    positions: bool


PRESETS: dict[str, Size] = {
    "small": {"trunk": "dense", "features": 48, "blocks": 2, "growth": 24, "positions": False},
    "attention": {"trunk": "attention", "features": 128, "blocks": 4, "growth": 0, "positions": True},
    "paper": {"trunk": "dense", "features": 64, "blocks": 23, "growth": 32, "positions": False},
}
"""Networks by name. Two CPU cores train `small` (1 million weights) and `attention` in minutes; `paper` is ESRGAN's
trunk, 17 million weights, for a GPU."""


def generator_size(config: params.Generator) -> Size:
    """Return the arguments of `Generator`: the preset's, unless the config gives a value of its own.

    Raises:
        ParamsError: if the values don't go together.
    """
    own = config.model_dump(exclude={"preset"}, exclude_none=True)
    size = cast("Size", {**PRESETS[config.preset], **own})
    if size["trunk"] == "dense" and not size["growth"]:
        raise ParamsError("generator.growth: the dense trunk needs it; give it, e.g. 24")
    if size["trunk"] == "attention" and config.growth is not None:
        raise ParamsError(f"generator.growth: {config.growth} has no effect on the attention trunk; set it to null")
    if size["trunk"] == "attention" and size["features"] % CHANNELS_PER_HEAD:
        raise ParamsError(
            f"generator.features: {size['features']} must be a multiple of {CHANNELS_PER_HEAD} for the attention trunk"
        )
    return size


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


class Attention(nn.Module):
    """Each place looks at all others: self-attention with several heads over the tokens of a face."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.heads = features // CHANNELS_PER_HEAD
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, places, features) -> the same shape.

        Written out, because the gradient of torch's fused attention does not repeat on a GPU.
        """
        faces, places, features = tokens.shape
        split = self.qkv(tokens).view(faces, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind()  # (N, heads, places, features / heads) each
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ value).transpose(1, 2).reshape(faces, places, features))


class AttentionBlock(nn.Module):
    """Attention over all places, a depthwise convolution among neighbours, and an MLP, each with a skip."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(features), Attention(features))
        self.depthwise = nn.Conv2d(features, features, 3, padding=1, groups=features)
        self.mlp = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, MLP_RATIO * features),
            nn.GELU(),
            nn.Linear(MLP_RATIO * features, features),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, features, S, S) -> the same shape."""
        tokens = x.flatten(2).transpose(1, 2)  # (N, S * S, features)
        tokens = tokens + self.attention(tokens)
        x = tokens.transpose(1, 2).view_as(x)
        x = x + self.depthwise(x)
        tokens = x.flatten(2).transpose(1, 2)
        return (tokens + self.mlp(tokens)).transpose(1, 2).view_as(x)


class Generator(nn.Module):
    """LR face -> HR face.

    Args:
        res: width and height of the input, pixels; 112 / res is a power of two.
        trunk: `dense`, of convolutions at the resolution of the input, or `attention`, on a grid of 14x14 places.
        features: channels of the trunk; for attention a multiple of 32.
        blocks: number of RRDBs or of attention blocks.
        growth: channels that each dense layer adds; of no use for attention.
        positions: learn what is particular to each place of an aligned face.
    """

    def __init__(self, res: int, *, trunk: Trunk, features: int, blocks: int, growth: int, positions: bool) -> None:
        super().__init__()
        grid = GRID if trunk == "attention" else res
        pixels = res // grid
        self.head = nn.Sequential(nn.PixelUnshuffle(pixels), _conv(3 * pixels**2, features))
        self.positions = nn.Parameter(0.02 * torch.randn(1, features, grid, grid)) if positions else None
        body = [RRDB(features, growth) if trunk == "dense" else AttentionBlock(features) for _ in range(blocks)]
        self.trunk = nn.Sequential(*body, _conv(features, features))
        # Fewer channels from here on: at 112x112 a channel costs (112 / grid)^2 times what it does in the trunk.
        width = features // 2 if trunk == "dense" else max(32, features // 8)
        doublings = int(math.log2(HR // grid))
        self.upsample = nn.ModuleList(_double(width if i else features, width) for i in range(doublings))
        self.detail = _conv(3, width) if grid < res else None
        self.tail = _conv(width, 3, gain=0.0)

    def forward(self, lr: Tensor) -> Tensor:
        """Restore faces.

        Args:
            lr: RGB in [0, 1], (N, 3, res, res).

        Returns:
            RGB, (N, 3, 112, 112), about [0, 1]: not clamped, so that gradients reach every pixel.
        """
        shallow = self.head(lr)  # (N, features, grid, grid)
        if self.positions is not None:
            shallow = shallow + self.positions
        x = shallow + self.trunk(shallow)
        for double in self.upsample:
            x = double(x)
            if self.detail is not None and x.shape[-1] == lr.shape[-1]:
                x = x + self.detail(lr)  # what a grid of places is too coarse for
        return bicubic(lr) + self.tail(x)


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
