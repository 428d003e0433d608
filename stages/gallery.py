"""Embed the high-resolution faces: every face by the teacher, those of validation and test by the other judges."""

from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.faces import SPLITS
from ftlgan.params import load_params
from ftlgan.recognition import judge
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    params = load_params().recognition
    for name in dict.fromkeys([params.teacher, *params.judges]):
        splits = SPLITS if name == params.teacher else ("val", "test")
        embed_faces(judge.load(name), Path("data/aligned"), Path("data/gallery") / name, splits)


if __name__ == "__main__":
    main()
