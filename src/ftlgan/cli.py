"""The command line: `ftlgan COMMAND`. A command is a function of its arguments, and imports what it needs itself."""

import argparse
import csv
import hashlib
import io
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ftlgan.errors import DataError, one_line_errors, writing
from ftlgan.progress import progress

README = """\
People who do not exist: a folder of photos for each person, and in people.csv who they are.

Nobody was photographed for them. FTLGAN drew them, from MakeHuman's shapes, which are in the public domain (CC0). No
strings attached: use, change, share and sell these photos as you like, as if they were under CC0, and ask nobody.

Drawn with {origin}
by: ftlgan draw FOLDER --people PEOPLE --photos PHOTOS --seed {seed}

The same command draws the same photos, to the byte on the same platform. More people or photos in the same folder leave
those that are there as they are: person-0007/0003.jpg depends on nothing but the seed.
"""
ORIGIN = "Drawn with "
"""How the line of `README` begins that decides whether photos belong together."""


@one_line_errors
def main() -> None:
    """The program `ftlgan`."""
    arguments = vars(_parser().parse_args())
    arguments.pop("command")(**arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftlgan", description="Face super-resolution that is trained and judged by face recognition."
    )
    parser.add_argument("--version", action="version", version=f"ftlgan {version('ftlgan')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, function: Callable[..., None], about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        command.set_defaults(command=function)
        return command

    command = add("draw", draw, "draw photos of people who do not exist, free for any use")
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder, or one to go on with")
    command.add_argument("--people", type=int, default=200, metavar="N", help="how many people (default: %(default)s)")
    command.add_argument("--photos", type=int, default=6, metavar="N", help="photos of each (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="which people (default: %(default)s)")

    command = add("verify", verify, "judge embeddings or scores that anyone made: d', AUC, EER, FNMR, with intervals")
    command.add_argument(
        "table", type=Path, metavar="TABLE", help="embeddings (Parquet file or folder) or scores (.csv)"
    )
    command.add_argument(
        "--references", type=Path, metavar="TABLE", help="embeddings to compare with, instead of within"
    )
    command.add_argument("--pairs", type=Path, metavar="FILE", help="compare these pairs: a CSV, or LFW's pairs.txt")
    command.add_argument("--split", metavar="NAME", help="whose faces (default: test, if there is one; else all)")
    command.add_argument(
        "--fmr", type=float, nargs="+", default=[1e-2, 1e-3], metavar="RATE", help="FNMR at these (default: 0.01 0.001)"
    )
    command.add_argument("--replicates", type=int, default=1000, metavar="N", help="draws of people (default: 1000)")
    command.add_argument("--confidence", type=float, default=0.95, metavar="LEVEL", help="of intervals (default: 0.95)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")
    command.add_argument("--json", dest="json_file", metavar="FILE", help="write the report there, too; -: here, alone")

    command = add("compare", compare, "put the results of runs at several resolutions side by side")
    command.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="an experiment, a commit or a folder of metrics (default: experiments of this commit, and what is here)",
    )
    command.add_argument(
        "--to",
        type=Path,
        default=Path("metrics/comparison"),
        metavar="FOLDER",
        help="where to write it (default: %(default)s)",
    )
    return parser


def compare(runs: list[str], to: Path) -> None:
    """Print what runs found at each resolution, and write it as `comparison.md`, `comparison.csv` and `d_prime.png`.

    Args:
        runs: experiments, commits or folders; none for the experiments of the commit that is checked out.
        to: the folder to write.

    Raises:
        DataError: if there is no such run, or the runs can't be compared.
        ParamsError: if this is not the root of a project.
    """
    from ftlgan.comparison.figure import resolution_figure
    from ftlgan.comparison.markdown import to_markdown
    from ftlgan.comparison.runs import find_runs
    from ftlgan.comparison.table import compare_runs, write_csv
    from ftlgan.figures import save
    from ftlgan.params import load_params

    found = find_runs(runs)
    rows = compare_runs(found, load_params().recognition.teacher)
    text, figure = to_markdown(rows, found), resolution_figure(rows)
    with writing(to):
        to.mkdir(parents=True, exist_ok=True)
        (to / "comparison.md").write_text(text)
        write_csv(to / "comparison.csv", rows)
        save(figure, to / "d_prime.png")
    print(text)
    print(f"Written to {to}: comparison.md, comparison.csv, d_prime.png")


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
    from ftlgan.sources import synthetic

    there = {(path.parent.name, path.name) for path in folder.glob("person-*/*.jpg") if path.stat().st_size}
    drawn = synthetic.photographs(people, photos, seed, skip=there)
    names = {(name, synthetic.file_name(j)) for name in synthetic.people(people) for j in range(photos)}
    with _open_album(folder, seed):
        for identity, name, photo in progress(drawn, "draw", len(names - there), "photo"):
            _write(folder, f"{identity}/{name}", photo)
        drawn_ever = sum(1 for _ in folder.glob("person-*"))
        _write(folder, "people.csv", _who_is_who(max(people, drawn_ever), seed))


def verify(**arguments: Any) -> None:
    """The report on embeddings or scores: see `ftlgan.verification.command.verify`."""
    from ftlgan.verification.command import verify as command

    command(**arguments)


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
        lines = readme.read_text(errors="replace").splitlines()
        theirs = next((line.removeprefix(ORIGIN) for line in lines if line.startswith(ORIGIN)), "something else")
        if theirs != origin:
            raise DataError(f"{folder}: was drawn with {theirs}, now it would be {origin}; choose an empty folder")
    elif any(not path.name.startswith(".") for path in folder.iterdir()):
        raise DataError(f"{folder}: holds files that `ftlgan draw` did not write; choose an empty folder")
    lock = FileLock(folder / ".ftlgan.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DataError(f"{folder}: another `ftlgan draw` is at work in it; let it end, or choose another") from None
    try:
        for half in folder.glob(".ftlgan-*.part"):  # of a run that was killed
            half.unlink()
        _write(folder, readme.name, README.format(origin=origin, seed=seed).encode())
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _origin(seed: int) -> str:
    """What decides the bytes of a photo, its number aside: the seed, and the code that draws."""
    from ftlgan.sources import synthetic

    code = hashlib.sha256()
    for module in sorted(Path(synthetic.__file__).parent.glob("*.py")):
        code.update(module.read_bytes())
    software = ", ".join(f"{name} {version(name)}" for name in ("anny", "mitsuba", "numpy", "pillow", "torch"))
    return f"seed {seed}, ftlgan {version('ftlgan')} (code {code.hexdigest()[:8]}), {software}"


def _who_is_who(people: int, seed: int) -> bytes:
    """The traits of the first `people` people as CSV."""
    from ftlgan.sources import synthetic

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


if __name__ == "__main__":
    main()
