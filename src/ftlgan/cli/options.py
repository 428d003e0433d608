"""Options that several commands share."""

import argparse
from pathlib import Path


def add_compared(command: argparse.ArgumentParser) -> None:
    """Add the table and the option `--references`."""
    command.add_argument(
        "table", type=Path, metavar="TABLE", help="embeddings (Parquet file or folder, or .npy) or scores (.csv)"
    )
    command.add_argument(
        "--references",
        type=Path,
        metavar="TABLE",
        help="embeddings to compare TABLE with (default: compare TABLE with itself)",
    )


def add_device(command: argparse.ArgumentParser) -> None:
    """Add the option `--device`."""
    command.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(default: %(default)s)")


def add_split(command: argparse.ArgumentParser) -> None:
    """Add the option `--split`."""
    command.add_argument("--split", metavar="NAME", help="split to read (default: test, if there is one, else all)")


def add_missing(command: argparse.ArgumentParser, counted: str) -> None:
    """Add the option `--missing`.

    Args:
        command: the command that gets the option.
        counted: the photos and pairs that are skipped and counted.
    """
    command.add_argument(
        "--missing",
        choices=["refuse", "skip"],
        default="refuse",
        help=f"how to treat missing values: refuse the file, or skip and count {counted} (default: refuse)",
    )


def add_draws(command: argparse.ArgumentParser, seeded: str) -> None:
    """Add the options of the bootstrap.

    Args:
        command: the command that gets the options.
        seeded: what the seed determines.
    """
    command.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap draws (default: 1000)")
    command.add_argument(
        "--confidence", type=float, default=0.95, metavar="LEVEL", help="level of the intervals (default: 0.95)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help=f"seed of {seeded} (default: 0)")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option `--json`."""
    command.add_argument(
        "--json", dest="json_file", metavar="FILE", help="also write the report as JSON; -: print only JSON"
    )
