"""Mine triplets among the training people, in the space of one teacher: `python stages/triplets.py TEACHER`."""

import sys
from pathlib import Path

import pyarrow as pa

from ftlgan.errors import one_line_errors
from ftlgan.faces import embeddings_of, read_faces, write_table
from ftlgan.params import chosen, load_params
from ftlgan.triplets import mine, mine_native


@one_line_errors
def main() -> None:
    params = load_params()
    (name,) = chosen(sys.argv[1:], params.recognition.teachers)
    faces = read_faces(Path("data/teacher") / name, splits=["train"])
    face_ids, identities = (faces[column].to_numpy() for column in ("face_id", "identity"))
    space = face_ids, identities, embeddings_of(faces), params.triplets, params.seed
    triplets = mine(*space)  # first: it refuses people of whom there is no triplet
    small = read_faces(Path("data/small"), splits=["train"])
    native = mine_native((small["face_id"].to_numpy(), small["identity"].to_numpy()), *space)
    write_table(Path("data/triplets") / f"{name}.parquet", pa.concat_tables([triplets, native]))


if __name__ == "__main__":
    main()
