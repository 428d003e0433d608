import numpy as np
import onnxruntime
import pytest
import torch
from onnx import helper

from ftlgan.recognition import Recognizer, recognizers
from ftlgan.recognition.network import RecognizerNetwork
from ftlgan.recognition.sface import FILE, PREPROCESSING, float_model, packaged_model


@pytest.fixture(scope="module")
def sface() -> Recognizer:
    return recognizers.load("sface")


@pytest.fixture
def teacher() -> RecognizerNetwork:
    return RecognizerNetwork(packaged_model(), PREPROCESSING, FILE)


def as_tensor(faces: np.ndarray) -> torch.Tensor:
    return torch.tensor(faces).permute(0, 3, 1, 2) / 255


def test_undoing_the_quantisation_changes_nothing(sface: Recognizer, faces: np.ndarray) -> None:
    model = packaged_model()
    del model.graph.input[1:]  # weights that are listed as inputs too
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    as_shipped = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for face, embedding in zip(faces, sface.embed(faces), strict=True):
        (feature,) = as_shipped.run(None, {"data": face.transpose(2, 0, 1)[None].astype(np.float32)})
        assert isinstance(feature, np.ndarray)
        np.testing.assert_allclose(embedding, feature[0] / np.linalg.norm(feature), atol=1e-5)


def test_both_forms_give_the_same_embeddings(sface: Recognizer, teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    np.testing.assert_allclose(teacher(as_tensor(faces)).numpy(), sface.embed(faces), atol=1e-5)


def test_a_batch_is_its_faces_one_by_one(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces)
    alone = torch.cat([teacher(face[None]) for face in batch])
    torch.testing.assert_close(teacher(batch), alone, atol=1e-5, rtol=0)


def test_the_gradient_reaches_every_face_and_no_weight(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    batch = as_tensor(faces).requires_grad_()
    teacher(batch)[:, 0].sum().backward()
    assert batch.grad is not None
    assert batch.grad.isfinite().all()
    assert batch.grad.flatten(1).norm(dim=1).min() > 0
    assert not any(weight.requires_grad for weight in teacher.buffers())


def test_all_that_the_network_computes_with_follows_it_to_a_device(teacher: RecognizerNetwork) -> None:
    embeddings = teacher.to("meta")(torch.empty(2, 3, 112, 112, device="meta"))
    assert embeddings.device.type == "meta"
    assert embeddings.shape == (2, 128)


@pytest.mark.slow
def test_bfloat16_points_the_gradient_where_float32_does(teacher: RecognizerNetwork, faces: np.ndarray) -> None:
    gradients: list[torch.Tensor] = []
    for enabled in (False, True):
        batch = as_tensor(faces).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            embeddings = teacher(batch)
        (embeddings @ embeddings.detach()[0]).sum().backward()
        assert batch.grad is not None
        gradients.append(batch.grad.flatten(1))
    (exact, rough), others = gradients, slice(1, None)  # the first is compared with itself, where the gradient is 0
    assert torch.nn.functional.cosine_similarity(exact, rough)[others].min() > 0.8


def test_features_are_the_last_ones_at_each_resolution_that_is_halved(
    teacher: RecognizerNetwork, faces: np.ndarray
) -> None:
    names = ["conv_2_relu", "conv_4_relu", "conv_6_relu", "conv_12_relu"]
    model = float_model()
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(names, {"data": faces.transpose(0, 3, 1, 2).astype(np.float32)})
    found = teacher.features(as_tensor(faces))[1]
    assert [layer.shape[2:] for layer in found] == [(112, 112), (56, 56), (28, 28), (14, 14)]
    for layer, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(layer.numpy(), np.asarray(wanted), atol=1e-4, rtol=1e-4)
