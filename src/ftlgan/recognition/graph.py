"""The graph of an ONNX file, simplified to few operations, for any number of faces.

A recognizer's file comes from some training framework. This module folds constants, folds batch normalizations into the
layers before them, and removes operations that only act in training. Many files take a batch of 1; here it is free.
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
"""Our own operation for a frozen batch normalization: x * scale + shift, one of each per channel."""
NOTHING_AT_WORK = ("Identity", "Dropout")
"""Operations that do nothing in inference."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
"""Types between which casts are dropped, because everything is computed in one type."""
ONE_OUTPUT = ("BatchNormalization", "LayerNormalization", "MaxPool")
"""Operations with several outputs, of which recognizers use only the first."""
RESHAPES = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operations that only change the shape. The result's shape is known, so `Reshape` can replace all of them."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph."""

    operation: str
    """Its ONNX name, or `SCALE_SHIFT`."""
    name: str
    inputs: tuple[str, ...]
    """Names of values. An empty name is an optional input that is not given."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Graph:
    """Operations from one input to one output, in topological order."""

    input: str
    output: str
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    taps: tuple[str, ...]
    """Values that a perceptual loss compares, see `find_taps`."""


def read_graph(model: onnx.ModelProto, file: str, size: int, output: str | None = None) -> Graph:
    """Simplify a model.

    The first axis of a reshaped value is left free. It is the batch, if the batch always comes first.

    Args:
        model: a model with one non-constant input, for faces of shape (N, 3, size, size).
        file: its file, for messages.
        size: height and width of a face, pixels.
        output: name of the output to compute; None for the only one.

    Raises:
        WeightsError: if the input or output is different, or a node is not supported.
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
    """Read a node. An operation that only changes the shape becomes a `Reshape` for any number of faces."""
    name, outputs = node.name or node.output[0], tuple(node.output[: 1 if node.op_type in ONE_OUTPUT else None])
    if node.op_type in RESHAPES:
        return Node("Reshape", name, (node.input[0],), outputs, {"shape": (-1, *shapes[outputs[0]][1:])})
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Cast" and attributes["to"] in FLOATS:
        return Node("Identity", name, tuple(node.input), outputs)
    if node.op_type == "BatchNormalization" and any(node.output[1:]):
        attributes["training_mode"] = 1  # before version 14, more outputs mean training mode
    if node.op_type == "Softmax":
        attributes.setdefault("axis", -1 if opset >= 13 else 1)
    if node.op_type == "Split" and len(node.input) == 1 and "split" not in attributes:
        attributes["num_outputs"] = len(outputs)
    return Node(node.op_type, name, tuple(node.input), outputs, attributes)


def _leave_out(nodes: Sequence[Node], operations: Sequence[str], output: str) -> tuple[list[Node], str]:
    """Remove nodes whose first output is their first input; return the others, and the new name of the output."""
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
    """Fold each batch normalization into the layer before it, or turn it into a `SCALE_SHIFT`."""
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
    """Return a name that the file does not use."""
    while name in taken:
        name += "'"
    return name


def _scale_and_shift(node: Node, constants: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale and shift that equal a frozen batch normalization, both float64 of shape (C,)."""
    if node.attributes.get("training_mode"):
        raise NotImplementedError("it is in training mode")
    gamma, beta, mean, variance = (constants[name].astype(np.float64) for name in node.inputs[1:])
    if gamma.ndim != 1:
        raise NotImplementedError(f"it has weights of shape {list(gamma.shape)}, not one per channel")
    scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return scale, beta - mean * scale


def _folded(
    node: Node, scale: np.ndarray, shift: np.ndarray, constants: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the weight and bias of a layer followed by x * scale + shift; None if it can't be folded."""
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
    """Find the values that a perceptual loss compares: the last features before each halving of the resolution.

    For each resolution that is halved, this is the last value on which all later ones depend. If the network has
    branches, such as a residual block, it is a value before or after them. Values before the first convolution do not
    count. A network that halves no resolution, such as a vision transformer, has none.

    Args:
        nodes: the nodes of a graph, from its input to its output.
        input: name of the graph's input.
        output: name of the graph's output.
        shapes: shapes of the values for one face.
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
