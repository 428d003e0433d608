"""The graph of an ONNX file, simplified: as few operations as there can be, for any number of faces.

A recognizer's file comes from somebody's training framework. Constants are folded, and so are batch normalisations,
into the layers before them; what works in training alone is left out. Many files take a batch of 1: here it is free.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ftlgan.errors import WeightsError
from ftlgan.recognition.folding import fold_constants, supported

SCALE_SHIFT = "ScaleShift"
"""An operation of our own, to which a batch normalisation comes down: x * scale + shift, one of each a channel."""
NOTHING_AT_WORK = ("Identity", "Dropout")
"""Operations that do something in training alone."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
"""Types of numbers between which nothing need be cast: all is computed in one of them."""
ONE_OUTPUT = ("BatchNormalization", "LayerNormalization", "MaxPool")
"""Operations of which recognizers use the first output alone."""
RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operations that change a shape alone. Which it becomes is known, so that one operation does for all."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph."""

    operation: str
    """ONNX's name of it, or `SCALE_SHIFT`."""
    name: str
    inputs: tuple[str, ...]
    """Names of values; an empty name is an optional input that is not given."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Graph:
    """Operations from one input to one output, in an order in which they can be computed."""

    input: str
    output: str
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    taps: tuple[str, ...]
    """Values that a perceptual loss compares, see `find_taps`."""


def read_graph(model: onnx.ModelProto, file: str, size: int, output: str | None = None) -> Graph:
    """Simplify a model.

    The first axis of whatever is reshaped takes what is left over: that is the batch, wherever the batch comes first.

    Args:
        model: one with one input that is no constant, for faces of shape (N, 3, size, size).
        file: where it comes from, for messages.
        size: height and width of a face in pixels.
        output: the name of the output that is wanted; None for the only one.

    Raises:
        WeightsError: if input or output are others, or a node has a form that is not supported.
    """
    folded = fold_constants(model, file, size)
    constants = folded.constants
    output = _output(model, file, output)
    nodes = [_plain(node, folded.shapes, folded.opset) for node in folded.nodes]
    nodes, output = _leave_out(nodes, NOTHING_AT_WORK, output)
    if output in constants:
        raise WeightsError(
            f"{file}: output {output!r} is the same for every face; set output to another, or use another file"
        )
    nodes = _fold_batch_normalisation(_needed(nodes, output), constants, output, file)
    used = {name for node in nodes for name in node.inputs}
    taps = find_taps(nodes, folded.input, output, folded.shapes)
    return Graph(
        folded.input, output, tuple(nodes), {name: constants[name] for name in constants if name in used}, taps
    )


def _output(model: onnx.ModelProto, file: str, output: str | None) -> str:
    names = [value.name for value in model.graph.output]
    if output is None and len(names) == 1:
        return names[0]
    if output is None or output not in names:
        raise WeightsError(f"{file}: has no output {output!r}; name one of {', '.join(names)}")
    return output


def _plain(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], opset: int) -> Node:
    """Read a node. What changes a shape alone becomes a `Reshape` to that shape, for any number of faces."""
    name, outputs = node.name or node.output[0], tuple(node.output[: 1 if node.op_type in ONE_OUTPUT else None])
    if node.op_type in RESHAPES:
        return Node("Reshape", name, (node.input[0],), outputs, {"shape": (-1, *shapes[outputs[0]][1:])})
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Cast" and attributes["to"] in FLOATS:
        return Node("Identity", name, tuple(node.input), outputs)
    if node.op_type == "BatchNormalization" and any(node.output[1:]):
        attributes["training_mode"] = 1  # before version 14, further outputs say so
    if node.op_type == "Softmax":
        attributes.setdefault("axis", -1 if opset >= 13 else 1)
    if node.op_type == "Split" and len(node.input) == 1 and "split" not in attributes:
        attributes["num_outputs"] = len(outputs)
    return Node(node.op_type, name, tuple(node.input), outputs, attributes)


def _leave_out(nodes: Sequence[Node], operations: Sequence[str], output: str) -> tuple[list[Node], str]:
    """Leave out nodes whose first output is their first input; return the others, and the new name of the output."""
    renamed: dict[str, str] = {}
    kept: list[Node] = []
    for node in nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        if node.operation in operations:
            renamed[node.outputs[0]] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    return kept, renamed.get(output, output)


def _needed(nodes: Sequence[Node], output: str) -> list[Node]:
    """Return the nodes on which the output depends."""
    wanted, kept = {output}, list[Node]()
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            wanted |= set(node.inputs)
            kept.append(node)
    return kept[::-1]


def _fold_batch_normalisation(
    nodes: Sequence[Node], constants: dict[str, np.ndarray], output: str, file: str
) -> list[Node]:
    """Turn each batch normalisation into the weights of what is before it, or into a `SCALE_SHIFT`."""
    readers = Counter([output, *(name for node in nodes for name in node.inputs)])
    taken = {*constants, *(name for node in nodes for name in (*node.inputs, *node.outputs))}
    kept: dict[str, Node] = {}
    for node in nodes:
        if node.operation != "BatchNormalization":
            kept[node.outputs[0]] = node
            continue
        with supported(file, node.operation, node.name):
            scale, shift = _scale_and_shift(node, constants)
        value = node.inputs[0]
        before = kept.get(value) if readers[value] == 1 else None
        weights = _folded(before, scale, shift, constants) if before else None
        if before and weights:
            del kept[value]
            into, called = before, ("weight", "bias")
        else:
            into, called, weights = (
                replace(node, operation=SCALE_SHIFT, attributes={}),
                ("scale", "shift"),
                (scale, shift),
            )
        names = [_unused(f"{node.outputs[0]}.{what}", taken) for what in called]
        constants |= zip(names, weights, strict=True)
        taken |= set(names)
        kept[node.outputs[0]] = replace(into, inputs=(into.inputs[0], *names), outputs=node.outputs)
    return list(kept.values())


def _unused(name: str, taken: Collection[str]) -> str:
    """Return a name that the file has not given to anything."""
    while name in taken:
        name += "'"
    return name


def _scale_and_shift(node: Node, constants: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Write a frozen batch normalisation as x * scale + shift, both float64 of shape (C,)."""
    if node.attributes.get("training_mode"):
        raise NotImplementedError("it is in training mode")
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    if gamma.ndim != 1:
        raise NotImplementedError(f"it has weights of shape {list(gamma.shape)}, not one a channel")
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return scale, beta - mean * scale


def _folded(
    node: Node, scale: np.ndarray, shift: np.ndarray, constants: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return weight and bias of a layer that also does x * scale + shift on what it returns; None where it can't."""
    plain = node.attributes.get("alpha", 1) == node.attributes.get("beta", 1) == 1
    if (
        node.operation not in ("Conv", "Gemm")
        or not plain
        or not constants.keys() >= set(filter(None, node.inputs[1:]))
    ):
        return None
    weight, *bias = (constants[name] for name in node.inputs[1:] if name)
    outputs_last = node.operation == "Gemm" and not node.attributes.get("transB")
    shape = (-1,) if outputs_last else (-1, *(1,) * (weight.ndim - 1))
    return weight * scale.reshape(shape), (bias[0] if bias else 0) * scale + shift


def find_taps(nodes: Sequence[Node], input: str, output: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Find the values that a perceptual loss compares: what the layers before each halving made of a face.

    Of each resolution that is halved, it is the last value through which everything goes: where a network has
    branches, such as a residual block, the value before or behind them. There is none before the first convolution,
    and none at all in a network that halves nothing, such as a vision transformer.

    Args:
        nodes: of a graph, from its input to its output.
        input: name of what the nodes begin with.
        output: name of what they end with.
        shapes: of the values, for one face.
    """
    last_use = {name: index for index, node in enumerate(nodes) for name in node.inputs} | {output: len(nodes)}
    alive, last_of_side, convolved = {input}, dict[int, str](), False
    for index, node in enumerate(nodes):
        convolved |= node.operation == "Conv"
        alive = {name for name in (*alive, *node.outputs) if last_use.get(name, -1) > index}
        if convolved and len(alive) == 1:
            (name,) = alive
            if len(shapes[name]) == 4 and shapes[name][2] == shapes[name][3]:
                last_of_side[shapes[name][3]] = name
    return tuple(
        name for (side, name), (smaller, _) in pairwise(last_of_side.items()) if smaller in (side // 2, -(-side // 2))
    )
