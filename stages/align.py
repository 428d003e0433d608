"""Find the main face of each photo and align it. Photos without a usable face go to the rejects, with the reason."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftlgan import engine
from ftlgan.alignment import aligned_rows
from ftlgan.errors import one_line_errors
from ftlgan.faces import ALIGNED, REJECTS, count_faces, stream_faces, write_faces, write_table
from ftlgan.params import load_params
from ftlgan.progress import progress

RAW = Path("data/raw")


@one_line_errors
def main() -> None:
    params = load_params()
    align = params.align
    # With a list of pairs, test people may have a single photo.
    paired = ("val",) if params.dataset.has_pairs else ("val", "test")
    photos = progress((row for batch in stream_faces(RAW) for row in batch.to_pylist()), "align", count_faces(RAW))
    rejects: list[dict[str, Any]] = []
    where = engine.start(params.engine, params.ray_address)
    faces = aligned_rows(photos, align, rejects, paired, where)
    write_faces(Path("data/aligned"), ALIGNED, faces)
    count = Counter(reject["reason"].split(":")[0] for reject in rejects)
    print(
        f"align: {len(rejects)} photos rejected",
        *(f"{n} {reason}" for reason, n in count.most_common()),
        sep="; ",
        file=sys.stderr,
    )
    write_table(Path("data/rejects.parquet"), pa.Table.from_pylist(rejects, REJECTS))


if __name__ == "__main__":
    main()
