"""Constant folding of an ONNX file: everything that does not depend on the pixels of a face is computed once.

Files contain weights that are quantized, reshaped or transposed before use, and shapes that are computed number by
number. For a single face all shapes are known, so all of this is constant.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from ftlgan.errors import WeightsError

OWN_DOMAIN = "ai.onnx"
"""ONNX's own domain. Most files write it as an empty name."""


@dataclass(frozen=True)
class Folded:
    """A model for a single face, with its constants folded."""

    input: str
    nodes: tuple[onnx.NodeProto, ...]
    """The nodes that depend on the pixels, in topological order."""
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    """The shapes of all values that depend on the pixels."""
    opset: int
    """The version of ONNX's own operations."""


@contextmanager
def supported(file: str, operation: str, name: str) -> Generator[None]:
    """Turn any error in the block into a one-line error that names the node.

    Raises:
        WeightsError: instead of any other error.
    """
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{file}: node {name!r} of type {operation} is not supported in a loss ({reason}); use the file as a judge"
        ) from error


def fold_constants(model: onnx.ModelProto, file: str, size: int = 112) -> Folded:
    """Compute everything that does not depend on the pixels of a face.

    Args:
        model: a model with one non-constant input, for faces of shape (N, 3, size, size).
        file: its file, for messages.
        size: height and width of a face, pixels.

    Raises:
        WeightsError: if the input is different, or ONNX does not know a node.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    faces = faces_input(model, file, size).name
    types = {faces: helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, (1, 3, size, size))}
    opsets = {"" if opset.domain == OWN_DOMAIN else opset.domain: opset.version for opset in model.opset_import}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.domain == OWN_DOMAIN:
            node.domain = ""
        with supported(file, node.op_type, node.name or node.output[0]):
            if node.op_type.startswith("Random"):
                raise NotImplementedError("its result is random")
            known = constants
            if node.op_type == "Shape":
                known = constants | {
                    name: np.broadcast_to(0, shape_of(types[name])) for name in node.input if name in types
                }
            if all(name in known for name in node.input if name):
                values = {name: known[name] for name in node.input if name}
                constants.update(_evaluate(node, values, opsets))
            else:
                nodes.append(node)
                types |= _infer(node, constants, types, opsets)
    shapes = {name: shape_of(value) for name, value in types.items()}
    return Folded(faces, tuple(nodes), constants, shapes, opsets.get("", 1))


def faces_input(model: onnx.ModelProto, file: str, size: int) -> onnx.ValueInfoProto:
    """Return the input for faces, RGB or BGR of the given size.

    Raises:
        WeightsError: if there is not exactly one input, or it has another shape or type.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    read = {name for node in model.graph.node for name in node.input}  # a file may list inputs that nothing reads
    inputs = [value for value in model.graph.input if value.name in read - constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise WeightsError(f"{file}: a recognizer has one input, but this file has {names}; use another file")
    (faces,) = inputs
    found = shape_of(faces.type)
    if not found:
        raise WeightsError(f"{file}: its input has no shape; export it with an input of (N, 3, {size}, {size})")
    if len(found) == 4 and found[1] != 3 and found[3] == 3:
        raise WeightsError(f"{file}: takes {list(found)}, with the channels last; export it with the channels first")
    if len(found) != 4 or any(a > 0 and a != b for a, b in zip(found[1:], (3, size, size), strict=True)):
        raise WeightsError(
            f"{file}: takes {list(found)}, not faces of shape (N, 3, {size}, {size}); set size to its own"
        )
    kind = faces.type.tensor_type.elem_type
    if kind != onnx.TensorProto.FLOAT:
        raise WeightsError(f"{file}: takes {onnx.TensorProto.DataType.Name(kind)}, not FLOAT; export it in float32")
    return faces


def _evaluate(
    node: onnx.NodeProto, values: dict[str, np.ndarray], opsets: dict[str, int]
) -> Iterator[tuple[str, np.ndarray]]:
    """Compute a node by ONNX's reference implementation of its version."""
    inputs = [helper.make_value_info(name, _type(values[name])) for name in values]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
    model = helper.make_model(helper.make_graph([node], "constant", inputs, outputs), opset_imports=_imports(opsets))
    try:
        results: Any = ReferenceEvaluator(model).run(None, values)
    except RuntimeError:  # it lacks some early versions, such as DequantizeLinear's of opset 13
        from onnxruntime import InferenceSession

        results = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, values)
    return zip(node.output, results, strict=True)


def _infer(
    node: onnx.NodeProto, constants: dict[str, np.ndarray], types: dict[str, onnx.TypeProto], opsets: dict[str, int]
) -> dict[str, onnx.TypeProto]:
    """Infer the types and shapes of a node's outputs."""
    arrays = {name: constants[name] for name in node.input if name in constants}
    tensors = {name: numpy_helper.from_array(array, name) for name, array in arrays.items()}
    inputs = {name: types[name] for name in node.input if name in types}
    inputs |= {name: _type(array) for name, array in arrays.items()}
    schema = defs.get_schema(node.op_type, opsets[node.domain], node.domain)
    return infer_node_outputs(schema, node, inputs, tensors, opset_imports=_imports(opsets))


def _imports(opsets: dict[str, int]) -> list[onnx.OperatorSetIdProto]:
    return [helper.make_opsetid(domain, version) for domain, version in opsets.items()]


def _type(array: np.ndarray) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def shape_of(value: onnx.TypeProto) -> tuple[int, ...]:
    """Return a shape, with 0 for a free size. Some files write -1 for it."""
    return tuple(max(0, size.dim_value) for size in value.tensor_type.shape.dim)
