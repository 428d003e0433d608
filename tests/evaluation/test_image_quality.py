"""Image quality: the metrics are those of their definitions, of the right faces."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision.models import alexnet

from ftlgan.errors import DataError, WeightsError
from ftlgan.evaluation import image_quality
from ftlgan.evaluation.image_quality import Distance, load_lpips, measure
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.networks.images import to_tensor

HR = np.random.default_rng(0).integers(30, 220, (12, 112, 112, 3), dtype=np.uint8)
NOISE = np.random.default_rng(1).integers(-9, 10, HR.shape)


def rows(faces: np.ndarray) -> Iterator[dict[str, Any]]:
    for index, face in enumerate(faces):
        split = "train" if index == 3 else "test"
        yield {"face_id": f"p/{index}", "identity": "p", "split": split, "image": encode_png(face.astype(np.uint8))}


@pytest.fixture
def aligned(tmp_path: Path) -> Path:
    write_faces(tmp_path / "aligned", FACES, rows(HR))
    return tmp_path / "aligned"


def test_psnr_is_that_of_a_naive_loop_over_the_test_faces(aligned: Path, tmp_path: Path) -> None:
    write_faces(tmp_path / "restored", FACES, rows(HR + NOISE))
    naive = [10 * np.log10(255**2 / np.mean(NOISE[i].astype(float) ** 2)) for i in range(len(HR)) if i != 3]
    assert measure(tmp_path / "restored", aligned)["psnr"] == pytest.approx(np.mean(naive), rel=1e-5)


def test_ssim_is_one_for_the_same_face_and_less_for_another(aligned: Path, tmp_path: Path) -> None:
    write_faces(tmp_path / "restored", FACES, rows(HR))
    assert measure(tmp_path / "restored", aligned)["ssim"] == pytest.approx(1)
    write_faces(tmp_path / "restored", FACES, rows(np.roll(HR, 1, axis=0)))
    assert measure(tmp_path / "restored", aligned)["ssim"] < 0.1


def test_ssim_is_that_of_another_library(aligned: Path, tmp_path: Path) -> None:
    restored = (HR + NOISE).astype(np.uint8)
    write_faces(tmp_path / "restored", FACES, rows(restored))
    tested = [i for i in range(len(HR)) if i != 3]
    theirs = structural_similarity_index_measure(to_tensor(restored[tested]), to_tensor(HR[tested]), data_range=1.0)
    assert isinstance(theirs, torch.Tensor)
    assert measure(tmp_path / "restored", aligned)["ssim"] == pytest.approx(theirs.item(), abs=1e-5)


def test_shards_may_end_where_they_like(aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_faces(tmp_path / "whole", FACES, rows(HR + NOISE))
    monkeypatch.setattr("ftlgan.faces.FACES_PER_SHARD", 5)
    write_faces(tmp_path / "sharded", FACES, rows(HR + NOISE))
    assert len(list((tmp_path / "sharded").iterdir())) == 3
    assert measure(tmp_path / "sharded", aligned) == measure(tmp_path / "whole", aligned)


def test_faces_that_a_condition_left_out_are_no_part_of_the_mean(aligned: Path, tmp_path: Path) -> None:
    write_faces(tmp_path / "restored", FACES, list(rows(HR + NOISE))[4:])
    naive = [10 * np.log10(255**2 / np.mean(NOISE[i].astype(float) ** 2)) for i in range(4, len(HR))]
    assert measure(tmp_path / "restored", aligned)["psnr"] == pytest.approx(np.mean(naive), rel=1e-5)


OTHER = {**next(rows(HR)), "face_id": "p/another"}


@pytest.mark.parametrize("others", [list(rows(HR))[::-1], [*rows(HR), OTHER], [*rows(HR), *rows(HR)]])
def test_other_faces_are_refused(aligned: Path, tmp_path: Path, others: list[dict[str, Any]]) -> None:
    write_faces(tmp_path / "restored", FACES, others)
    with pytest.raises(DataError, match="its faces are not the test faces"):
        measure(tmp_path / "restored", aligned)


@pytest.fixture
def lpips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distance:
    """LPIPS of a random AlexNet, as the weights of the real one do not come with this project."""
    torch.manual_seed(0)
    weights = alexnet().state_dict()
    unused = {name: torch.zeros(1).expand(w.shape) for name, w in weights.items() if name.startswith("classifier")}
    path = tmp_path / "checkpoints/alexnet-owt-7be5be79.pth"
    path.parent.mkdir()
    torch.save(weights | unused, path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(image_quality, "ALEXNET_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return load_lpips()


def test_lpips_of_a_face_with_itself_is_0_and_grows_with_noise(aligned: Path, tmp_path: Path, lpips: Distance) -> None:
    distances: list[float] = []
    for times in (0, 1, 3):
        write_faces(tmp_path / "restored", FACES, rows((HR + times * NOISE).clip(0, 255)))
        distances.append(measure(tmp_path / "restored", aligned, lpips)["lpips"])
    assert distances[0] == 0 < distances[1] < distances[2]


@pytest.mark.parametrize("size", [5, 64])  # 11 test faces: in three batches, the last of a single face, and in one
def test_lpips_is_the_mean_over_the_test_faces(
    aligned: Path,
    tmp_path: Path,
    lpips: Distance,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setattr(image_quality, "BATCH", size)
    restored = (HR + NOISE).astype(np.uint8)
    write_faces(tmp_path / "restored", FACES, rows(restored))
    found = measure(tmp_path / "restored", aligned, lpips)["lpips"]
    naive = [lpips(restored[i : i + 1], HR[i : i + 1])[0] for i in range(len(HR)) if i != 3]
    assert found == pytest.approx(np.mean(naive), rel=1e-5)


def test_without_the_weights_one_line_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsError, match=r"alexnet-owt-7be5be79\.pth: is missing.*download https.*SHA-256 is 7be5"):
        load_lpips()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/alexnet-owt-7be5be79.pth").write_bytes(b"\x07")
    with pytest.raises(WeightsError, match=r"has SHA-256 [0-9a-f]{64}, expected 7be5be79[0-9a-f]{56}; delete it"):
        load_lpips()
