"""Embed the high-resolution faces of validation and test people by one judge: `python stages/gallery.py JUDGE`."""

import sys
from pathlib import Path

from ftlgan import engine
from ftlgan.errors import one_line_errors
from ftlgan.params import chosen, load_params
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    params = load_params()
    (name,) = chosen(sys.argv[1:], params.recognition.judges)
    judge = recognizers.load(name, params.recognizers[name])
    where = engine.start(params.engine, params.ray_address)
    embed_faces(judge, Path("data/aligned"), Path("data/gallery") / name, ["val", "test"], where)


if __name__ == "__main__":
    main()
