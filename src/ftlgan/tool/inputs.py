"""The photos that a command reads, and the names of its outputs."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftlgan.errors import DataError
from ftlgan.photos import HEIC_SUFFIXES, SUFFIXES

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """A photo to read."""

    path: Path | None
    """The file; None for standard input."""
    name: Path
    """The path in the given folder, without the suffix; it names the outputs."""

    def read(self) -> bytes:
        """Return the bytes of the photo."""
        return sys.stdin.buffer.read() if self.path is None else self.path.read_bytes()

    @property
    def shown(self) -> str:
        """The name in tables and messages."""
        return STANDARD_INPUT if self.path is None else str(self.path)

    @property
    def suffix(self) -> str:
        """The suffix of the file, in lower case; empty for standard input."""
        return "" if self.path is None else self.path.suffix.lower()


def find_photos(inputs: Sequence[str], outside: Path) -> tuple[list[Source], int]:
    """List the photos to read: the given files, and all photos in the given folders and their subfolders.

    In folders, hidden files and files without the suffix of a photo are skipped.

    Args:
        inputs: files, folders, or `-` for standard input.
        outside: a folder to leave out, the output.

    Returns:
        The photos, in the order of the inputs and by name within a folder; and the number of other files skipped.

    Raises:
        DataError: if an input is missing, a folder has no photo, or two photos would get the same output names.
    """
    sources: list[Source] = []
    skipped = 0
    for given in inputs:
        path = Path(given)
        if given == STANDARD_INPUT:
            sources.append(Source(None, Path("stdin")))
        elif path.is_dir():
            photos, others = _photos_in(path, outside)
            sources += photos
            skipped += others
        elif path.exists():
            sources.append(Source(path, Path(path.stem)))
        else:
            raise DataError(f"{path}: there is no such file or folder")
    return _with_names_of_their_own(sources), skipped


def _photos_in(folder: Path, outside: Path) -> tuple[list[Source], int]:
    out = outside.resolve()
    inside = [path for path in sorted(folder.rglob("*")) if not path.resolve().is_relative_to(out)]
    visible = [
        path
        for path in inside
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    photos = [path for path in visible if path.suffix.lower() in (*SUFFIXES, *HEIC_SUFFIXES)]
    if not photos:
        raise DataError(f"{folder}: holds no photo ({len(visible)} other files); give a folder of photos")
    return [Source(path, path.relative_to(folder).with_suffix("")) for path in photos], len(visible) - len(photos)


def _with_names_of_their_own(sources: Iterable[Source]) -> list[Source]:
    """Add the suffix to the names of photos that otherwise have the same name.

    Raises:
        DataError: if the names are still the same.
    """
    sources = list(sources)
    count = Counter(source.name for source in sources)
    named = [
        source
        if count[source.name] == 1 or source.path is None
        else Source(source.path, source.name.with_name(source.path.name))
        for source in sources
    ]
    first: dict[Path, Source] = {}
    for source in named:
        other = first.setdefault(source.name, source)
        if other is not source:
            raise DataError(
                f"{source.shown}: its outputs would have the same names as those of {other.shown}; give the folder "
                "that holds both, or restore them into two folders"
            )
    return named
