"""`ftlgan unpack`: a verification set of insightface (lfw.bin, cfp_fp.bin, agedb_30.bin) to faces and a list of pairs.

Such a file is a pickle of two lists: the encoded images, two per pair, and whether each pair is genuine. Its ten folds
are consecutive blocks of pairs, as scikit-learn's `KFold(10)` makes them.

Source: load_bin and calculate_roc in recognition/arcface_torch/eval/verification.py of deepinsight/insightface.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ftlgan.errors import DataError, writing
from ftlgan.faces import FACES, HR, encode_png, write_faces
from ftlgan.new_folder import new_folder
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.processes import available_cores, map_ahead
from ftlgan.progress import progress
from ftlgan.sources.bin_pickle import Call, UnreadableError, array_of, bytes_of, load

FOLDS = 10
PENDING_PER_THREAD = 16


@dataclass(frozen=True)
class BinSet:
    """The pairs of a verification set."""

    images: Sequence[bytes]
    """Encoded images. Pair k has the images 2 k and 2 k + 1."""
    genuine: Sequence[bool]
    """True for each pair of photos of one person."""


def unpack(source: Path, folder: Path) -> None:
    """Write the faces of a verification set as a table for `ftlgan embed`, and its pairs for `ftlgan verify`.

    Args:
        source: the .bin file.
        folder: a new or empty folder. It gets `faces/`, a table of `ftlgan.faces.FACES` whose identity is null, and
            `pairs.csv` with the columns probe, reference, fold and genuine.

    Raises:
        DataError: if the file is not a verification set, an image can't be read or is not square, or the folder is not
            empty or can't be written.
    """
    with new_folder(folder) as aside:
        found = read_bin_set(source)
        name = source.stem.encode(errors="replace").decode()
        names = [f"{name}/{pair:05}{side}" for pair in range(len(found.genuine)) for side in "ab"]
        sizes = Counter[int]()
        rows = progress(_faces(source, found.images, names, sizes), "unpack", len(names))
        write_faces(aside / "faces", FACES, rows)
        _write_pairs(aside / "pairs.csv", names, found.genuine)
    for size, count in sorted(sizes.items()):
        if size != HR:
            print(f"{source}: {count} faces of {size}x{size} px were resized to {HR}x{HR} (antialiased bicubic)")
    print(
        f"{folder}: {len(names)} faces in faces, {len(found.genuine)} pairs in pairs.csv, {sum(found.genuine)} of them "
        f"genuine; {min(FOLDS, len(found.genuine))} folds"
    )


def read_bin_set(path: Path) -> BinSet:
    """Read a verification set. No code in it is run, see `ftlgan.sources.bin_pickle`.

    Args:
        path: the .bin file, written by Python 2 or 3. Images are bytes, or arrays of bytes as OpenCV encodes them.

    Raises:
        DataError: if it is not a verification set.
    """
    match load(path):
        case (list() | tuple() as images, list() | tuple() | Call() as answers):
            pass
        case other:
            raise DataError(
                f"{path}: has {type(other).__name__}, not a list of images and a list of which pairs are genuine; give "
                "a verification set of insightface, such as lfw.bin"
            )
    found = BinSet([_image(path, number, image) for number, image in enumerate(images)], _answers(path, answers))
    if not found.genuine:
        raise DataError(f"{path}: has no pairs; get the set again")
    if len(found.images) != 2 * len(found.genuine):
        raise DataError(
            f"{path}: has {len(found.images)} images and {len(found.genuine)} pairs, not two images per pair; get the "
            "set again"
        )
    return found


def _image(path: Path, number: int, value: Any) -> bytes:
    try:
        return bytes_of(value)
    except UnreadableError as error:
        raise DataError(f"{path}: image {number} {error}; get the set again") from None


def _answers(path: Path, values: Any) -> list[bool]:
    if isinstance(values, Call):
        try:
            values = array_of(values).tolist()
        except UnreadableError as error:
            raise DataError(f"{path}: the list of which pairs are genuine {error}; get the set again") from None
    return [_answer(path, number, value) for number, value in enumerate(values)]


def _answer(path: Path, number: int, value: Any) -> bool:
    try:
        (answer,) = array_of(value).tolist() if isinstance(value, Call) else (value,)
    except (UnreadableError, ValueError):
        answer = value
    if not isinstance(answer, int) or answer not in (0, 1):
        raise DataError(f"{path}: pair {number} has the answer {answer!a:.40}, not True or False; get the set again")
    return bool(answer)


def _faces(path: Path, images: Sequence[bytes], names: Sequence[str], sizes: Counter[int]) -> Iterator[dict[str, Any]]:
    """Yield rows of `ftlgan.faces.FACES`, and count the faces by their size."""

    def decode(item: tuple[int, bytes]) -> tuple[int, bytes]:
        number, image = item
        try:
            face = read_photo(image)
        except NoFaceError as reason:
            raise DataError(f"{path}: image {number}, {names[number]}, is {reason}; get the set again") from None
        height, width = face.shape[:2]
        if height != width:
            raise DataError(
                f"{path}: image {number}, {names[number]}, has {width}x{height} px, but aligned faces are square; "
                "align the photos again"
            )
        return width, encode_png(face if width == HR else _resized(face))

    threads = available_cores()
    with ThreadPoolExecutor(threads) as pool:
        decoded = map_ahead(pool, decode, enumerate(images), PENDING_PER_THREAD * threads)
        for name, (size, image) in zip(names, decoded, strict=True):
            sizes[size] += 1
            yield {"face_id": name, "identity": None, "split": "test", "image": image}


def _resized(face: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(face).resize((HR, HR), Image.Resampling.BICUBIC))


def _write_pairs(path: Path, names: Sequence[str], genuine: Sequence[bool]) -> None:
    folds = [fold for fold, block in enumerate(np.array_split(genuine, FOLDS), 1) for _ in block]
    with writing(path), path.open("w", encoding="utf-8", newline="\n") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["probe", "reference", "fold", "genuine"])
        table.writerows(zip(names[::2], names[1::2], folds, map(int, genuine), strict=True))
