"""The generator: a trunk at a low resolution, then sub-pixel upsampling to 112x112.

There are two trunks. The dense trunk has convolutions: residual-in-residual dense blocks. The attention trunk sees the
whole face on a grid of 14x14 positions at any input resolution. It can learn the positions, because aligned faces have
eyes, nose and mouth in fixed positions, which convolutions can't use.

Sources: Wang et al., "ESRGAN" (2018) for RRDB and residual scaling; Shi et al., "Real-time single image and video
super-resolution using an efficient sub-pixel convolutional neural network" (2016); Vaswani et al., "Attention is all
you need" (2017), and Dosovitskiy et al., "An image is worth 16x16 words" (2021) for learned positions; Guo et al.,
"CMT" (2022) for the depthwise convolution between attention and MLP. The paper (Pulgar and Mery) does not specify the
network: the trunks and the bicubic skip are our choice. With the skip, an untrained network equals bicubic
interpolation, so that training starts from the baseline.
"""

import math
from typing import TypedDict, cast, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - the name that torch users know
from torch import Tensor, nn

from ftlgan import params
from ftlgan.errors import ParamsError
from ftlgan.faces import HR
from ftlgan.params import Trunk

RESIDUAL_SCALE = 0.2
"""The factor on residuals before they are added, as in ESRGAN. It keeps deep trunks stable."""
GRID = 14
"""Width and height of the attention trunk's grid of positions."""
CHANNELS_PER_HEAD = 32
"""Channels of an attention head; larger vision transformers use 64."""
MLP_RATIO = 3
"""The width of an MLP's hidden layer relative to its input."""


class Size(TypedDict):
    """The arguments of `Generator`, except the resolution."""

    trunk: Trunk
    features: int
    blocks: int
    growth: int
    positions: bool


PRESETS: dict[str, Size] = {
    "small": {"trunk": "dense", "features": 48, "blocks": 2, "growth": 24, "positions": False},
    "positions": {"trunk": "dense", "features": 48, "blocks": 2, "growth": 24, "positions": True},
    "attention": {"trunk": "attention", "features": 128, "blocks": 4, "growth": 0, "positions": True},
    "paper": {"trunk": "dense", "features": 64, "blocks": 23, "growth": 32, "positions": False},
}
"""Networks by name. `positions` is `small` that knows the positions. Two CPU cores train these two and `attention`
(1 million weights each) in minutes; `paper` is ESRGAN's trunk, 17 million weights, for a GPU."""


def generator_size(config: params.Generator, res: int, started: Size | None = None) -> Size:
    """Return the arguments of `Generator`: those of the preset, overridden by values in the config.

    The preset `auto` is the one whose faces are recognized best after trainings of equal time: `attention` where the
    grid has as many positions as the face has pixels, and `positions` at higher resolutions. If a training starts from
    weights, `auto` is their network.

    Args:
        config: the section `generator` of the params.
        res: width and height of the input, pixels.
        started: the network of the weights that a training starts from, if it does.

    Raises:
        ParamsError: if the values are inconsistent.
    """
    own = config.model_dump(exclude={"preset"}, exclude_none=True)
    auto = started or PRESETS["attention" if res <= GRID else "positions"]
    size = cast("Size", {**(auto if config.preset == "auto" else PRESETS[config.preset]), **own})
    if size["trunk"] == "dense" and not size["growth"]:
        raise ParamsError("generator.growth: the dense trunk needs it; set it, e.g. to 24")
    if size["trunk"] == "attention" and config.growth is not None:
        raise ParamsError(f"generator.growth: {config.growth} has no effect on the attention trunk; set it to null")
    if size["trunk"] == "attention" and size["features"] % CHANNELS_PER_HEAD:
        raise ParamsError(
            f"generator.features: {size['features']} must be a multiple of {CHANNELS_PER_HEAD} for the attention trunk"
        )
    return size


class DenseBlock(nn.Module):
    """Five 3x3 convolutions. Each takes the input and all earlier outputs."""

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
    """Residual-in-residual dense block: three dense blocks with one more skip around them."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(features, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL_SCALE * self.blocks(x)


class Attention(nn.Module):
    """Multi-head self-attention over all positions of a face."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.heads = features // CHANNELS_PER_HEAD
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = nn.Linear(features, features)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, positions, features) -> the same shape.

        This does not use torch's fused attention, whose gradient is nondeterministic on a GPU.
        """
        faces, places, features = tokens.shape
        split = self.qkv(tokens).view(faces, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind()  # (N, heads, places, features / heads) each
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ value).transpose(1, 2).reshape(faces, places, features))


class AttentionBlock(nn.Module):
    """Attention over all positions, a depthwise convolution over neighbors, and an MLP, each with a skip."""

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
        trunk: `dense`, convolutions at the resolution of the input, or `attention`, on a grid of 14x14 positions.
        features: channels of the trunk; for attention a multiple of 32.
        blocks: number of RRDBs or attention blocks.
        growth: channels that each dense layer adds; attention ignores it.
        positions: learn an embedding of each position of an aligned face.

    Raises:
        ValueError: if there is no such trunk, or if it can't have so many features.
    """

    def __init__(self, res: int, *, trunk: Trunk, features: int, blocks: int, growth: int, positions: bool) -> None:
        super().__init__()
        if trunk not in get_args(Trunk):
            raise ValueError(f"there is no trunk {trunk!r}")
        if trunk == "attention" and features % CHANNELS_PER_HEAD:
            raise ValueError(f"{features} features are no multiple of {CHANNELS_PER_HEAD}")
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
            RGB, (N, 3, 112, 112), roughly in [0, 1]. It is not clamped, so that gradients reach every pixel.
        """
        shallow = self.head(lr)  # (N, features, grid, grid)
        if self.positions is not None:
            shallow = shallow + self.positions
        x = shallow + self.trunk(shallow)
        for double in self.upsample:
            x = double(x)
            if self.detail is not None and x.shape[-1] == lr.shape[-1]:
                x = x + self.detail(lr)  # detail that the coarser grid loses
        return bicubic(lr) + self.tail(x)


def bicubic(lr: Tensor) -> Tensor:
    """Interpolate to 112x112; `antialias` selects the same kernel as Pillow's (a = -0.5)."""
    return F.interpolate(lr, size=(HR, HR), mode="bicubic", antialias=True)


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Return a sub-pixel convolution that doubles width and height.

    The four pixels made from one start equal, so that training does not start from a checkerboard (ICNR: Aitken et al.,
    "Checkerboard artifact free sub-pixel convolution", 2017).
    """
    conv = _conv(inputs, 4 * outputs)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
    return nn.Sequential(conv, nn.PixelShuffle(2), nn.LeakyReLU(0.2, inplace=True))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def _conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """Return a 3x3 convolution with He initialization times `gain`."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight, a=0.2)
    with torch.no_grad():
        conv.weight.mul_(gain)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType] - not None, because bias=True
    return conv
