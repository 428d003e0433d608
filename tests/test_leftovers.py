"""What is no longer named is removed if DVC can bring it back, and nothing else."""

from pathlib import Path

import pytest

from ftlgan.leftovers import remove_leftovers


@pytest.fixture
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of outputs in a project."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/restored")
    for name in ("bicubic", "esrgan-like", "looked-at"):
        (folder / name).mkdir(parents=True)
        (folder / name / "faces.parquet").touch()
    (folder / "esrgan-like.json").touch()
    (folder / ".gitignore").touch()
    made = ("bicubic", "esrgan-like", "esrgan-like.json")
    Path("dvc.lock").write_text("".join(f"    - path: {folder}/{name}\n      hash: md5\n" for name in made))
    return folder


def test_what_dvc_has_made_and_params_do_not_name_goes(restored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove_leftovers(restored, ["bicubic", "ftlgan"])
    assert {path.name for path in restored.iterdir()} == {".gitignore", "bicubic", "looked-at"}
    assert "data/restored/esrgan-like: nothing in params.yaml is of this name" in capsys.readouterr().out


def test_a_link_goes_and_what_it_points_to_stays(restored: Path, tmp_path: Path) -> None:
    Path(restored / "esrgan-like").rename("elsewhere")
    (restored / "esrgan-like").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(restored, ["bicubic"])
    assert not (restored / "esrgan-like").is_symlink()
    assert Path("elsewhere/faces.parquet").exists()


def test_without_a_lock_nothing_goes(restored: Path) -> None:
    Path("dvc.lock").unlink()
    remove_leftovers(restored, [])
    assert len(list(restored.iterdir())) == 5
