"""`ftlgan draw`: writes a folder with one folder of photos per synthetic person, for the source `folder`."""

import csv
import hashlib
import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ftlgan.errors import DataError, writing
from ftlgan.locking import alone
from ftlgan.progress import progress
from ftlgan.sources import synthetic

README = """\
Synthetic people, who do not exist: a folder of photos for each person, and their traits in people.csv.

Nobody was photographed. FTLGAN drew them from MakeHuman's shapes, which are in the public domain (CC0). You may use,
change, share and sell these photos without asking, as if they were under CC0.

Drawn with {origin}
by: ftlgan draw FOLDER --people PEOPLE --photos PHOTOS --seed {seed}

The same command draws byte-identical photos on any processor. Drawing more people or photos into the same folder does
not change the existing ones: person-0007/0003.jpg depends only on the seed.
"""
ORIGIN = "Drawn with "
"""The start of the line of `README` that names the origin of the photos."""


def draw(folder: Path, people: int, photos: int, seed: int) -> None:
    """Draw synthetic people into a folder that the source `folder` can read.

    An interrupted run can be resumed, and a later run can add people or photos. In addition to
    `person-0000/0000.jpg`, ... it writes `README.txt` at the start, and at the end `people.csv` with identity, gender,
    age in years, melanin (0 to 1) and the shares of ancestry.

    Args:
        folder: a new or empty folder, or that of an earlier run with the same seed and the same drawing code.
        people: number of people, at least 1.
        photos: number of photos of each person, at least 1.
        seed: seed of people and photos, at least 0.

    Raises:
        DataError: if a number is too small, the folder has other contents, or a file can't be written.
    """
    done = {(path.parent.name, path.name) for path in folder.glob("person-*/*.jpg") if path.stat().st_size}
    wanted = {(name, synthetic.file_name(j)) for name in synthetic.people(people) for j in range(photos)}
    photographs = synthetic.photographs(people, photos, seed, skip=done)
    with _open_album(folder, seed):
        for identity, name, photo in progress(photographs, "draw", len(wanted - done), "photo"):
            _write(folder, f"{identity}/{name}", photo)
        people_in_folder = sum(1 for _ in folder.glob("person-*"))
        _write(folder, "people.csv", _traits_table(max(people, people_in_folder), seed))


@contextmanager
def _open_album(folder: Path, seed: int) -> Generator[None, None, None]:
    """Prepare a folder for the photos of a seed, and keep other runs out of it during the block.

    Raises:
        DataError: if it can't be made, has anything but photos of the same origin, or another run draws into it.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file, not a folder; choose another name")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    readme, origin = folder / "README.txt", _origin(seed)
    if readme.exists():
        lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
        theirs = next((line.removeprefix(ORIGIN) for line in lines if line.startswith(ORIGIN)), "something else")
        if theirs != origin:
            raise DataError(f"{folder}: was drawn with {theirs}, but this is {origin}; choose an empty folder")
    elif any(not path.name.startswith(".") for path in folder.iterdir()):
        raise DataError(f"{folder}: has files that `ftlgan draw` did not write; choose an empty folder")
    busy = f"{folder}: is in use by another `ftlgan draw`; wait for it to end, or choose another folder"
    with alone(folder / ".ftlgan.lock", busy):
        for half in folder.glob(".ftlgan-*.part"):  # from a killed run
            half.unlink()
        _write(folder, readme.name, README.format(origin=origin, seed=seed).encode())
        yield


def _origin(seed: int) -> str:
    """Return everything that determines the bytes of a photo except its number: the seed and the drawing code."""
    code = hashlib.sha256()
    for module in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        if module != Path(__file__):
            code.update(module.read_bytes())
    software = ", ".join(f"{name} {version(name)}" for name in ("anny", "numpy", "pillow", "torch"))
    return f"seed {seed}, ftlgan {version('ftlgan')} (code {code.hexdigest()[:8]}), {software}"


def _traits_table(people: int, seed: int) -> bytes:
    """Return the traits of the first `people` people as CSV."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["identity", "gender", "age", "melanin", "african", "asian", "caucasian"])
    for identity, traits in synthetic.traits(people, seed):
        shares = (f"{share:.3f}" for share in (traits.melanin, *traits.ancestry))
        rows.writerow([identity, "male" if traits.male else "female", f"{traits.years:.1f}", *shares])
    return table.getvalue().encode()


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the folder atomically.

    Raises:
        DataError: if it can't be written, e.g. because the disk is full.
    """
    path, aside = folder / name, folder / f".ftlgan-{os.getpid()}.part"
    try:
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            aside.write_bytes(content)
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
