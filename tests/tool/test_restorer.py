"""`ftlgan.Restorer`, with generators that are not trained: what they give is known, it is bicubic interpolation."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import astronaut, group, untrained

import ftlgan
from ftlgan import Restorer
from ftlgan.errors import DataError, ParamsError, WeightsError
from ftlgan.faces import HR
from ftlgan.restoration.bicubic import Bicubic
from ftlgan.tool.restorer import LARGEST


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    return Restorer.load(untrained(tmp_path_factory.mktemp("weights"), 14, 28, 56))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("res", [14, 28, 56])
def test_faces_are_restored_by_the_generator_for_their_size(restorer: Restorer, res: int) -> None:
    faces = 80 + noise(11, res, res, 3) // 4  # Pillow clamps between rows and columns
    difference = restorer.restore(faces).astype(int) - Bicubic().restore(faces)
    assert np.abs(difference).max() <= 2


def test_a_tensor_gives_a_tensor(restorer: Restorer) -> None:
    faces = noise(2, 14, 14, 3)
    tensor = torch.from_numpy(faces).permute(0, 3, 1, 2) / 255
    restored = restorer.restore(tensor)
    assert restored.shape == (2, 3, HR, HR)
    assert 0 <= float(restored.min()) <= float(restored.max()) <= 1
    as_array = (restored * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(as_array, restorer.restore(faces))


@pytest.mark.parametrize(("size", "model"), [(8, 14), (LARGEST[14], 14), (LARGEST[14] + 1, 28), (LARGEST[56], 56)])
def test_the_size_of_a_face_chooses_the_generator(restorer: Restorer, size: int, model: int) -> None:
    assert restorer.model_for(size) == model
    [small], [face] = restorer.restore_each([noise(size, size, 3)], [size])
    assert small.shape == (model, model, 3)
    assert face.shape == (HR, HR, 3)


def test_a_large_face_is_left_as_it_is(restorer: Restorer) -> None:
    assert restorer.model_for(HR + 1) is None
    face = noise(HR, HR, 3)
    [_], [restored] = restorer.restore_each([face], [HR + 1])
    np.testing.assert_array_equal(restored, face)


def test_one_generator_restores_all_sizes(tmp_path: Path) -> None:
    [file] = untrained(tmp_path, 28)
    restorer = Restorer.load(file)
    assert [restorer.model_for(size) for size in (9, 28, 100)] == [28, 28, 28]


def test_no_faces_give_no_faces(restorer: Restorer) -> None:
    assert restorer.restore(np.empty((0, 14, 14, 3), np.uint8)).shape == (0, HR, HR, 3)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_every_face_of_a_photo_is_restored_and_put_back(restorer: Restorer, scale: int) -> None:
    photo = group(8)
    result = restorer.restore_photo(photo, scale)
    assert result.image.shape == (scale * photo.shape[0], scale * photo.shape[1], 3)
    assert [face.model for face in result.faces] == [restorer.model_for(face.size) for face in result.faces]
    assert {face.model for face in result.faces} == {14, 28}
    for face in result.faces:
        assert 13 < face.size < 20
        left, top, width, height = face.box
        assert 0 <= left < left + width <= photo.shape[1]
        assert 0 <= top < top + height <= photo.shape[0]
    [main] = restorer.restore_photo(photo, scale, main=True).faces
    assert min(np.abs(main.landmarks - face.landmarks).max() for face in result.faces) < 1


@pytest.mark.parametrize("weights", ["lfw", "free"])
def test_a_gray_photo_stays_gray(weights: str) -> None:
    photo = group(8)
    gray = np.repeat(photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    restorer = Restorer.load(weights)
    result = restorer.restore_photo(gray, 2)
    for image in (result.image, *(face.image for face in result.faces)):
        assert (image == image[..., :1]).all()
    in_color = restorer.restore_photo(photo, 2)
    assert not (in_color.image == in_color.image[..., :1]).all()


def test_a_photo_without_a_face_is_said(restorer: Restorer) -> None:
    with pytest.raises(DataError, match="the photo: no face found"):
        restorer.restore_photo(np.zeros((50, 50, 3), np.uint8))


@pytest.mark.parametrize(
    ("faces", "message"),
    [
        (np.zeros((2, 14, 14, 3)), "float64 of shape"),
        (np.zeros((14, 14, 3), np.uint8), "give RGB as uint8"),
        (np.zeros((2, 14, 15, 3), np.uint8), "15x14 px; give square ones"),
        (np.zeros((2, 113, 113, 3), np.uint8), "at most 112 px"),
        (torch.zeros(2, 14, 14, 3), "give RGB as float"),
    ],
)
def test_other_arrays_are_refused(restorer: Restorer, faces: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        restorer.restore(faces)


@pytest.mark.parametrize("scale", [0, 3])
def test_other_scales_are_refused(restorer: Restorer, scale: int) -> None:
    with pytest.raises(DataError, match=f"scale {scale}: give 1, 2 or 4"):
        restorer.restore_photo(astronaut(100), scale)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'lwf': is neither a packaged set nor a file"):
        Restorer.load("lwf")
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"x" * 100)
    with pytest.raises(WeightsError, match=r"other.safetensors: is not a whole safetensors file"):
        Restorer.load(other)
    with pytest.raises(DataError, match="holds no generator"):
        Restorer.load(tmp_path / "..")


def test_a_gpu_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ParamsError, match="device 'cuda': torch finds no GPU here; use cpu"):
        Restorer.load(device="cuda")


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = "import sys, ftlgan; print(sorted({'torch', 'numpy', 'cv2', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
    assert set(ftlgan.__all__) == {"Match", "Matcher", "RestoredFace", "RestoredPhoto", "Restorer", "match"}
    with pytest.raises(AttributeError, match="has no attribute 'restore'"):
        _ = ftlgan.restore  # pyright: ignore[reportAttributeAccessIssue]
