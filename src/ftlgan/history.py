"""The course of a training as CSV, for `dvc plots`."""

import csv
from pathlib import Path
from types import TracebackType
from typing import Self

COLUMNS: tuple[str, ...] = ("step", "total", "pixel", "identity", "triplet", "val_d_prime")


class History:
    """A CSV file with one row a step; a figure that a step doesn't have is left empty.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w", newline="")
        self.writer = csv.DictWriter(self.file, COLUMNS)
        self.writer.writeheader()

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Write the figures of one step, to six digits: the rest is noise."""
        self.writer.writerow({"step": step, **{name: f"{value:.6g}" for name, value in figures.items()}})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
