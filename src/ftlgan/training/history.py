"""The history of a training as CSV, for `dvc plots`: the losses of each step, and d' at each validation."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from ftlgan.errors import writing
from ftlgan.losses import TERMS

TABLES: dict[str, tuple[str, ...]] = {
    "losses.csv": ("step", "total", *TERMS, "gradient", "discriminator", "r1"),
    "validation.csv": ("step", "val_d_prime"),
}
"""Columns by file. A term of weight 0 has an empty column."""
LEFT_OUT = {"images_per_s"}
"""Metrics of time, which are left out so that the same training gives the same bytes."""


class History:
    """Writes the tables into a folder.

    Args:
        folder: folder of the tables; created if it is missing.

    Raises:
        DataError: if the tables can't be written, e.g. because the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:  # DVC's cache may have a hard link to the file
            (folder / name).unlink(missing_ok=True)
        self.files = {name: (folder / name).open("x", encoding="utf-8", newline="\n") for name in TABLES}
        self.writers = {
            name: csv.DictWriter(file, TABLES[name], extrasaction="ignore", lineterminator="\n")
            for name, file in self.files.items()
        }
        for writer in self.writers.values():
            writer.writeheader()

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of one step, with six digits, into the tables that have a column for them.

        Raises:
            ValueError: if no table has a column for a metric.
        """
        if homeless := metrics.keys() - LEFT_OUT - {name for columns in TABLES.values() for name in columns}:
            raise ValueError(f"no column for {', '.join(sorted(homeless))}; add it to ftlgan.training.history.TABLES")
        row: dict[str, int | str] = {"step": step, **{name: f"{value:.6g}" for name, value in metrics.items()}}
        for name, writer in self.writers.items():
            if metrics.keys() & set(TABLES[name]):
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
