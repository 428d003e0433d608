import subprocess
import sys

import numpy as np
import pytest

from ftlgan.errors import DataError, ParamsError
from ftlgan.params import BUILT_IN
from ftlgan.recognition import Recognizer, recognizers, teacher


@pytest.fixture(scope="module", params=BUILT_IN)
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    return recognizers.load(request.param)


def test_embeddings_are_float32_rows_of_unit_length(recognizer: Recognizer, faces: np.ndarray) -> None:
    embeddings = recognizer.embed(faces)
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (len(faces), recognizer.dimension)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_different_images_have_different_embeddings(recognizer: Recognizer, faces: np.ndarray) -> None:
    similarity = recognizer.embed(faces) @ recognizer.embed(faces).T
    assert similarity[~np.eye(len(faces), dtype=bool)].max() < 0.999


def test_no_faces_give_no_embeddings(recognizer: Recognizer, faces: np.ndarray) -> None:
    embeddings = recognizer.embed(faces[:0])
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (0, recognizer.dimension)


def test_an_embedding_depends_neither_on_its_neighbours_nor_on_their_number(
    recognizer: Recognizer, faces: np.ndarray
) -> None:
    many = np.concatenate([faces, faces[::-1], faces, faces[:3]])  # more than one batch of SFace, and of dlib
    alone = {face.tobytes(): recognizer.embed(face[None])[0] for face in faces}
    for face, embedding in zip(many, recognizer.embed(many), strict=True):
        np.testing.assert_array_equal(embedding, alone[face.tobytes()])


def test_a_second_load_gives_the_same_bits(recognizer: Recognizer, faces: np.ndarray) -> None:
    np.testing.assert_array_equal(recognizers.load(recognizer.name).embed(faces), recognizer.embed(faces))


def test_a_view_with_other_strides_gives_the_same_bits(recognizer: Recognizer, faces: np.ndarray) -> None:
    mirrored = faces[:, :, ::-1]
    np.testing.assert_array_equal(recognizer.embed(mirrored), recognizer.embed(np.ascontiguousarray(mirrored)))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 112, 112, 3), np.float32),
        np.zeros((2, 3, 112, 112), np.uint8),
        np.zeros((112, 112, 3), np.uint8),
        np.zeros((2, 150, 150, 3), np.uint8),
    ],
)
def test_other_types_and_shapes_are_refused_by_name(recognizer: Recognizer, wrong: np.ndarray) -> None:
    with pytest.raises(DataError) as error:
        recognizer.embed(wrong)
    assert f"{wrong.dtype} of shape {wrong.shape}" in str(error.value)


def test_a_recognizer_says_who_it_is(recognizer: Recognizer) -> None:
    assert recognizer.name in BUILT_IN
    assert len(bytes.fromhex(recognizer.sha256)) == 32


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="'arcfase' is unknown: use one of sface, dlib"):
        recognizers.load("arcfase")


@pytest.mark.parametrize("name", ["dlib", "arcfase"])
def test_a_recognizer_without_gradient_is_refused_for_a_loss(name: str) -> None:
    with pytest.raises(ParamsError, match=f"'{name}' has no differentiable form.*use one of sface"):
        teacher.load(name)


def test_what_is_not_asked_for_is_not_imported() -> None:
    script = "import sys, ftlgan.recognition; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "ftlgan.recognition" in imported
    assert not {"torch", "onnx", "onnxruntime", "dlib", "cv2"} & set(imported)


@pytest.mark.parametrize("name", BUILT_IN)
def test_extraction_starts_without_torch(name: str) -> None:
    """Importing it takes seconds."""
    load = f"from ftlgan.recognition import recognizers; recognizers.load({name!r})"
    script = f"import sys; {load}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
