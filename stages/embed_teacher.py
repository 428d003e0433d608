"""Embed the high-resolution faces of training and validation people by the teacher, which the loss compares with."""

from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    teacher = recognizers.load(load_params().recognition.teacher)
    embed_faces(teacher, Path("data/aligned"), Path("data/teacher"), ["train", "val"])


if __name__ == "__main__":
    main()
