"""Faces that stay on disk, and are read and decoded on access, in any order.

The column of images of a face table is not compressed, so that each image is contiguous in its Parquet file. The
offsets are found once, while the table is read. After that, an image takes one read of some kB. No copy is made, and
memory does not grow with the table. `python tests/benchmarks/loading.py` compares this with other libraries.
"""

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from ftlgan.errors import DataError
from ftlgan.faces import decode_face, read_table, shards
from ftlgan.processes import available_cores

MOST_THREADS = 8
"""The largest number of threads that decode."""
NOWHERE = -1
"""The number of the file of a missing image, which is black."""


class StoredFaces:
    """Images of one size that stay on disk, indexed like an array.

    Args:
        paths: the files.
        files: int32 (N,): the number of each image's file, or `NOWHERE` for a black image.
        offsets: int64 (N,): the offset of each image in its file.
        lengths: int32 (N,): the length of each image, bytes.
    """

    def __init__(self, paths: Sequence[Path], files: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> None:
        self.paths, self.files, self.offsets, self.lengths = paths, files, offsets, lengths
        self._count = min(MOST_THREADS, available_cores())
        self._threads = ThreadPoolExecutor(self._count, "decode")
        first = self._decode(int(np.argmax(files != NOWHERE)))
        self.shape = (len(files), *(first.shape if first is not None else (0, 0, 3)))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return the images of rows: uint8 RGB (R, H, W, 3).

        Args:
            rows: int (R,), or a slice.

        Raises:
            DataError: if a file has changed.
        """
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        found = np.zeros((len(wanted), *self.shape[1:]), np.uint8)

        def fill(first: int) -> None:
            for place in range(first, len(wanted), self._count):
                if (image := self._decode(int(wanted[place]))) is not None:
                    found[place] = image

        for _ in self._threads.map(fill, range(self._count)):
            pass  # raises the errors of the threads
        return found

    def select(self, rows: np.ndarray) -> "StoredFaces":
        """Return the images of these rows, int (R,), still on disk, with a black image for each row below 0."""
        files = np.where(rows < 0, NOWHERE, self.files[rows])
        return StoredFaces(self.paths, files, self.offsets[rows], self.lengths[rows])

    def _decode(self, row: int) -> np.ndarray | None:
        file = int(self.files[row])
        if file == NOWHERE:
            return None
        path = self.paths[file]
        try:
            with path.open("rb", buffering=0) as stream:
                stream.seek(int(self.offsets[row]))
                return decode_face(stream.read(int(self.lengths[row])) or b"")
        except (DataError, OSError):
            raise DataError(f"{path}: changed while it was in use; run `dvc repro` again") from None


def find_faces(folder: Path, split: str) -> tuple[pa.Table, StoredFaces]:
    """Find the faces of one split in a face table.

    Returns:
        The table without its images, and the images, row by row.

    Raises:
        DataError: if the table is missing, has no faces of the split, or its images are compressed.
    """
    paths = shards(folder)
    tables: list[pa.Table] = []
    places: list[np.ndarray] = []
    for number, path in enumerate(paths):
        table = read_table(path)
        chosen = table["split"].to_numpy() == split
        found = np.array(list(_places(path, table["image"])), np.int64).reshape(-1, 2)[chosen]
        places.append(np.column_stack([np.full(len(found), number), found]))
        tables.append(table.drop(["image"]).filter(pa.array(chosen)))
    files, offsets, lengths = np.concatenate(places).T
    if not len(files):
        raise DataError(f"{folder}: has no faces of {split}; run `dvc repro` to write it again")
    return pa.concat_tables(tables), StoredFaces(paths, files.astype(np.int32), offsets, lengths.astype(np.int32))


def _places(path: Path, images: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Yield the offset of each image of a shard in its file, and its length.

    Parquet writes the values of a column in sequence, each after its length, with a header between pages. Equal values
    may be written once.

    Raises:
        DataError: if an image is not found.
    """
    if not len(images):
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin = content.find(_written(images[0].as_py()))
        place = begin
        for image in images:
            written = _written(image.as_py())
            if content[place : place + len(written)] != written:
                place = next((at for start in (place, begin) if (at := content.find(written, start)) >= 0), -1)
            if place < 0:
                raise DataError(f"{path}: its images are compressed; run `dvc repro` to write it again")
            place += len(written)
            yield place - len(written) + 4, len(written) - 4


def _written(image: bytes) -> bytes:
    """Return the bytes that Parquet writes for an image."""
    return len(image).to_bytes(4, "little") + image
