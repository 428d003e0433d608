"""Mine triplets of the training people in one teacher's embedding space: `python stages/triplets.py TEACHER`."""

import sys
from itertools import chain
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.faces import embeddings_of, read_faces
from ftlgan.params import chosen, load_params
from ftlgan.triplets.mining import Space, mine, mine_native
from ftlgan.triplets.table import write_triplets


@one_line_errors
def main() -> None:
    params = load_params()
    (name,) = chosen(sys.argv[1:], params.recognition.teachers)
    faces = read_faces(Path("data/teacher") / name, splits=["train"])
    space = Space(faces["face_id"].to_numpy(), faces["identity"].to_numpy(), embeddings_of(faces))
    small = read_faces(Path("data/small"), ["face_id", "identity"], ["train"])
    native = small["face_id"].to_numpy(), small["identity"].to_numpy()
    triplets = mine(space, params.triplets, params.seed)  # runs first, to refuse people without a triplet
    write_triplets(
        Path("data/triplets") / name, chain(triplets, mine_native(*native, space, params.triplets, params.seed))
    )


if __name__ == "__main__":
    main()
