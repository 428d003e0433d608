"""Read the raw photos, without decoding them, and divide the people among train, val and test."""

from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.faces import write_faces
from ftlgan.params import load_params
from ftlgan.progress import progress
from ftlgan.sources.fetch import fetch, raw_schema
from ftlgan.sources.listed import listed_pairs
from ftlgan.verification.pair_list import write_pairs

PAIRS = Path("data/pairs.csv")


@one_line_errors
def main() -> None:
    params = load_params()
    count, photos = fetch(params.dataset, params.seed)
    write_faces(Path("data/raw"), raw_schema(params.dataset), progress(photos, "fetch", count, "photo"))
    write_pairs(PAIRS, listed_pairs(params.dataset))


if __name__ == "__main__":
    main()
