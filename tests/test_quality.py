"""Image quality: the figures are those of their definitions, of the right faces."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import alexnet

from ftlgan.errors import DataError, WeightsError
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.networks import lpips
from ftlgan.quality import measure

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


def test_shards_may_end_where_they_like(aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_faces(tmp_path / "whole", FACES, rows(HR + NOISE))
    monkeypatch.setattr("ftlgan.faces.FACES_PER_SHARD", 5)
    write_faces(tmp_path / "sharded", FACES, rows(HR + NOISE))
    assert len(list((tmp_path / "sharded").iterdir())) == 3
    assert measure(tmp_path / "sharded", aligned) == measure(tmp_path / "whole", aligned)


@pytest.mark.parametrize("others", [list(rows(HR))[::-1], list(rows(HR))[:-1], [*rows(HR), *rows(HR)]])
def test_other_faces_are_refused(aligned: Path, tmp_path: Path, others: list[dict[str, Any]]) -> None:
    write_faces(tmp_path / "restored", FACES, others)
    with pytest.raises(DataError, match="its faces are not the test faces"):
        measure(tmp_path / "restored", aligned)


def test_lpips_of_a_face_with_itself_is_0_and_grows_with_noise(aligned: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = lpips.Lpips(alexnet().state_dict())
    far: list[float] = []
    for times in (0, 1, 3):
        write_faces(tmp_path / "restored", FACES, rows((HR + times * NOISE).clip(0, 255)))
        far.append(measure(tmp_path / "restored", aligned, network)["lpips"])
    assert far[0] == 0 < far[1] < far[2]


def test_without_the_weights_one_line_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(WeightsError, match=r"alexnet-owt-7be5be79\.pth: is missing.*download https.*begins with 7be5"):
        lpips.load_lpips()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/alexnet-owt-7be5be79.pth").write_bytes(b"\x07")
    with pytest.raises(WeightsError, match="does not begin with 7be5be79; delete it"):
        lpips.load_lpips()
