"""Inputs of `ftlgan embed`: a folder of photos, or a table of aligned faces. A resumed run skips the first faces."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ftlgan.alignment import AlignedFace, Row, align_each, aligner
from ftlgan.engine import PENDING_PER_CALL
from ftlgan.errors import DataError
from ftlgan.faces import HR
from ftlgan.params import Align
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.processes import available_cores, map_ahead
from ftlgan.sources import folder as album_folder

Item = TypeVar("Item")

NAMES = ("face_id", "identity", "split")
"""Columns that name a face. Only the first is required in a table."""
ROWS_PER_READ = 256


@dataclass(frozen=True, eq=False)
class Face:
    """A face to embed, or the reason why there is none."""

    names: dict[str, str | None]
    """The values of `Input.columns`. An unknown identity is None."""
    image: np.ndarray | str
    """uint8 RGB, (112, 112, 3), aligned to the ArcFace template; or the reason."""


class Input(Protocol):
    """Faces in a fixed order."""

    columns: tuple[str, ...]
    """The columns of `NAMES` that the input has."""
    unit: str
    """The unit of `count`: `photo` or `face`."""
    count: int
    """The number of faces or photos."""
    state: str
    """A digest of the files' names, sizes and times. It changes when a file does."""

    def faces(self, skip: int) -> Iterator[Face]:
        """Yield all but the first `skip` faces."""
        ...


def open_input(source: Path, align: Align) -> Input:
    """Open a Parquet file, a folder of Parquet files, or a folder of photos.

    Args:
        source: the file or folder.
        align: how faces are found in photos, or that photos are already aligned. A table always has aligned faces.

    Raises:
        DataError: if there is no such file or folder, or it has neither faces nor photos.
    """
    files = table_files(source)
    return Table(source, files) if files else Photos(source, align)


def table_files(source: Path) -> list[Path]:
    """Return the files of a table, in order: the file itself, or the Parquet files in a folder. A folder may have none.

    Raises:
        DataError: if there is no such file or folder.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError(f"{source}: there is no such file or folder; give a folder of photos or a table of faces")
    return sorted(path for path in source.glob("*.parquet") if path.is_file() and path.name[0] != ".")


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of `size`. The last list may be shorter."""
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group


class Photos:
    """A folder with one folder of photos per person, or with unlabeled photos."""

    unit = "photo"

    def __init__(self, folder: Path, align: Align) -> None:
        """List the photos.

        Args:
            folder: has one folder of photos per person, named by the identity; or only photos.
            align: see `open_input`.

        Raises:
            DataError: if there are no photos, or if some are in folders and some are not.
        """
        self._folder, self._align = folder, align
        self.columns: tuple[str, ...] = NAMES[:1]
        people = album_folder.album(folder)
        if album_folder.has_photos_outside_folders(folder):
            if people:
                raise DataError(
                    f"{folder}: has photos next to the folder {min(people)}; put each into the folder of its person, "
                    "or all photos into one folder if they are unlabeled"
                )
            self._rows: list[Row] = [{"face_id": self._name(path)} for path in album_folder.photos(folder)]
        elif people:
            self.columns = NAMES[:2]
            self._rows = [
                {"face_id": self._name(path), "identity": person} for person, paths in people.items() for path in paths
            ]
        else:
            raise DataError(f"{folder}: has no photos ({album_folder.COMMON_SUFFIXES} ...) and no .parquet file in it")
        self.count = len(self._rows)
        self.state = _state(folder, (folder / row["face_id"] for row in self._rows))

    def _name(self, photo: Path) -> str:
        return photo.relative_to(self._folder).as_posix()

    def faces(self, skip: int) -> Iterator[Face]:
        """Read and align the photos on all cores; see `Input.faces`."""
        for row, found in align_each(self._rows[skip:], partial(aligner, self._align), self._read):
            yield Face(row, found.image if isinstance(found, AlignedFace) else found)

    def _read(self, row: Row) -> bytes:
        try:
            return (self._folder / row["face_id"]).read_bytes()
        except OSError as error:
            raise NoFaceError(f"unreadable: {error.strerror}") from None


class Table:
    """A table of aligned faces, with the columns `image` and `face_id` and, optionally, `identity` and `split`."""

    unit = "face"

    def __init__(self, path: Path, files: list[Path]) -> None:
        """Check the columns.

        Args:
            path: the table's path as the user gives it.
            files: its Parquet files, in order.

        Raises:
            DataError: if a file is not Parquet or lacks a column, a face has no name, or a face_id repeats.
        """
        self._files = files
        self.columns = tuple(name for name in NAMES if name in _columns(files[0]))
        names: list[str] = []
        self._sizes: list[int] = []
        known = 0
        for file in files:
            if lacking := {"image", "face_id", *self.columns} - _columns(file):
                raise DataError(
                    f"{file}: has no column {min(lacking)}; a table of faces needs image and face_id, and identity and "
                    "split in all of its files or in none"
                )
            if not _is_binary(pq.read_schema(file).field("image").type):
                raise DataError(f"{file}: image is {pq.read_schema(file).field('image').type}, not an encoded image")
            table = _as_text(file, pq.read_table(file, columns=list(self.columns)))
            names += table.column("face_id").to_pylist()
            self._sizes.append(table.num_rows)
            if "identity" in self.columns:
                known += table.num_rows - table.column("identity").null_count
        self.count = len(names)
        if not known:  # as for a folder of unlabeled photos
            self.columns = tuple(name for name in self.columns if name != "identity")
        if not names:
            raise DataError(f"{path}: has no faces")
        found, counts = np.unique(names, return_counts=True)
        if (counts > 1).any():
            twice = found[np.argmax(counts > 1)]
            raise DataError(f"{path}: has {twice} {counts.max()} times; face_id must be unique")
        self.state = _state(path if path.is_dir() else path.parent, files)

    def faces(self, skip: int) -> Iterator[Face]:
        """Decode the images on all cores; see `Input.faces`.

        Raises:
            DataError: if an image is not 112x112 pixels.
        """
        threads = available_cores()
        with ThreadPoolExecutor(threads) as pool:
            yield from map_ahead(pool, self._decode, self._rows(skip), PENDING_PER_CALL * threads)

    def _rows(self, skip: int) -> Iterator[tuple[Path, Row]]:
        for path, size in zip(self._files, self._sizes, strict=True):
            if skip >= size:
                skip -= size
                continue
            for batch in self._batches(path):
                rows = _as_text(path, pa.Table.from_batches([batch]))
                yield from ((path, row) for row in rows.slice(skip).to_pylist())
                skip = max(0, skip - len(batch))

    def _batches(self, path: Path) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(ROWS_PER_READ, columns=["image", *self.columns])
        except (pa.ArrowException, OSError) as error:
            said = " ".join(str(error).split())[:200]
            raise DataError(f"{path}: is damaged ({said}); write it again") from None

    def _decode(self, item: tuple[Path, Row]) -> Face:
        path, row = item
        encoded = row.pop("image")
        try:
            image = read_photo(encoded or b"")
        except NoFaceError as reason:
            return Face(row, str(reason))
        height, width = image.shape[:2]
        if (height, width) != (HR, HR):
            raise DataError(
                f"{path}: {row['face_id']} has {width}x{height} px, not {HR}x{HR} as aligned faces in a table; give a "
                "folder of photos instead, or restore low-resolution faces first"
            )
        return Face(row, image)


def _columns(file: Path) -> set[str]:
    """Return the names of a Parquet file's columns.

    Raises:
        DataError: if it is not a Parquet file, or two columns have the same name.
    """
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"{file}: is not a Parquet table ({said}); give one, or a folder of photos") from None
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{file}: has the column {twice[0]} {names.count(twice[0])} times; give each its own name")
    return set(names)


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _as_text(file: Path, table: pa.Table) -> pa.Table:
    """Turn the columns of names into strings.

    Raises:
        DataError: if a column is not text, or a value other than an identity is missing.
    """
    for name in NAMES:
        if name not in table.column_names:
            continue
        column: Any = table.column(name)
        if column.null_count and name != "identity":
            raise DataError(f"{file}: {column.null_count} of {len(column)} rows have no {name}; give them one")
        try:
            table = table.set_column(table.column_names.index(name), name, column.cast(pa.string()))
        except pa.ArrowException:
            raise DataError(f"{file}: {name} is {column.type}, not text; write it as text") from None
    return table


def _state(folder: Path, files: Iterable[Path]) -> str:
    """Return a digest of the names (relative to a folder), sizes and times of files."""
    digest = hashlib.sha256()
    for file in files:
        found = file.stat()
        facts = [file.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns]
        digest.update(json.dumps(facts).encode() + b"\n")
    return digest.hexdigest()
