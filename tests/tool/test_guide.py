"""The blocks of the guide and of README.md that restore and match, run on real photos with the packaged weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documentation import DOCS, ROOT, Block, blocks
from PIL import Image
from samples import astronaut, group

GUIDED = [
    block
    for page in (ROOT / "README.md", DOCS / "guides/restore.md")
    for block in blocks(page)
    if "tests/tool/test_guide.py" in block.reason
]

SAID = next(block.text for block in blocks(DOCS / "guides/restore.md") if block.language == "text")
"""What the guide says that `ftlgan match` prints."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos with the names that the guide gives them."""
    for folder in ("my-photos", "more"):
        (tmp_path / folder).mkdir()
    Image.fromarray(group(8)).save(tmp_path / "my-photos" / "group.png")
    Image.fromarray(astronaut(128)).save(tmp_path / "more" / "photo.png")
    for name, side in (("photo.jpg", 128), ("small.jpg", 80), ("known.jpg", 512)):
        Image.fromarray(astronaut(side)).save(tmp_path / name, quality=95)
    return tmp_path


def test_the_guide_has_such_blocks() -> None:
    assert sorted(block.language for block in GUIDED) == ["bash", "bash", "python", "python"]


@pytest.mark.parametrize("block", GUIDED, ids=lambda block: block.place)
def test_a_block_runs(block: Block, photos: Path) -> None:
    lines = [block.text] if block.language == "python" else block.text.splitlines()
    for number, line in enumerate(lines):
        text = line.replace("-o restored", f"-o restored-{number}")
        command = [sys.executable, "-c", text] if block.language == "python" else ["bash", "-ec", text]
        done = subprocess.run(command, cwd=photos, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout or "restore_photo" in text
        if line == "ftlgan match small.jpg --reference known.jpg":
            assert SAID in done.stdout
    if "restored.png" in block.text:
        assert np.asarray(Image.open(photos / "restored.png")).shape == (256, 256, 3)
