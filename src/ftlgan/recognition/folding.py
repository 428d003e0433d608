"""Constants of an ONNX file: what does not depend on the pixels of a face is computed once.

Files hold weights that are quantised, reshaped or transposed before they are used, and shapes that are put together
number by number. The shapes of a single face are known, so that all of this is constant.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from ftlgan.errors import WeightsError


@dataclass(frozen=True)
class Folded:
    """A model for a single face, without what is constant."""

    input: str
    nodes: tuple[onnx.NodeProto, ...]
    """What depends on the pixels, in an order in which it can be computed."""
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    """Of every value that depends on the pixels."""


@contextmanager
def supported(file: str, operation: str, name: str) -> Generator[None]:
    """Name the node at which something fails, in one line.

    Raises:
        WeightsError: in place of any other error.
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
        model: one with one input that is no constant, for faces of shape (N, 3, size, size).
        file: where it comes from, for messages.
        size: height and width of a face in pixels.

    Raises:
        WeightsError: if the input is another one, or ONNX does not know a node.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    faces = _input(model, constants, file, size)
    types = {faces: helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, (1, 3, size, size))}
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        with supported(file, node.op_type, node.name or node.output[0]):
            known = constants
            if node.op_type == "Shape":
                known = constants | {
                    name: np.broadcast_to(0, _shape(types[name])) for name in node.input if name in types
                }
            if all(name in known for name in node.input if name):
                values = {name: known[name] for name in node.input if name}
                results: list[Any] = ReferenceEvaluator(node, opsets=opsets).run(None, values)
                constants.update(zip(node.output, results, strict=True))
            else:
                nodes.append(node)
                types |= _infer(node, constants, types, opsets)
    return Folded(faces, tuple(nodes), constants, {name: _shape(value) for name, value in types.items()})


def _input(model: onnx.ModelProto, constants: dict[str, np.ndarray], file: str, size: int) -> str:
    """Return the name of the input, which takes RGB or BGR of the given size."""
    read = {name for node in model.graph.node for name in node.input}  # a file may list inputs that nothing reads
    inputs = [value for value in model.graph.input if value.name in read - constants.keys()]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise WeightsError(f"{file}: a recognizer has one input, and this file's are {names}; use another file")
    (faces,) = inputs
    found = _shape(faces.type)
    if len(found) != 4 or any(a > 0 and a != b for a, b in zip(found[1:], (3, size, size), strict=True)):
        raise WeightsError(
            f"{file}: takes {list(found)}, not faces of shape (N, 3, {size}, {size}); set size to its own"
        )
    return faces.name


def _infer(
    node: onnx.NodeProto, constants: dict[str, np.ndarray], types: dict[str, onnx.TypeProto], opsets: dict[str, int]
) -> dict[str, onnx.TypeProto]:
    """Infer the types and shapes of what a node returns."""
    arrays = {name: numpy_helper.from_array(constants[name], name) for name in node.input if name in constants}
    known = {name: helper.make_tensor_type_proto(array.data_type, array.dims) for name, array in arrays.items()}
    known |= {name: types[name] for name in node.input if name in types}
    schema = defs.get_schema(node.op_type, opsets[node.domain], node.domain)
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return infer_node_outputs(schema, node, known, arrays, opset_imports=imports)


def _shape(value: onnx.TypeProto) -> tuple[int, ...]:
    """Return a shape; 0 stands for a size that is free."""
    return tuple(size.dim_value for size in value.tensor_type.shape.dim)
