"""insightface's RecordIO: `train.rec` with the faces, `train.idx` with their offsets, and optionally `property`.

It is the format of MS1MV2, MS1MV3, Glint360K, WebFace and others. Their faces are already aligned to 112x112. The files
are read without mxnet.

A record is a magic number, a word with its length, and its content, padded to four bytes: a header with the label of
the person, and the encoded image. Content that contains the magic number is split there into several parts. The first
record has no image: it tells which other records have none. Those give the range of the images of one person.

Source: recordio of dmlc-core, `pack` in python/mxnet/recordio.py, MXFaceDataset in recognition/arcface_torch/dataset.py
of deepinsight/insightface.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ftlgan.errors import DataError
from ftlgan.faces import HR
from ftlgan.progress import progress
from ftlgan.sources.records import Records

FACES, INDEX, PROPERTY = "train.rec", "train.idx", "property"
MAGIC = 0xCED7230A
LENGTH = 2**29 - 1
"""The mask of the length in the second word. The three bits above give the part of a record."""
WHOLE, FIRST, LAST = 0, 1, 3
"""The parts of a record. Parts between the first and the last have the number 2."""
WORDS, HEADER = struct.Struct("<II"), struct.Struct("<IfQQ")
"""Magic and length; then the number of labels after the header, the label if that is 0, and two unused numbers."""
RECORDS_PER_LOOK = 65536
START = WORDS.size + HEADER.size + 4
"""The number of bytes to read at the start of a record: up to the first label after the header."""
REMEDY = "copy both files again, from the same place"


@dataclass(frozen=True)
class _Table:
    """The contents of the starts of the records."""

    keys: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    """The length of the content, or of its first part if there are several."""
    parts: np.ndarray
    flags: np.ndarray
    """The number of labels after the header."""
    labels: np.ndarray
    """float32: the first label."""
    damaged: np.ndarray
    """bool: True if the bytes are not a valid record."""


def open_records(folder: Path) -> Records:
    """Scan the records of a folder.

    Raises:
        DataError: if a file is missing or can't be read, the files don't match, or the faces have another size.
    """
    for name in (FACES, INDEX):
        if not (folder / name).is_file():
            raise DataError(
                f"dataset.path: {folder} has no {name}; source recordio needs {FACES} and {INDEX} in one folder"
            )
    _check_property(folder / PROPERTY)
    file = os.open(folder / FACES, os.O_RDONLY)  # stays open while photos are read, until the stage ends
    table = _look(folder, file, *_read_index(folder))
    images = _images(table)
    usable = images[~table.damaged[images]]
    if not len(usable):
        raise DataError(f"dataset.path: {folder / FACES} has no faces; {REMEDY}")
    labels, who = np.unique(table.labels[usable].astype(np.int64), return_inverse=True)

    def read(row: int) -> bytes:
        return _content(file, table, usable[row])[HEADER.size + 4 * int(table.flags[usable[row]]) :]

    return Records(
        place=folder,
        people=np.array([f"{label:08}" for label in labels]),
        who=who,
        name=lambda row: f"{table.keys[usable[row]]:08}",
        read=read,
        damaged=tuple(f"{key:08}" for key in table.keys[images[table.damaged[images]]]),
    )


def _check_property(path: Path) -> None:
    """Check that the faces are 112x112, if there is a file `property`.

    Raises:
        DataError: if they are not.
    """
    if not path.is_file():
        return
    said = path.read_text(encoding="utf-8", errors="replace").strip()
    if said.split(",")[1:] != [str(HR)] * 2:
        raise DataError(
            f"dataset.path: {path} has {said[:50]!r}; expected the number of people and {HR},{HR}, the size of "
            "aligned faces"
        )


def _read_index(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys and offsets of the records, sorted by offset.

    Raises:
        DataError: if the file is not an index.
    """
    path, names = folder / INDEX, ["key", "offset"]
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.int64()), null_values=[]),
        )
    except (pa.ArrowInvalid, OSError) as error:
        said = " ".join(str(error).split())[:150]
        raise DataError(f"{path}: is not an index, a number and an offset per line ({said}); {REMEDY}") from None
    keys, offsets = (table[name].to_numpy() for name in names)
    if not len(keys) or offsets.min() < 0:
        raise DataError(f"{path}: is not an index, a number and an offset per line; {REMEDY}")
    if len(np.unique(keys)) < len(keys):
        raise DataError(f"{path}: lists a record twice; {REMEDY}")
    order = np.argsort(offsets, kind="stable")
    return keys[order], offsets[order]


def _look(folder: Path, file: int, keys: np.ndarray, offsets: np.ndarray) -> _Table:
    """Read the start of each record.

    Raises:
        DataError: if the index does not match these records.
    """
    size = os.fstat(file).st_size
    if offsets[-1] + WORDS.size > size:
        raise DataError(
            f"{folder / INDEX}: record {keys[-1]} begins at byte {offsets[-1]:,}, but {FACES} ends at {size:,}: it is "
            f"truncated or does not match; {REMEDY}"
        )
    content: Any = np.memmap(folder / FACES, np.uint8, "r")
    starts = [
        _starts(content, offsets[first : first + RECORDS_PER_LOOK])
        for first in progress(range(0, len(keys), RECORDS_PER_LOOK), "look", unit=f"{RECORDS_PER_LOOK:,} records")
    ]
    words = np.concatenate(starts)
    magic, length, flags = words[:, 0], words[:, 1], words[:, 2].astype(np.int64)
    lengths, parts = (length & LENGTH).astype(np.int64), length >> 29
    ends = offsets + WORDS.size + lengths
    no_record = (magic != MAGIC) | (parts > FIRST) | (ends > size)
    damaged = no_record | ((lengths < HEADER.size + 4 * flags) & (parts == WHOLE))
    if np.count_nonzero(no_record) * 2 > len(keys):
        first = int(np.argmax(no_record))
        raise DataError(
            f"{folder / INDEX}: does not match {FACES}: record {keys[first]} does not begin at byte "
            f"{offsets[first]:,}; {REMEDY}"
        )
    next_begins = np.append(offsets[1:], size)
    followed = (parts == WHOLE) & ~damaged & (ends + -ends % 4 < next_begins)
    for row in np.flatnonzero(followed):
        if row == len(keys) - 1 or _begins_record(file, int(ends[row] + -ends[row] % 4)):
            raise DataError(
                f"{folder / INDEX}: does not match {FACES}, which has more data after record {keys[row]}; {REMEDY}"
            )
    if offsets[0]:
        raise DataError(
            f"{folder / INDEX}: does not list the first record of {FACES}, which begins at byte 0; {REMEDY}"
        )
    single, following = words[:, 3].view(np.float32), words[:, 8].view(np.float32)
    labels = np.where(flags > 0, following, single)
    damaged |= ~((labels >= 0) & (labels < 2**31))
    return _Table(keys, offsets, lengths, parts, flags, labels, damaged)


def _starts(content: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the first words of the records, uint32 (N, 9), with 0 beyond the end of the file."""
    places = offsets[:, None] + np.arange(START)
    bytes_ = np.where(places < len(content), content[np.minimum(places, len(content) - 1)], 0)
    return np.ascontiguousarray(bytes_.astype(np.uint8)).view("<u4")


def _begins_record(file: int, offset: int) -> bool:
    return os.pread(file, WORDS.size, offset)[:4] == MAGIC.to_bytes(4, "little")


def _images(table: _Table) -> np.ndarray:
    """Return the rows of the records that should hold an image.

    The first record says which do. If it is damaged, these are all that hold more than labels.
    """
    first = int(np.argmin(table.keys))
    if table.keys[first] == 0 and table.flags[first] > 0 and not table.damaged[first]:
        return np.flatnonzero((table.keys > 0) & (table.keys < table.labels[first]))
    only_labels = (table.lengths == HEADER.size + 4 * table.flags) & (table.flags > 0) & ~table.damaged
    return np.flatnonzero(~only_labels)


def _content(file: int, table: _Table, row: int) -> bytes:
    """Read the content of a record. It is empty if a later part is damaged."""
    offset, length = int(table.offsets[row]) + WORDS.size, int(table.lengths[row])
    content, part = os.pread(file, length, offset), table.parts[row]
    while part in (FIRST, FIRST + 1):
        offset += length + -length % 4
        words = os.pread(file, WORDS.size, offset)
        if len(words) < WORDS.size or WORDS.unpack(words)[0] != MAGIC:
            return b""
        part, length = WORDS.unpack(words)[1] >> 29, WORDS.unpack(words)[1] & LENGTH
        offset += WORDS.size
        content += MAGIC.to_bytes(4, "little") + os.pread(file, length, offset)
    return content
