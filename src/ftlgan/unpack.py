"""`ftlgan unpack`: convert public sets into tables of faces for `ftlgan embed`, `degrade`, `verify` and `identify`."""

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ftlgan.alignment import AlignedFace, Aligner, SmallAligner, align_each, take_aligned
from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.new_folder import new_folder
from ftlgan.progress import progress
from ftlgan.sources import bin_set
from ftlgan.sources.folder import read
from ftlgan.sources.native_sets import FACES as FACES_TABLE
from ftlgan.sources.native_sets import GALLERY, PROBES, NativeSet, open_native_set

FACE_WIDTH = 30
"""The least width of a face in a high-resolution photo, pixels."""

Row = dict[str, Any]
"""A row of a face table."""


def unpack(source: Path, folder: Path, aligned: bool, detection_score: float) -> None:
    """Write the faces of a set, aligned to 112x112, as tables, and its pairs, if it has any, as pairs.csv.

    Args:
        source: an insightface .bin file (`ftlgan.sources.bin_set`), or the folder of a set of small faces
            (`ftlgan.sources.native_sets`).
        folder: a new or empty folder. For a set of small faces it gets a folder for each table (gallery, probes and
            possibly non_mated, or faces) and rejects.csv with the unusable photos and the reasons.
        aligned: whether the photos are square aligned faces, so that nothing is detected.
        detection_score: the lowest confidence of the detector, 0 to 1.

    Raises:
        ParamsError: if an option does not go with the source.
        DataError: if the source is not such a set, or the folder is not empty or can't be written.
    """
    if not source.exists():
        raise DataError(
            f"{source}: there is no such file or folder; give a verification set such as lfw.bin, or the folder of a "
            "set of small faces"
        )
    if not source.is_dir():
        if aligned:
            raise ParamsError(f"--aligned: is only for folders of photos, but {source} is a file; omit it")
        bin_set.unpack(source, folder)
        return
    if not 0 <= detection_score <= 1:
        raise ParamsError(f"--detection-score {detection_score:g}: a confidence is between 0 and 1")
    found = open_native_set(source)
    rejects: list[tuple[str, str, str]] = []
    usable: dict[str, set[str]] = {}
    lines: list[str] = []
    with new_folder(folder) as aside:
        for table, photos in found.tables.items():
            usable[table] = set()
            rows = _faces(found, table, aligned, detection_score, usable[table], rejects)
            count = write_faces(aside / table, FACES, progress(rows, f"unpack {table}", len(photos)))
            if not count:
                (_, name, reason) = next(reject for reject in rejects if reject[0] == table)
                advice = (
                    "omit --aligned to detect the faces"
                    if aligned
                    else "lower --detection-score, or give --aligned if they are aligned faces"
                )
                raise DataError(
                    f"{source}: none of the {len(photos)} photos of {table} is usable (the first: {name}, {reason}); "
                    f"{advice}"
                )
            lines.append(f"{folder}: {_counted(table, count, len(photos), usable[table], found)}")
        _write_csv(aside / "rejects.csv", ("table", "face_id", "reason"), rejects)
        if found.pairs:
            name = {path.stem: found.face_ids[path] for _, path in found.tables[FACES_TABLE]}
            pairs = [(name[one], name[other], int(genuine)) for one, other, genuine in found.pairs]
            _write_csv(aside / "pairs.csv", ("probe", "reference", "genuine"), pairs)
            lines.append(f"{folder}: {len(pairs)} pairs in pairs.csv")
    print(found.name, *lines, *_advice(usable), sep="\n")


def _counted(table: str, count: int, photos: int, usable: set[str], found: NativeSet) -> str:
    """Return how many faces of how many people are in a table, and how many are not."""
    people = len({who for who, _ in found.tables[table]})
    left_out = [f"{photos - count} of {photos} photos"] if count < photos else []
    left_out += [f"{people - len(usable)} of {people} people"] if len(usable) < people else []
    return f"{count} faces of {len(usable)} people in {table}" + (
        f"; left out, see rejects.csv: {', '.join(left_out)}" if left_out else ""
    )


def _advice(usable: Mapping[str, set[str]]) -> list[str]:
    """Return how to search for people who have no face in the gallery; nothing if there are none."""
    if GALLERY not in usable or not (lost := usable[PROBES] - usable[GALLERY]):
        return []
    return [
        f"no face in {GALLERY} for {len(lost)} of {len(usable[PROBES])} people in {PROBES}, such as {min(lost)}; give "
        "ftlgan identify the option --missing skip to leave their probes out"
    ]


def _faces(
    found: NativeSet,
    table: str,
    aligned: bool,
    detection_score: float,
    usable: set[str],
    rejects: list[tuple[str, str, str]],
) -> Iterator[Row]:
    """Yield aligned faces of 112x112, as rows of `ftlgan.faces.FACES`, and collect the people who have one."""
    rows = (
        {"face_id": found.face_ids[path], "identity": who, "split": "test", "image": read(path)}
        for who, path in found.tables[table]
    )
    taken = partial(take_aligned, why="--aligned")
    large, small = partial(Aligner, detection_score, FACE_WIDTH), partial(SmallAligner, detection_score)
    aligner = (lambda: taken) if aligned else large if found.large == table else small
    for row, face in align_each(rows, aligner):
        if isinstance(face, AlignedFace):
            usable.add(row["identity"])
            yield {**row, "image": encode_png(face.image)}
        else:
            rejects.append((table, row["face_id"], face))


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
