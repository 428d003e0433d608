"""The surface that everybody shares, and the cache of the model behind it."""

import os
from pathlib import Path

import numpy as np
import pytest

from ftlgan.errors import DataError
from ftlgan.sources.synthetic import anatomy
from ftlgan.sources.synthetic.anatomy import HumanModel


def test_halved_edges_keep_the_surface(model: HumanModel) -> None:
    bust = model.bust
    flat = np.linspace(0, 1, len(bust.template) - len(bust.edges), dtype=np.float32)[:, None]
    middles = bust.halve_edges(flat)[len(flat) :]
    np.testing.assert_allclose(middles, flat[bust.edges].mean(axis=1), rtol=1e-6)
    assert bust.faces.max() == len(bust.template) - 1


def test_the_face_is_as_fine_as_the_photos(model: HumanModel) -> None:
    """A pixel of a photo is about 1.5 mm wide."""
    corners = model.bust.template[model.bust.faces]
    face = (
        (corners[..., 1] < 0).all(axis=1) & (corners[..., 2] > -0.1).all(axis=1) & (corners[..., 2] < 0.05).all(axis=1)
    )
    edges = np.linalg.norm(corners[face][:, 0] - corners[face][:, 1], axis=1)
    assert np.median(edges) < 0.002


@pytest.mark.usefixtures("model")  # so that there is one on this machine
def test_a_model_that_is_not_whole_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = anatomy.model_folder()
    whole = next(kept.glob("v*/build_model_data_*.safetensors"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    broken = anatomy.model_folder() / whole.relative_to(kept)
    broken.parent.mkdir(parents=True)
    with whole.open("rb") as file:
        broken.write_bytes(file.read(1_000_000))
    with pytest.raises(DataError, match=r"anny.*is incomplete.*delete it"):
        HumanModel()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match="anny"):
        HumanModel()


def die(_staging: Path) -> None:
    os._exit(1)


def test_a_build_that_dies_is_one_line_and_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(anatomy, "_build_here", die)
    with pytest.raises(DataError, match="builds the human model was stopped"):
        HumanModel()
    assert not anatomy.model_folder().exists()
