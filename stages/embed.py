"""Embed the faces that one method restored, by every judge: `python stages/embed.py METHOD`."""

import sys
from pathlib import Path

from ftlgan import recognition
from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    method = sys.argv[1]
    for judge in load_params().recognition.judges:
        embed_faces(recognition.load(judge), Path("data/restored") / method, Path("data/probes") / method / judge)


if __name__ == "__main__":
    main()
