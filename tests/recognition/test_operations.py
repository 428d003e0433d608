"""Each operation by itself: the torch module does what onnxruntime does, and refuses what it can't."""

from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnx_models import assemble, run
from torch import Tensor
from torch.nn import functional

from ftlgan.errors import WeightsError
from ftlgan.recognition.graph import SCALE_SHIFT, read_graph
from ftlgan.recognition.network import RecognizerNetwork
from ftlgan.recognition.operations import OPERATIONS, FrozenPReLU
from ftlgan.recognition.preprocessing import Preprocessing

SIZE = 12
FILE = "recognizer.onnx"
UNCHANGED = Preprocessing(SIZE, mean=(0, 0, 0), std=(255, 255, 255))
node = helper.make_node
rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class Case(NamedTuple):
    """Nodes from `faces`, (N, 3, 12, 12), to `y`, and their constants."""

    nodes: list[onnx.NodeProto]
    constants: dict[str, np.ndarray] = {}  # noqa: RUF012 - never changed
    opset: int = 17

    @property
    def model(self) -> onnx.ModelProto:
        flatten = node("Flatten", ["y"], ["embeddings"])
        return assemble([*self.nodes, flatten], self.constants, self.opset, SIZE)


def unary(operation: str, opset: int = 17, **attributes: Any) -> Case:
    """An operation on faces around 0: half of them below."""
    centred = node("Sub", ["faces", "half"], ["x"])
    return Case([centred, node(operation, ["x"], ["y"], **attributes)], {"half": np.array(0.5, np.float32)}, opset)


def constant(operation: str, *values: np.ndarray, opset: int = 17, **attributes: Any) -> Case:
    """An operation on faces and constants."""
    case, names = unary(operation, opset, **attributes), [f"constant{index}" for index in range(len(values))]
    case.nodes[-1].input.extend(names)
    return Case(case.nodes, case.constants | dict(zip(names, values, strict=True)), opset)


def convolution(*pads: int, to: int = 6, group: int = 1, stride: int = 1, dilation: int = 1, bias: bool = True) -> Case:
    weights = [normal(to, 3 // group, 3, 3), normal(to)][: 1 + bias]
    options: dict[str, Any] = {
        "pads": pads,
        "group": group,
        "strides": [stride, stride],
        "dilations": [dilation, dilation],
    }
    return constant("Conv", *weights, kernel_shape=[3, 3], **options)


def normalisation(channels: int) -> dict[str, np.ndarray]:
    names = ("gamma", "beta", "mean", "variance")
    return dict(zip(names, (*normal(3, channels), np.abs(normal(channels)) + 0.1), strict=True))


def normalised(case: Case, channels: int, *, reads: str = "x") -> Case:
    """A batch normalisation behind a case's last node, or of a value before it that two read."""
    case.nodes[-1].output[0] = "z"
    after = node("BatchNormalization", ["z", *normalisation(channels)], ["b"], epsilon=1e-3)
    again = node("Add", ["b", "z" if reads == "both" else "b"], ["y"])
    return Case([*case.nodes, after, again], case.constants | normalisation(channels), case.opset)


def flat(operation: str, *values: np.ndarray, **attributes: Any) -> Case:
    """An operation on the mean colours of faces, (N, 3)."""
    names = {f"constant{index}": value for index, value in enumerate(values)}
    mean = node("ReduceMean", ["faces"], ["x"], axes=[2, 3], keepdims=0)
    return Case([mean, node(operation, ["x", *names], ["y"], **attributes)], names)


def quantised() -> Case:
    """A kernel of 8 bits, whose blocks of 3 numbers have a scale and a zero point each."""
    constants = {
        "values": rng.integers(-128, 128, (4, 27)).astype(np.int8),
        "scales": np.abs(normal(4, 9)) / 100,
        "zeros": rng.integers(-9, 9, (4, 9)).astype(np.int8),
        "shape": integers(4, 3, 3, 3),
    }
    nodes = [
        node("DequantizeLinear", ["values", "scales", "zeros"], ["float"], axis=1, block_size=3),
        node("Reshape", ["float", "shape"], ["kernel"]),
        node("Conv", ["faces", "kernel"], ["y"]),
    ]
    return Case(nodes, constants, 21)


def quantised_as_a_whole() -> Case:
    """A kernel of 8 bits with one scale, in the version that quantisers write most."""
    constants = {"values": rng.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8), "scale": np.float32(0.01)}
    nodes = [node("DequantizeLinear", ["values", "scale"], ["kernel"]), node("Conv", ["faces", "kernel"], ["y"])]
    return Case(nodes, {name: np.asarray(value) for name, value in constants.items()}, 13)


def names_like_ours() -> Case:
    """Constants that another node also reads, with names like those that folding gives."""
    first = node("Conv", ["faces", "b.weight", "b.bias"], ["c"])
    batch = node("BatchNormalization", ["c", *normalisation(4)], ["b"])
    again = node("BatchNormalization", ["r", "r2.scale", "r2.shift", "mean", "variance"], ["r2"])
    shared = node("Conv", ["faces", "b.weight", "b.bias"], ["d"])
    nodes = [first, batch, node("Relu", ["b"], ["r"]), again, shared, node("Add", ["r2", "d"], ["s"])]
    constants = normalisation(4) | {"b.weight": normal(4, 3, 3, 3), "b.bias": normal(4)}
    more = {"r2.scale": normal(4), "r2.shift": normal(4), "scale": normal(4, 1, 1), "resize": normal(4, 1, 1)}
    nodes += [node("Mul", ["s", "scale"], ["t"]), node("Mul", ["t", "resize"], ["u"])]
    return Case([*nodes, node("Mul", ["u", "r2.scale2"], ["y"])], constants | more | {"r2.scale2": normal(4, 1, 1)})


def split(opset: int, *sizes: np.ndarray, **attributes: Any) -> Case:
    case = constant("Split", *sizes, opset=opset, axis=2, **attributes)
    case.nodes[-1].output[:] = ["a", "b"]
    return Case([*case.nodes, node("Concat", ["b", "a"], ["y"], axis=2)], case.constants, opset)


CASES = {
    "Add": constant("Add", normal(3, 1, 12)),
    "Add, both of the faces": Case([node("Add", ["faces", "faces"], ["y"])]),
    "AveragePool": unary("AveragePool", kernel_shape=[3, 2], strides=[2, 2]),
    "AveragePool, as wide as before": unary("AveragePool", kernel_shape=[3, 3], auto_pad="SAME_UPPER"),
    "AveragePool, its padding said twice": unary(
        "AveragePool", kernel_shape=[3, 3], auto_pad="NOTSET", pads=[1, 1, 1, 1], ceil_mode=0
    ),
    "AveragePool, padded": unary("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "AveragePool, the padding counts": unary(
        "AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "BatchNormalization": normalised(unary("Relu"), 3),
    "BatchNormalization, into Conv": normalised(convolution(0, 0, 0, 0), 6),
    "BatchNormalization, into Conv without bias": normalised(convolution(0, 0, 0, 0, bias=False), 6),
    "BatchNormalization, Conv is read twice": normalised(convolution(0, 0, 0, 0), 6, reads="both"),
    "BatchNormalization, into Gemm": normalised(flat("Gemm", normal(3, 5), normal(5)), 5),
    "BatchNormalization, into Gemm, transposed": normalised(flat("Gemm", normal(5, 3), normal(5), transB=1), 5),
    "Clip": constant("Clip", np.array(-0.2, np.float32), np.array(0.3, np.float32)),
    "Cast": unary("Cast", to=onnx.TensorProto.FLOAT),
    "Clip, of nothing": unary("Clip"),
    "Clip, from below": constant("Clip", np.array(-0.2, np.float32)),
    "Clip, before version 11": unary("Clip", 10, min=-0.2, max=0.3),
    "Concat": constant("Concat", normal(1, 2, 12, 12), axis=1),
    "Conv": convolution(1, 1, 1, 1, stride=2),
    "Conv, dilated": convolution(2, 2, 2, 2, dilation=2, bias=False),
    "Conv, more padding below": convolution(0, 0, 1, 2, stride=2),
    "Conv, as wide as before": constant("Conv", normal(6, 3, 3, 2), auto_pad="SAME_UPPER", strides=[2, 1]),
    "Conv, as wide as before, lower": constant("Conv", normal(6, 3, 2, 3), auto_pad="SAME_LOWER", strides=[1, 2]),
    "Conv, inside": constant("Conv", normal(6, 3, 3, 3), auto_pad="VALID"),
    "Conv, depthwise": convolution(1, 1, 1, 1, group=3),
    "Conv, depthwise with a stride": convolution(1, 1, 1, 1, group=3, stride=2),
    "Conv, quantised": quantised(),
    "Conv, quantised as a whole": quantised_as_a_whole(),
    "Div": constant("Div", normal(3, 1, 1) + 3),
    "Dropout": unary("Dropout"),
    "Erf": unary("Erf"),
    "Expand": constant("Expand", integers(1, 3, 12, 12)),
    "Expand, wider": Case(
        [node("ReduceMean", ["faces"], ["x"], axes=[3]), node("Expand", ["x", "shape"], ["y"])],
        {"shape": integers(1, 3, 12, 5)},
    ),
    "Flatten": unary("Flatten", axis=1),
    "Gather": constant("Gather", np.array(-1), axis=2),
    "Gather, several": constant("Gather", integers(2, 1, 0), axis=1),
    "Gelu": unary("Gelu", 20),
    "Gelu, approximate": unary("Gelu", 20, approximate="tanh"),
    "Gemm": flat("Gemm", normal(3, 5), normal(5)),
    "Gemm, transposed": flat("Gemm", normal(5, 3), transB=1),
    "Gemm, scaled": flat("Gemm", normal(3, 5), normal(5), alpha=2.0, beta=0.5),
    "Gemm, with a number": flat("Gemm", normal(5, 3), np.array(0.3, np.float32), transB=1),
    "GlobalAveragePool": unary("GlobalAveragePool"),
    "HardSigmoid": unary("HardSigmoid", alpha=0.7, beta=0.4),
    "HardSwish": unary("HardSwish"),
    "Identity": unary("Identity"),
    "LayerNormalization": constant("LayerNormalization", normal(12), normal(12), epsilon=1e-3),
    "LayerNormalization, of the last two": constant("LayerNormalization", normal(12, 12), axis=2),
    "LeakyRelu": unary("LeakyRelu", alpha=0.3),
    "LpNormalization": unary("LpNormalization", axis=1),
    "names like ours": names_like_ours(),
    "MatMul": constant("MatMul", normal(12, 5)),
    "MaxPool": unary("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "MaxPool, as wide as before": unary("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    "MaxPool, of one": unary("MaxPool", kernel_shape=[1, 1], strides=[2, 3]),
    "MaxPool, of all": unary("MaxPool", kernel_shape=[1, 1]),
    "Mul": constant("Mul", normal(3, 1, 1)),
    "Neg": unary("Neg"),
    "PRelu": constant("PRelu", normal(3, 1, 1)),
    "PRelu, a number": constant("PRelu", np.array(0.3, np.float32)),
    "Pad": constant("Pad", integers(0, 0, 1, 2, 0, 0, 3, 4)),
    "Pad, by a number": constant("Pad", integers(0, 1, 0, 2, 0, 0, 3, 0), np.array(0.7, np.float32)),
    "PRelu, one slope": constant("PRelu", normal(1)),
    "PRelu, after Gemm": flat("PRelu", normal(3)),
    "Pow": constant("Pow", np.array(3, np.float32)),
    "ReduceL2": unary("ReduceL2", axes=[-1]),
    "ReduceL2, version 18": constant("ReduceL2", integers(1, 2), opset=18, keepdims=0, noop_with_empty_axes=0),
    "ReduceMean": unary("ReduceMean", axes=[1]),
    "ReduceMean, version 18": constant("ReduceMean", integers(-1), opset=18),
    "Relu": unary("Relu"),
    "Reshape": constant("Reshape", integers(0, 6, -1)),
    "Reshape, the batch fixed": constant("Reshape", integers(1, 6, 72)),
    "Sigmoid": unary("Sigmoid"),
    "Slice": constant("Slice", integers(1, -9), integers(3, 2**62), integers(1, 3), integers(1, 2)),
    "Slice, of the first axes": constant("Slice", integers(0, 1), integers(2**62, 3)),
    "Slice, backwards": constant("Slice", integers(-1), integers(-(2**62)), integers(1), integers(-1)),
    "Slice, backwards in steps": constant("Slice", integers(9), integers(1), integers(3), integers(-2)),
    "Softmax": unary("Softmax", axis=-1),
    "Softmax, of no axis": unary("Softmax"),
    "Softmax, before version 13": unary("Softmax", 11, axis=3),
    "Split": split(17, integers(5, 7)),
    "Split, evenly": split(17),
    "Split, before version 13": split(11, split=[5, 7]),
    "Split, version 18": split(18, num_outputs=2),
    "Sqrt": Case([node("Sqrt", ["faces"], ["y"])]),
    "Squeeze and Unsqueeze": Case(
        [
            node("ReduceMean", ["faces"], ["m"], axes=[1]),
            node("Squeeze", ["m", "first"], ["s"]),
            node("Unsqueeze", ["s", "last"], ["u"]),
            node("Mul", ["u", "weights"], ["y"]),
        ],
        {"first": integers(1), "last": integers(-1), "weights": normal(12, 12, 2)},
    ),
    "Sub": constant("Sub", normal(3, 12, 1)),
    "Sub, faces from a number": Case([node("Sub", ["one", "faces"], ["y"])], {"one": np.array(1, np.float32)}),
    "Sum": Case([node("Sum", ["faces", "faces", "bias"], ["y"])], {"bias": normal(3, 1, 1)}),
    "Tanh": unary("Tanh"),
    "Transpose": Case(
        [node("Transpose", ["faces"], ["t"], perm=[0, 2, 3, 1]), node("Mul", ["t", "weights"], ["y"])],
        {"weights": normal(12, 12, 3)},
    ),
}


def random_faces() -> Tensor:
    return torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def outputs(network: RecognizerNetwork, faces: Tensor) -> Tensor:
    """What the graph gives, before it is scaled to unit length."""
    return network._compute(faces, [network._output])[0]


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_onnxruntime(name: str) -> None:
    model, faces = CASES[name].model, random_faces()
    resized = functional.interpolate(faces, (SIZE, SIZE), mode="bilinear", align_corners=False)
    found = outputs(RecognizerNetwork(model, UNCHANGED, FILE), faces)
    np.testing.assert_allclose(found.numpy(), run(model, resized.numpy()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    network = RecognizerNetwork(CASES[name].model, UNCHANGED, FILE).double()
    faces, generator = random_faces().double(), torch.Generator().manual_seed(1)
    direction = torch.randn(faces.shape, generator=generator, dtype=torch.float64)
    weights = torch.randn(outputs(network, faces).shape, generator=generator, dtype=torch.float64)
    anchor = faces.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((outputs(network, anchor) * weights).sum(), anchor)
    step = 1e-6
    ahead, behind = (outputs(network, faces + sign * step * direction) for sign in (1, -1))
    by_difference = ((ahead - behind) * weights).sum() / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), by_difference, rtol=1e-5, atol=1e-7)
    assert by_difference.abs() > 1e-4


def test_every_operation_of_the_table_is_tested() -> None:
    graphs = [read_graph(case.model, FILE, SIZE) for case in CASES.values()]
    assert {node.operation for graph in graphs for node in graph.nodes} == OPERATIONS.keys()


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("BatchNormalization", ["Sub", "Relu", SCALE_SHIFT, "Add", "Reshape"]),
        ("BatchNormalization, into Conv", ["Sub", "Conv", "Add", "Reshape"]),
        ("BatchNormalization, Conv is read twice", ["Sub", "Conv", SCALE_SHIFT, "Add", "Reshape"]),
        ("BatchNormalization, into Gemm", ["ReduceMean", "Gemm", "Add", "Reshape"]),
        ("Conv, quantised", ["Conv", "Reshape"]),
        ("Dropout", ["Sub", "Reshape"]),
    ],
)
def test_what_need_not_be_computed_is_not(name: str, left: list[str]) -> None:
    assert [node.operation for node in read_graph(CASES[name].model, FILE, SIZE).nodes] == left


def unread() -> Case:
    """A branch with an unknown operation on which nothing depends."""
    return Case([node("Hardmax", ["faces"], ["unread"]), node("Relu", ["faces"], ["y"])])


def test_what_nothing_reads_may_be_unknown() -> None:
    RecognizerNetwork(unread().model, UNCHANGED, FILE)


REFUSED = {
    "unknown operation": unary("Hardmax"),
    "elsewhere": unary("Relu", domain="elsewhere"),
    "not one per channel": constant("PRelu", normal(12)),
    "the last": unary("Softmax", 11, axis=2),
    "rounded up": unary("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "padded on one side": unary("AveragePool", kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
    "mode reflect": constant("Pad", integers(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"),
    "not constant numbers": constant("Clip", np.zeros(1, np.float32)),
    "its result is random": Case([node("RandomNormalLike", ["faces"], ["y"])]),
    "along all axes": unary("ReduceMean"),
    "training mode": Case(
        [node("BatchNormalization", ["faces", *normalisation(3)], ["y", "m", "v"], training_mode=1)], normalisation(3)
    ),
    "takes no keyword arguments": Case([node("Add", ["faces", "faces"], ["y"], broadcast=1)], opset=6),
    "by a table of indices": constant("Gather", integers(1, 0, 2, 2).reshape(2, 2), axis=2),
    r"weights of shape \[3, 12, 12\]": Case(
        [node("BatchNormalization", ["faces", *normalisation(3)], ["y"], spatial=0)],
        {name: np.abs(normal(3, 12, 12)) for name in normalisation(3)},
        opset=7,
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_another_form_is_refused_in_one_line_that_names_the_node(reason: str) -> None:
    case = REFUSED[reason]
    operation = case.nodes[-1].op_type
    case.nodes[-1].name = "culprit"
    with pytest.raises(WeightsError, match=rf"^{FILE}: node 'culprit' of type {operation} .*{reason}.*$") as error:
        RecognizerNetwork(case.model, UNCHANGED, FILE)
    assert "\n" not in str(error.value)


def test_the_frozen_prelu_has_the_output_and_the_gradient_of_torchs() -> None:
    x, slope = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True), torch.rand(5, dtype=torch.float64)
    found = [layer(x, slope) for layer in (FrozenPReLU.apply, functional.prelu)]
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in found]
    torch.testing.assert_close(*found, atol=0, rtol=0)
    torch.testing.assert_close(*gradients)
