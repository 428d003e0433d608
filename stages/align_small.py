"""Find and align the faces in the natively small photos of `dataset.small`."""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftlgan import engine
from ftlgan.alignment import small_rows
from ftlgan.errors import one_line_errors
from ftlgan.faces import ALIGNED, REJECTS, read_faces, write_faces, write_table
from ftlgan.params import Dataset, Params, load_params
from ftlgan.progress import progress
from ftlgan.sources import folder
from ftlgan.sources.place import photos_folder
from ftlgan.sources.records import open_records
from ftlgan.sources.small import open_small_photos

DATA = Path("data")


def people(params: Params) -> tuple[dict[str, str | None], set[str]]:
    """Return the split of each person (None if all photos were rejected), and the people who were not chosen."""
    raw, aligned = (read_faces(DATA / table, ["identity", "split"]) for table in ("raw", "aligned"))
    split_of: dict[str, str | None] = dict.fromkeys(raw["identity"].drop_null().to_pylist())
    split_of |= {who: split for who, split in zip(*aligned.to_pydict().values(), strict=True) if who is not None}
    return split_of, set(every_person(params.dataset)) - split_of.keys()


def every_person(dataset: Dataset) -> Collection[str]:
    """Return all people with high-resolution photos, also those who are not in the data set."""
    if dataset.source == "synthetic":
        return ()
    if dataset.source in folder.ARCHIVES:
        return open_records(dataset.source, folder.locate(dataset.path)).people.tolist()
    return folder.album(photos_folder(dataset))


@one_line_errors
def main() -> None:
    params = load_params()
    rejects: list[dict[str, Any]] = []
    faces = iter(())
    if params.dataset.has_small:
        place, limits = Path(params.dataset.small), params.dataset.limits
        count, photos = open_small_photos(place, *people(params), limits, rejects)
        where = engine.start(params.engine, params.ray_address)
        faces = small_rows(progress(photos, "align small faces", count), params.align, rejects, where)
    else:
        folder.check_unread("dataset.small", params.dataset.small)
    write_faces(DATA / "small", ALIGNED, faces)
    write_table(DATA / "small_rejects.parquet", pa.Table.from_pylist(rejects, REJECTS))
    if rejects:
        first = rejects[0]
        print(
            f"align_small: photos rejected: {len(rejects)}, see data/small_rejects.parquet; the first: "
            f"{first['face_id']}: {first['reason']}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
