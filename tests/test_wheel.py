"""A wheel holds all that the tool needs outside of the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from what git tracks, and unpack it as pip does."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in tracked.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "tree" / name).write_bytes((ROOT / name).read_bytes())
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "dist",
        "./tree",
    ]
    subprocess.run(build, cwd=folder, check=True)
    (wheel,) = (folder / "dist").glob("ftlgan-*-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *command: str) -> str:
    """Run a command of the unpacked wheel in a folder that is no project."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    program = [sys.executable, "-c", "import ftlgan; print(ftlgan.__file__); from ftlgan.cli import main; main()"]
    done = subprocess.run(
        [*program, *command], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    return done.stdout


@pytest.mark.slow
def test_a_wheel_restores_a_photo_and_verifies_embeddings(installed: Path, tmp_path: Path) -> None:
    photo = Image.fromarray(skimage.data.astronaut())
    photo.resize((150, 150)).save(tmp_path / "small.png")
    for person in ("a", "b"):
        (tmp_path / "people" / person).mkdir(parents=True)
        for turn in range(2):
            width = 200 + 20 * turn + (person == "b")
            photo.resize((width, width)).save(tmp_path / "people" / person / f"{turn}.png")
    run(installed, tmp_path, "restore", "small.png", "-o", "restored")
    assert Image.open(tmp_path / "restored/faces/small-1.png").size == (112, 112)
    run(installed, tmp_path, "embed", "people", "--recognizer", "sface", "-o", "faces.parquet")
    assert "d'" in run(installed, tmp_path, "verify", "faces.parquet")


def test_a_wheel_has_the_weights_the_licenses_and_the_type_marker(installed: Path) -> None:
    package = installed / "ftlgan"
    for name in ("py.typed", "weights/lfw/14.safetensors", "weights/lfw/28.safetensors", "weights/lfw/56.safetensors"):
        assert (package / name).is_file()
    source = {path.relative_to(ROOT / "src/ftlgan") for path in (ROOT / "src/ftlgan").rglob("*") if path.is_file()}
    expected = {path for path in source if "__pycache__" not in path.parts}
    assert expected <= {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
