"""Embed the high-resolution faces of validation and test people by one judge: `python stages/gallery.py JUDGE`."""

import sys
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import chosen, load_params
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    (name,) = chosen(sys.argv[1:], load_params().recognition.judges)
    embed_faces(recognizers.load(name), Path("data/aligned"), Path("data/gallery") / name, ["val", "test"])


if __name__ == "__main__":
    main()
