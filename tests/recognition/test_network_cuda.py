"""On a GPU, where there is one: a recognizer in a loss does what it does on a CPU, replayed and the same twice."""

from collections.abc import Generator

import numpy as np
import pytest
import torch
from onnx import helper
from onnx_models import ARCHITECTURES, assemble, build, export
from torch import Tensor
from torch.nn import functional

from ftlgan.networks.device import autocast, cuda_graphed, prepare_device
from ftlgan.params import Precision
from ftlgan.recognition.network import RecognizerNetwork
from ftlgan.recognition.preprocessing import Preprocessing

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(params=ARCHITECTURES)
def teacher(request: pytest.FixtureRequest) -> Generator[RecognizerNetwork]:
    prepare_device("cuda", 0)
    yield RecognizerNetwork(export(build(request.param)), Preprocessing(color="bgr"), "recognizer.onnx")
    torch.set_deterministic_debug_mode("default")


def recognised(teacher: RecognizerNetwork, faces: Tensor, precision: Precision = "float32") -> list[Tensor]:
    """Embeddings, features and a gradient."""
    faces = faces.detach().clone().requires_grad_()
    with autocast(faces.device.type, precision):
        embeddings, features = teacher.features(faces)
    return [embeddings, *features, gradient(embeddings, features, faces)]


def gradient(embeddings: Tensor, features: list[Tensor], faces: Tensor) -> Tensor:
    total = embeddings[:, 0].sum() + sum(layer.float().square().mean() for layer in features)
    return torch.autograd.grad(total, faces)[0]


def as_tensor(faces: np.ndarray) -> Tensor:
    return torch.tensor(faces).permute(0, 3, 1, 2) / 255


def test_embeddings_features_and_gradients_are_those_of_a_cpu(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces)
    on_cpu = recognised(teacher, batch)
    on_gpu = recognised(teacher.to("cuda"), batch.cuda())
    for cpu, gpu in zip(on_cpu, on_gpu, strict=True):
        torch.testing.assert_close(gpu.cpu(), cpu, atol=1e-4, rtol=1e-3)


def test_resized_faces_are_those_of_a_cpu_and_repeat(faces: np.ndarray) -> None:
    prepare_device("cuda", 0)
    model = assemble([helper.make_node("Flatten", ["faces"], ["embeddings"])], size=160)
    network, batch = RecognizerNetwork(model, Preprocessing(160), "recognizer.onnx"), as_tensor(faces)
    on_cpu, (first, second) = recognised(network, batch), (recognised(network.to("cuda"), batch.cuda()) for _ in "ab")
    torch.set_deterministic_debug_mode("default")
    for cpu, a, b in zip(on_cpu, first, second, strict=True):
        torch.testing.assert_close(a.cpu(), cpu, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(a, b, atol=0, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_replayed_it_is_what_it_is_kernel_by_kernel(
    teacher: RecognizerNetwork, precision: Precision, faces: np.ndarray
) -> None:
    teacher.to("cuda")
    batch = as_tensor(faces).cuda()
    replayed = cuda_graphed(teacher.features, torch.zeros_like(batch, requires_grad=True), precision)
    for turned in (batch, batch.flip(3)):
        anchor = turned.clone().requires_grad_()
        embeddings, features = replayed(anchor)
        found = [layer.detach().clone() for layer in (embeddings, *features)]
        found.append(gradient(embeddings, features, anchor))
        for replay, expected in zip(found, recognised(teacher, turned, precision), strict=True):
            similarity = functional.cosine_similarity(replay.float().flatten(1), expected.float().flatten(1))
            assert similarity.min() > (0.9999 if precision == "float32" else 0.99)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_faces_give_the_same_bytes(
    teacher: RecognizerNetwork, precision: Precision, faces: np.ndarray
) -> None:
    teacher.to("cuda")
    batch = as_tensor(faces).cuda()
    for first, second in zip(recognised(teacher, batch, precision), recognised(teacher, batch, precision), strict=True):
        torch.testing.assert_close(first, second, atol=0, rtol=0)
