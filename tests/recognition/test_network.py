"""Recognizers of the usual architectures, as torch exports them: the torch module does what onnxruntime does."""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from onnx_models import ARCHITECTURES, Batch, DepthWise, assemble, build, export, run
from torch import Tensor, nn
from torch.nn import functional

from ftlgan.errors import WeightsError
from ftlgan.recognition.network import RecognizerNetwork
from ftlgan.recognition.preprocessing import Preprocessing

FILE = "recognizer.onnx"


@cache
def exported(name: str, opset: int = 17, batch: Batch = "dynamic", folded: bool = True) -> onnx.ModelProto:
    return export(build(name), opset, batch, folded=folded)


def recognizer(model: onnx.ModelProto, preprocessing: Preprocessing = Preprocessing()) -> RecognizerNetwork:  # noqa: B008 - frozen
    return RecognizerNetwork(model, preprocessing, FILE)


@pytest.fixture(params=ARCHITECTURES)
def teacher(request: pytest.FixtureRequest) -> RecognizerNetwork:
    return recognizer(exported(request.param))


def as_tensor(faces: np.ndarray) -> Tensor:
    return torch.tensor(faces).permute(0, 3, 1, 2) / 255


def expected(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Embeddings by onnxruntime of what the file takes, (N, 3, S, S)."""
    outputs = run(model, pixels.astype(np.float32))
    return outputs / np.linalg.norm(outputs, axis=1, keepdims=True)


@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("batch", ["dynamic", "fixed"])
@pytest.mark.parametrize("opset", [11, 17])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_embeddings_are_those_of_onnxruntime(
    name: str, opset: int, batch: Batch, folded: bool, faces: np.ndarray
) -> None:
    model = exported(name, opset, batch, folded)
    reference = expected(model, (faces.transpose(0, 3, 1, 2) - 127.5) / 127.5)
    found = recognizer(model)(as_tensor(faces)).numpy()
    np.testing.assert_allclose(found, reference, atol=1e-5)
    assert np.abs(reference - reference[:1])[1:].max() > 1e-2  # else the faces would look the same to any network


def test_faces_are_prepared_as_the_file_expects(faces: np.ndarray) -> None:
    preprocessing = Preprocessing(112, "bgr", (104, 117, 123), (57, 58, 59))
    pixels = (faces[..., ::-1] - np.array([104, 117, 123])) / (57, 58, 59)
    model = exported("mobilefacenet")
    found = recognizer(model, preprocessing)(as_tensor(faces)).numpy()
    np.testing.assert_allclose(found, expected(model, pixels.transpose(0, 3, 1, 2)), atol=1e-5)


@pytest.mark.parametrize("size", [64, 160])
def test_faces_are_resized_as_opencv_does_it(size: int, faces: np.ndarray) -> None:
    model = assemble([helper.make_node("Flatten", ["faces"], ["embeddings"])], size=size)
    resized = np.stack([cv2.resize(face.astype(np.float32), (size, size)) for face in faces])
    reference = expected(model, ((resized - 127.5) / 127.5).transpose(0, 3, 1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        found = recognizer(model, Preprocessing(size))(as_tensor(faces)).numpy()
    np.testing.assert_allclose(found, reference, atol=1e-6)


def test_a_batch_is_its_faces_one_by_one(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces[:5])
    alone = torch.cat([teacher(face[None]) for face in batch])
    torch.testing.assert_close(teacher(batch), alone, atol=1e-6, rtol=0)


def test_no_faces_give_no_embeddings(teacher: RecognizerNetwork) -> None:
    assert len(teacher(torch.empty(0, 3, 112, 112))) == 0


def test_the_gradient_is_that_of_finite_differences(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    teacher.double()
    generator = torch.Generator().manual_seed(0)
    batch, direction = as_tensor(faces).double(), torch.randn(faces.shape, generator=generator).double().transpose(1, 3)
    weights = torch.randn(teacher(batch).shape, generator=generator).double()
    anchor = batch.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((teacher(anchor) * weights).sum(), anchor)
    by_gradient, step = (gradient * direction).flatten(1).sum(1), 1e-7
    ahead, behind = (teacher(batch + sign * step * direction) for sign in (1, -1))
    by_difference = ((ahead - behind) * weights).sum(1) / (2 * step)
    torch.testing.assert_close(by_gradient, by_difference, rtol=1e-4, atol=1e-6)
    assert by_gradient.abs().min() > 1e-4


def test_the_same_faces_give_the_same_bytes(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    def embed() -> list[Tensor]:
        batch = as_tensor(faces).requires_grad_()
        embeddings, features = teacher.features(batch)
        total = embeddings[:, 0].sum() + sum(layer.square().mean() for layer in features)
        return [embeddings, *features, *torch.autograd.grad(total, batch)]

    for first, second in zip(embed(), embed(), strict=True):
        torch.testing.assert_close(first, second, atol=0, rtol=0)


def test_bfloat16_is_close(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    found: list[list[Tensor]] = []
    for enabled in (False, True):
        batch = as_tensor(faces).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            embeddings, features = teacher.features(batch)
        assert embeddings.dtype == torch.float32
        (gradient,) = torch.autograd.grad((embeddings @ embeddings.detach()[0]).sum(), batch)
        found.append([embeddings, gradient[1:].flatten(1), *(layer.flatten(1) for layer in features)])
    limits = (0.99, 0.9, *(0.99,) * (len(found[0]) - 2))  # the gradient of the first, compared with itself, is 0
    for exact, rough, limit in zip(*found, limits, strict=True):
        assert functional.cosine_similarity(exact, rough.float()).min() > limit
        assert not torch.equal(exact, rough.float())


def test_no_parent_can_change_or_store_the_weights(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces)
    before = teacher(batch)
    parent = nn.ModuleDict({"teacher": teacher}).train().requires_grad_(True)
    assert not list(parent.parameters())
    assert not parent.state_dict()
    after = teacher(batch)
    assert not after.requires_grad
    torch.testing.assert_close(after, before, atol=0, rtol=0)


def test_all_that_a_network_computes_with_follows_it_to_a_device() -> None:
    nodes = [
        helper.make_node("Conv", ["faces", "kernel"], ["x"], strides=[8, 8]),
        helper.make_node("Mul", ["x", "two"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["embeddings"], axes=[2, 3], keepdims=0),
    ]
    constants = {"kernel": np.ones((4, 3, 8, 8), np.float32), "two": np.array(2, np.float32)}
    network = recognizer(assemble(nodes, constants, size=64), Preprocessing(64)).to("meta")
    embeddings = network(torch.empty(2, 3, 112, 112, device="meta"))
    assert embeddings.device.type == "meta"
    assert embeddings.shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("iresnet", [(8, 112), (8, 56), (16, 28), (32, 14)]),
        ("mobilefacenet", [(16, 56), (32, 28), (64, 14)]),
        ("edgenext", [(8, 28), (16, 14)]),
        ("vit", []),
    ],
)
def test_features_are_what_is_before_each_halving(name: str, shapes: list[tuple[int, int]], faces: np.ndarray) -> None:
    network, batch = recognizer(exported(name)), as_tensor(faces)
    embeddings, features = network.features(batch)
    torch.testing.assert_close(embeddings, network(batch), atol=0, rtol=0)
    assert [tuple(layer.shape) for layer in features] == [(len(faces), c, side, side) for c, side in shapes]


@pytest.mark.parametrize(
    ("name", "layers"),
    [("iresnet", (3, 5, 7, 9)), ("mobilefacenet", ((6, 3), (11, 3), (18, 3)))],
    ids=["before the residual block", "inside the block, expanded"],
)
def test_features_are_the_last_ones_of_their_resolution(
    name: str, layers: tuple[int | tuple[int, int], ...], faces: np.ndarray
) -> None:
    """In a residual block with stride 2, the shortcut bypasses the branch; a depthwise block has no shortcut."""
    network = build(name)
    assert isinstance(network, nn.Sequential)
    batch = as_tensor(faces)
    x, reached = batch * 2 - 1, list[Tensor]()
    for index, layer in enumerate(network):
        reached += [x] if index in layers else []
        for deeper in layers:
            if isinstance(deeper, tuple) and deeper[0] == index:
                assert isinstance(layer, DepthWise)
                reached.append(layer.body[: deeper[1]](x))
        x = layer(x)
    for found, wanted in zip(recognizer(exported(name)).features(batch)[1], reached, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_the_output_is_chosen_by_its_name(faces: np.ndarray) -> None:
    flat, mean = helper.make_node("Flatten", ["faces"], ["flat"]), helper.make_node("Relu", ["flat"], ["embeddings"])
    model = assemble([flat, mean])
    model.graph.output.append(helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["N", "D"]))
    embeddings = RecognizerNetwork(model, Preprocessing(), FILE, "flat")(as_tensor(faces))
    torch.testing.assert_close(embeddings, functional.normalize((as_tensor(faces) * 2 - 1).flatten(1)))
    for output in ("fc1", None):
        with pytest.raises(WeightsError, match=f"{FILE}: .*; name one of embeddings, flat"):
            RecognizerNetwork(model, Preprocessing(), FILE, output)


@pytest.mark.parametrize(
    ("size", "message"), [(64, "set size to its own"), (128, "set size to its own"), (112, "name another output")]
)
def test_faces_of_another_size_and_outputs_that_are_no_embeddings_are_refused(size: int, message: str) -> None:
    model = assemble([helper.make_node("Relu", ["faces"], ["embeddings"])])
    with pytest.raises(WeightsError, match=f"{FILE}: .*{message}"):
        recognizer(model, Preprocessing(size))


def test_a_second_input_is_refused() -> None:
    model = assemble([helper.make_node("Add", ["faces", "landmarks"], ["embeddings"])])
    model.graph.input.append(helper.make_tensor_value_info("landmarks", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(WeightsError, match=f"{FILE}: .*one input.*faces, landmarks"):
        recognizer(model)


class OfTheBatch(nn.Module):
    """Normalises faces by each other."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0, keepdim=True)).flatten(1)


class Torchs(nn.Module):
    """torch's attention, which reshapes to (tokens, N * heads, width), where the batch does not come first."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.reshape(len(x), 28 * 112, 12).transpose(0, 1)[:16]
        return self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(0, 1).flatten(1)


@pytest.mark.parametrize("batch", ["dynamic", "fixed"])
@pytest.mark.parametrize("mixing", [OfTheBatch, Torchs])
def test_what_would_mix_faces_is_refused(mixing: Callable[[], nn.Module], batch: Batch) -> None:
    with pytest.raises(WeightsError, match=f"^{FILE}: mixes faces, or reshapes a value"):
        recognizer(export(mixing().eval(), batch=batch))


def test_faces_that_the_file_scales_itself_are_no_feature(faces: np.ndarray) -> None:
    nodes = [
        helper.make_node("Sub", ["faces", "half"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["x"], strides=[2, 2]),
        helper.make_node("Conv", ["x", "kernel"], ["y"], strides=[2, 2]),
        helper.make_node("Flatten", ["y"], ["embeddings"]),
    ]
    constants = {"kernel": np.ones((3, 3, 2, 2), np.float32), "half": np.array(0.5, np.float32)}
    features = recognizer(assemble(nodes, constants)).features(as_tensor(faces))[1]
    assert [layer.shape for layer in features] == [(len(faces), 3, 56, 56)]
