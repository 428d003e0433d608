"""`ftlgan draw`: an album of synthetic people, with a folder of photos for each, as the source `folder` takes it."""

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
People who do not exist: a folder of photos for each person, and in people.csv who they are.

Nobody was photographed for them. FTLGAN drew them, from MakeHuman's shapes, which are in the public domain (CC0). No
strings attached: use, change, share and sell these photos as you like, as if they were under CC0, and ask nobody.

Drawn with {origin}
by: ftlgan draw FOLDER --people PEOPLE --photos PHOTOS --seed {seed}

The same command draws the same photos, to the byte on any processor. More people or photos in the same folder leave
those that are there as they are: person-0007/0003.jpg depends on nothing but the seed.
"""
ORIGIN = "Drawn with "
"""How the line of `README` begins that decides whether photos belong together."""


def draw(folder: Path, people: int, photos: int, seed: int) -> None:
    """Draw people who do not exist into a folder, which the source `folder` takes as it is.

    A run that was interrupted goes on where it stopped, and more people or photos join those that are there. Beside
    `person-0000/0000.jpg`, ... the folder gets `README.txt` at the start and `people.csv` at the end: identity, gender,
    age in years, melanin (0 to 1) and the shares of ancestry.

    Args:
        folder: new, empty, or of an earlier run with the same seed and the same version of the drawing code.
        people: how many people, at least 1.
        photos: how many photos of each, at least 1.
        seed: which people and photos, at least 0.

    Raises:
        DataError: if a number is too small, the folder holds something else, or a file can't be written.
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
    """Make a folder ready for the photos of a seed, and keep other runs out of it meanwhile.

    Raises:
        DataError: if it can't be made, holds anything but photos of the same origin, or another run draws into it.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; people are drawn into a folder: choose another name")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    readme, origin = folder / "README.txt", _origin(seed)
    if readme.exists():
        lines = readme.read_text(encoding="utf-8", errors="replace").splitlines()
        theirs = next((line.removeprefix(ORIGIN) for line in lines if line.startswith(ORIGIN)), "something else")
        if theirs != origin:
            raise DataError(f"{folder}: was drawn with {theirs}, now it would be {origin}; choose an empty folder")
    elif any(not path.name.startswith(".") for path in folder.iterdir()):
        raise DataError(f"{folder}: holds files that `ftlgan draw` did not write; choose an empty folder")
    busy = f"{folder}: another `ftlgan draw` is at work in it; let it end, or choose another"
    with alone(folder / ".ftlgan.lock", busy):
        for half in folder.glob(".ftlgan-*.part"):  # of a run that was killed
            half.unlink()
        _write(folder, readme.name, README.format(origin=origin, seed=seed).encode())
        yield


def _origin(seed: int) -> str:
    """What decides the bytes of a photo, its number aside: the seed, and the code that draws."""
    code = hashlib.sha256()
    for module in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        if module != Path(__file__):
            code.update(module.read_bytes())
    software = ", ".join(f"{name} {version(name)}" for name in ("anny", "numpy", "pillow", "torch"))
    return f"seed {seed}, ftlgan {version('ftlgan')} (code {code.hexdigest()[:8]}), {software}"


def _traits_table(people: int, seed: int) -> bytes:
    """The traits of the first `people` people as CSV."""
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["identity", "gender", "age", "melanin", "african", "asian", "caucasian"])
    for identity, traits in synthetic.traits(people, seed):
        shares = (f"{share:.3f}" for share in (traits.melanin, *traits.ancestry))
        rows.writerow([identity, "male" if traits.male else "female", f"{traits.years:.1f}", *shares])
    return table.getvalue().encode()


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the folder whole or not at all: aside, then renamed.

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
