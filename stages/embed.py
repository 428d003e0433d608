"""Embed the faces restored by one method or model, by one judge: `python stages/embed.py NAME JUDGE CONDITION`."""

import sys
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import chosen, load_params
from ftlgan.recognition import recognizers
from ftlgan.recognition.embedding import embed_faces


@one_line_errors
def main() -> None:
    params = load_params()
    method, name, condition = chosen(sys.argv[1:], params.compared, params.recognition.judges, params.test.conditions)
    judge = recognizers.load(name, params.recognizers[name])
    embed_faces(judge, Path("data/restored") / condition / method, Path("data/probes") / condition / method / name)


if __name__ == "__main__":
    main()
