"""Writers of archives of faces, as insightface and WebDataset make them."""

import io
import struct
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)


def jpeg(number: int, size: int = 112) -> bytes:
    """An encoded image."""
    y, x = np.mgrid[:size, :size]
    pixels = np.stack([x + 3 * number, y + number, 2 * number + x - y], axis=-1).astype(np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def packed(label: float | tuple[float, ...], image: bytes = b"", key: int = 0) -> bytes:
    """Content of a record, as `mxnet.recordio.pack` makes it."""
    if isinstance(label, tuple):
        return struct.pack("<IfQQ", len(label), 0, key, 0) + struct.pack(f"<{len(label)}f", *label) + image
    return struct.pack("<IfQQ", 0, label, key, 0) + image


def record(content: bytes) -> bytes:
    """A record as dmlc-core writes it: in several parts where the content holds the magic number at a word."""
    cuts = [place for place in range(0, len(content) - 3, 4) if content[place : place + 4] == MAGIC]
    starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(content)]
    written = b""
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part = 0 if not cuts else 1 if number == 0 else 3 if number == len(cuts) else 2
        own = content[start:end]
        written += MAGIC + struct.pack("<I", part << 29 | len(own)) + own + b"\0" * (-len(own) % 4)
    return written


def write_recordio(folder: Path, people: Mapping[int, Iterable[bytes]], with_header: bool = True) -> dict[int, int]:
    """Write train.rec, train.idx and property, and return where each record begins, by key."""
    images = [(label, image) for label, own in people.items() for image in own]
    first = 1 if with_header else 0
    contents = [packed(float(label), image, key) for key, (label, image) in enumerate(images, first)]
    if with_header:
        end, ranges, begin = len(images) + 1, list[bytes](), 1
        for label in people:
            count = sum(1 for other, _ in images if other == label)
            ranges.append(packed((float(begin), float(begin + count))))
            begin += count
        contents = [packed((float(end), float(end + len(people)))), *contents, *ranges]
    folder.mkdir(parents=True, exist_ok=True)
    offsets, written = dict[int, int](), b""
    for key, content in enumerate(contents):
        offsets[key] = len(written)
        written += record(content)
    (folder / "train.rec").write_bytes(written)
    (folder / "train.idx").write_text("".join(f"{key}\t{offset}\n" for key, offset in offsets.items()))
    (folder / "property").write_text(f"{len(people)},112,112\n")
    return offsets


def write_tar(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
