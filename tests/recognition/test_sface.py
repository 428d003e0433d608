import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from ftlgan.recognition.sface import FILE, PACKAGE, SHA256, SFace
from ftlgan.recognition.sface_network import FrozenPReLU, SFaceNetwork
from ftlgan.weights.packaged import packaged


@pytest.fixture(scope="module")
def sface() -> SFace:
    return SFace()


@pytest.fixture
def network() -> SFaceNetwork:
    return SFaceNetwork()


def as_tensor(faces: np.ndarray) -> torch.Tensor:
    return torch.tensor(faces).permute(0, 3, 1, 2) / 255


def test_undoing_the_quantisation_changes_nothing(sface: SFace, faces: np.ndarray) -> None:
    model = onnx.load(packaged(PACKAGE, FILE, SHA256))
    del model.graph.input[1:]  # weights that are listed as inputs too
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    as_shipped = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for face, embedding in zip(faces, sface.embed(faces), strict=True):
        (feature,) = as_shipped.run(None, {"data": face.transpose(2, 0, 1)[None].astype(np.float32)})
        assert isinstance(feature, np.ndarray)
        np.testing.assert_allclose(embedding, feature[0] / np.linalg.norm(feature), atol=1e-5)


def test_both_forms_give_the_same_embeddings(sface: SFace, network: SFaceNetwork, faces: np.ndarray) -> None:
    np.testing.assert_allclose(network(as_tensor(faces)).numpy(), sface.embed(faces), atol=1e-4)


def test_a_batch_is_its_faces_one_by_one(network: SFaceNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces)
    alone = torch.cat([network(face[None]) for face in batch])
    torch.testing.assert_close(network(batch), alone, atol=1e-5, rtol=0)


def test_the_gradient_reaches_every_face_and_no_weight(network: SFaceNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces).requires_grad_()
    network(batch)[:, 0].sum().backward()
    assert batch.grad is not None
    assert batch.grad.isfinite().all()
    assert batch.grad.flatten(1).norm(dim=1).min() > 0
    assert not any(weight.requires_grad for weight in network.buffers())


def test_no_parent_can_change_or_store_the_weights(network: SFaceNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces)
    expected = network(batch)
    parent = nn.ModuleDict({"teacher": network}).train().requires_grad_(True)
    assert not list(parent.parameters())
    assert not parent.state_dict()
    found = network(batch)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_all_that_the_network_computes_with_follows_it_to_a_device(network: SFaceNetwork) -> None:
    embeddings = network.to("meta")(torch.empty(2, 3, 112, 112, device="meta"))
    assert embeddings.device.type == "meta"
    assert embeddings.shape == (2, 128)


def test_the_frozen_prelu_has_the_output_and_the_gradient_of_torchs() -> None:
    x, slope = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True), torch.rand(5, dtype=torch.float64)
    outputs = [layer(x, slope) for layer in (FrozenPReLU.apply, torch.nn.functional.prelu)]
    gradients = [torch.autograd.grad(y.square().sum(), x)[0] for y in outputs]
    torch.testing.assert_close(*outputs, atol=0, rtol=0)
    torch.testing.assert_close(*gradients)


def test_bfloat16_points_the_gradient_where_float32_does(network: SFaceNetwork, faces: np.ndarray) -> None:
    gradients: list[torch.Tensor] = []
    for enabled in (False, True):
        batch = as_tensor(faces).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            embeddings = network(batch)
        (embeddings @ embeddings.detach()[0]).sum().backward()
        assert batch.grad is not None
        gradients.append(batch.grad.flatten(1))
    (exact, rough), others = gradients, slice(1, None)  # the first is compared with itself, where the gradient is 0
    assert torch.nn.functional.cosine_similarity(exact, rough)[others].min() > 0.8
