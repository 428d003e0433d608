"""The course of a training as CSV, for `dvc plots`: the losses of each step, and d' at each validation."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ftlgan.errors import writing

TABLES: dict[str, tuple[str, ...]] = {
    "losses.csv": (
        *("step", "total", "pixel", "identity", "triplet", "perceptual", "adversarial"),
        *("gradient", "discriminator", "r1"),
    ),
    "validation.csv": ("step", "val_d_prime"),
}
"""Columns by file. A term of weight 0 has an empty column."""


class History:
    """Writes the tables into a folder.

    Args:
        folder: made if it is not there.

    Raises:
        DataError: when the tables can't be written, e.g. because the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.files = {name: (folder / name).open("w", newline="") for name in TABLES}
        self.writers = {
            name: csv.DictWriter(file, TABLES[name], extrasaction="ignore", lineterminator="\n")
            for name, file in self.files.items()
        }
        for writer in self.writers.values():
            writer.writeheader()

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of one step, to six digits, into the tables that have a column for them."""
        row: dict[str, int | str] = {"step": step, **{name: f"{value:.6g}" for name, value in figures.items()}}
        for name, writer in self.writers.items():
            if figures.keys() & set(TABLES[name]):
                with writing(self.folder / name):
                    writer.writerow(row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, file in self.files.items():
            with writing(self.folder / name):
                file.close()
