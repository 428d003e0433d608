"""Small recognizers of the usual architectures with random weights, as ONNX files of torch's exporter."""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from ftlgan.params import RecognizerFile
from ftlgan.weights.packaged import sha256_of

Batch = Literal["dynamic", "fixed"]


def export(
    network: nn.Module, opset: int = 17, batch: Batch = "dynamic", *, folded: bool = True, size: int = 112
) -> onnx.ModelProto:
    """Export a network as torch does without further packages.

    Args:
        opset: version of ONNX's operations.
        batch: whether the file takes any number of faces or one alone.
        folded: whether the exporter folds batch normalisation into the convolutions before it.
        size: height and width of the faces that the file takes.
    """
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    axes = {"faces": {0: "N"}, "embeddings": {0: "N"}} if batch == "dynamic" else None
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter: that it is the older one
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, size, size),),
            file,  # pyright: ignore[reportArgumentType] - torch writes to files that are open, too
            input_names=["faces"],
            output_names=["embeddings"],
            opset_version=opset,
            dynamic_axes=axes,
            training=mode,
            dynamo=False,
        )
    return onnx.load_from_string(file.getvalue())


def assemble(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray] | None = None, opset: int = 17, size: int = 112
) -> onnx.ModelProto:
    """Build a model by hand: nodes from `faces`, (N, 3, size, size), to `embeddings`, (N, D)."""
    graph = helper.make_graph(
        nodes,
        "recognizer",
        [helper.make_tensor_value_info("faces", onnx.TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, ["N", "D"])],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("elsewhere", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def save(model: onnx.ModelProto, path: Path, **given: Any) -> RecognizerFile:
    """Write a file, and return its entry in params.yaml with the given values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    entry = {"file": str(path), "sha256": sha256_of(path), "license": "made by a test", **given}
    return RecognizerFile.model_validate(entry)


def scaling_itself(model: onnx.ModelProto) -> onnx.ModelProto:
    """Prepend the scaling of pixels of 0 to 255 to a model, as in a file converted from MXNet."""
    scaled = onnx.ModelProto()
    scaled.CopyFrom(model)
    faces = scaled.graph.input[0].name
    for node in scaled.graph.node:
        node.input[:] = ["scaled" if name == faces else name for name in node.input]
    for name, value in (("mean", 127.5), ("scale", 1 / 128)):
        scaled.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    scaled.graph.node.insert(0, helper.make_node("Mul", ["centred", "scale"], ["scaled"], "_mulscalar0"))
    scaled.graph.node.insert(0, helper.make_node("Sub", [faces, "mean"], ["centred"], "_minusscalar0"))
    return scaled


def run(model: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    """Run a model by onnxruntime, face by face: what it returns for float32 of shape (N, 3, 112, 112)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([np.asarray(session.run(None, {name: face[None]})[0]) for face in faces])


def build(name: str) -> nn.Module:
    """Build one of `ARCHITECTURES`, the same each time, its batch normalisations as if they had been trained."""
    return randomized(ARCHITECTURES[name])


def randomized(architecture: Callable[[], nn.Module]) -> nn.Module:
    """Build a network, the same each time, its batch normalisations as if they had been trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = architecture()
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = (3 / module.weight[0].numel()) ** 0.5
                module.weight.data.uniform_(-bound, bound)
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
                module.running_mean = torch.empty(module.num_features).uniform_(-0.2, 0.2)
                module.running_var = torch.empty(module.num_features).uniform_(0.3, 2)
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d | nn.LayerNorm):
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.uniform_(-0.2, 0.2)
            if isinstance(module, nn.PReLU):
                module.weight.data.uniform_(-0.1, 0.6)
    return network.eval()


class ResidualBlock(nn.Module):
    """IBasicBlock of InsightFace's iresnet.py."""

    def __init__(self, channels: int, to: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, to, 3, 1, 1, bias=False),
            nn.BatchNorm2d(to),
            nn.PReLU(to),
            nn.Conv2d(to, to, 3, stride, 1, bias=False),
            nn.BatchNorm2d(to),
        )
        shortcut = nn.Sequential(nn.Conv2d(channels, to, 1, stride, bias=False), nn.BatchNorm2d(to))
        self.shortcut = shortcut if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


def iresnet(width: int = 8, dimension: int = 512, blocks: Sequence[int] = (2, 2, 2, 2)) -> nn.Module:
    """InsightFace's iresnet18, whose width is 64; with (3, 4, 14, 3) blocks its iresnet50."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)]
    channels = width
    for to, count in zip((width, 2 * width, 4 * width, 8 * width), blocks, strict=True):
        layers += [ResidualBlock(channels, to, 2), *(ResidualBlock(to, to, 1) for _ in range(count - 1))]
        channels = to
    layers += [nn.BatchNorm2d(channels), nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels * 7 * 7, dimension)]
    return nn.Sequential(*layers, nn.BatchNorm1d(dimension))


def convolution(channels: int, to: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution, batch normalisation and PReLU."""
    padding = kernel // 2 if kernel < 7 else 0
    convolve = nn.Conv2d(channels, to, kernel, stride, padding, groups=groups, bias=False)
    return [convolve, nn.BatchNorm2d(to), nn.PReLU(to)]


class DepthWise(nn.Module):
    """DepthWise of InsightFace's mobilefacenet.py: expanded, convolved channel by channel, projected."""

    def __init__(self, channels: int, to: int, stride: int, hidden: int) -> None:
        super().__init__()
        expanded, convolved = convolution(channels, hidden, 1), convolution(hidden, hidden, 3, stride, hidden)
        self.body = nn.Sequential(*expanded, *convolved, *convolution(hidden, to, 1)[:2])
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class Head(nn.Module):
    """Flatten as older code does it: exported, it is a chain of Shape, Gather, Unsqueeze, Concat and Reshape."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), -1)


def mobilefacenet(width: int = 8, dimension: int = 128) -> nn.Module:
    """MobileFaceNet (Chen et al., arXiv 1804.07573), whose width is 64."""
    layers = [*convolution(3, width, 3, 2), *convolution(width, width, 3, 1, width)]
    channels = width
    for to, hidden, blocks in ((width, 2 * width, 4), (2 * width, 4 * width, 6), (2 * width, 8 * width, 2)):
        layers.append(DepthWise(channels, to, 2, hidden))
        layers += [DepthWise(to, to, 1, 2 * to) for _ in range(blocks)]
        channels = to
    layers += [*convolution(channels, 8 * width, 1), *convolution(8 * width, 8 * width, 7, 1, 8 * width)[:2]]
    head = nn.Linear(8 * width, dimension, bias=False)
    return nn.Sequential(*layers, Head(), head, nn.BatchNorm1d(dimension))


class Attention(nn.Module):
    """Self-attention as in timm's vision_transformer.py: between tokens, or between channels as in EdgeNeXt (XCA)."""

    def __init__(self, width: int, heads: int, *, of_channels: bool = False) -> None:
        super().__init__()
        self.heads, self.of_channels = heads, of_channels
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        if self.of_channels:
            query, key, value = qkv.permute(2, 0, 3, 4, 1).unbind(0)
            scores = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-2, -1)
            mixed = (scores.softmax(dim=-1) @ value).permute(0, 3, 1, 2)
        else:
            permuted = qkv.permute(2, 0, 3, 1, 4)
            query, key, value = permuted[0], permuted[1], permuted[2]
            scores = query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5
            mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2)
        return self.projection(mixed.reshape(batch, tokens, width))


def perceptron(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class VisionTransformer(nn.Module):
    """ViT (Dosovitskiy et al., arXiv 2010.11929) with two blocks and a class token."""

    def __init__(self, width: int = 24, heads: int = 3, dimension: int = 64) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.linspace(-1, 1, width)[None, None])
        self.position = nn.Parameter(torch.linspace(-1, 1, 50 * width).sin().view(1, 50, width))
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width), perceptron(width)])
            for _ in range(2)
        )
        self.normalisation, self.head = nn.LayerNorm(width), nn.Linear(width, dimension)

    def forward(self, faces: Tensor) -> Tensor:
        x = self.patches(faces).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.position
        for block in self.blocks:
            first, attention, second, perceive = block  # pyright: ignore[reportGeneralTypeIssues] - a ModuleList
            x = x + attention(first(x))
            x = x + perceive(second(x))
        return self.head(self.normalisation(x)[:, 0])


class ChannelsFirst(nn.Module):
    """A layer for channels that come last, of channels that come first."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class EdgeBlock(nn.Module):
    """SDTA encoder of EdgeNeXt: convolutions of a part of the channels, then attention between channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.part = width // 2
        self.convolve = nn.Conv2d(self.part, self.part, 3, 1, 1, groups=self.part)
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, 2, of_channels=True))
        self.perceive = ChannelsFirst(nn.Sequential(nn.LayerNorm(width), perceptron(width)))
        self.scale = nn.Parameter(torch.linspace(0.5, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        first, second = torch.split(x, self.part, dim=1)
        mixed = torch.cat([first, self.convolve(first + second)], dim=1)
        batch, width, height, _ = mixed.shape
        position = torch.arange(height, device=x.device).float().expand(batch, 1, height, height) / height
        tokens = (mixed + position).reshape(batch, width, height * height).permute(0, 2, 1)
        tokens = tokens + self.scale * self.attention(tokens)
        x = x + tokens.reshape(batch, height, height, width).permute(0, 3, 1, 2)
        return x + self.perceive(x)


def edgenext(width: int = 8, dimension: int = 64) -> nn.Module:
    """EdgeNeXt (Maaz et al., arXiv 2206.10589), which EdgeFace is, with one block at each of three resolutions."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 4), ChannelsFirst(nn.LayerNorm(width)), EdgeBlock(width)]
    for channels in (width, 2 * width):
        layers += [ChannelsFirst(nn.LayerNorm(channels)), nn.Conv2d(channels, 2 * channels, 2, 2)]
        layers.append(EdgeBlock(2 * channels))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(4 * width), nn.Linear(4 * width, dimension)]
    return nn.Sequential(*layers)


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "iresnet": iresnet,
    "mobilefacenet": mobilefacenet,
    "vit": VisionTransformer,
    "edgenext": edgenext,
}
"""What builds a network, by its name."""
