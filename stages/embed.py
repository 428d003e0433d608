"""Embed the faces restored by one method or model, by one judge: `python stages/embed.py NAME JUDGE CONDITION`."""

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
    method, name, condition = chosen(sys.argv[1:], params.compared, params.recognition.judges, params.test.conditions)
    judge = recognizers.load(name, params.recognizers[name])
    restored, probes = (Path("data") / table / condition / method for table in ("restored", "probes"))
    embed_faces(judge, restored, probes / name, engine=engine.start(params.engine, params.ray_address))


if __name__ == "__main__":
    main()
