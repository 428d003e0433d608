"""A kit of generators that are not trained, and what is known of people who do not exist."""

from pathlib import Path

import pytest
from samples import KIT_SIZES, untrained
from sharing import MadeOnce

from ftlgan.alignment import Aligner, align_each
from ftlgan.faces import ALIGNED, FACES, encode_png, write_faces
from ftlgan.tool import pack


@pytest.fixture(scope="session")
def tables(made_once: MadeOnce, photos: Path) -> Path:
    """The tables raw and aligned of a pipeline whose people are all for the test."""

    def make(folder: Path) -> None:
        raw = [
            {"face_id": f"{path.parent.name}/{path.stem}", "identity": path.parent.name, "split": "test"}
            | {"image": path.read_bytes()}
            for path in sorted(photos.rglob("*.jpg"))
        ]
        write_faces(folder / "raw", FACES, raw)
        aligned = [
            row
            | {"image": encode_png(face.image), "landmarks": face.landmarks.ravel().tolist()}
            | {"detection_score": face.detection_score}
            for row, face in align_each(raw, lambda: Aligner(0.7, 30))
            if not isinstance(face, str)
        ]
        write_faces(folder / "aligned", ALIGNED, aligned)

    return made_once("tool-tables", make)


@pytest.fixture(scope="session")
def kit(made_once: MadeOnce, tables: Path) -> Path:
    """A kit for faces of 14 and of 40 px and more. Read only."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pack, "SIZES", KIT_SIZES)
            models = untrained(folder / "models", 14, 28, 56)
            pack.pack(models, tables, folder / "kit", 3, "people who do not exist", 100, seed=0)

    return made_once("tool-kit", make) / "kit"
