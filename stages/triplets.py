"""Mine triplets among the training people, in the teacher's embedding space."""

from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.faces import embeddings_of, read_faces, write_table
from ftlgan.params import load_params
from ftlgan.triplets import mine


@one_line_errors
def main() -> None:
    params = load_params()
    faces = read_faces(Path("data/teacher"), splits=["train"])
    face_ids, identities = (faces[name].to_numpy() for name in ("face_id", "identity"))
    triplets = mine(face_ids, identities, embeddings_of(faces), params.triplets, params.seed)
    write_table(Path("data/triplets.parquet"), triplets)


if __name__ == "__main__":
    main()
