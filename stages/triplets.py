"""Mine triplets among the training people, in the teacher's embedding space."""

from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.faces import embeddings_of, read_faces, write_table
from ftlgan.params import load_params
from ftlgan.triplets import Mining, mine


@one_line_errors
def main() -> None:
    params = load_params()
    gallery = read_faces(Path("data/teacher"), splits=["train"])
    face_ids, identities = (gallery[name].to_numpy() for name in ("face_id", "identity"))
    mining = Mining(**params.triplets.model_dump())
    write_table(Path("data/triplets.parquet"), mine(face_ids, identities, embeddings_of(gallery), mining, params.seed))


if __name__ == "__main__":
    main()
