"""Options that several commands have."""

import argparse


def add_split(command: argparse.ArgumentParser) -> None:
    """Add the option `--split`."""
    command.add_argument("--split", metavar="NAME", help="whose faces (default: test, if there is one; else all)")


def add_missing(command: argparse.ArgumentParser, counted: str) -> None:
    """Add the option `--missing`.

    Args:
        command: gets the option.
        counted: what is skipped and counted.
    """
    command.add_argument(
        "--missing",
        choices=["refuse", "skip"],
        default="refuse",
        help=f"what to do where a photo was not detected: refuse the file, or skip and count {counted} "
        "(default: refuse)",
    )


def add_draws(command: argparse.ArgumentParser, seeded: str) -> None:
    """Add the options of the bootstrap.

    Args:
        command: gets the options.
        seeded: what the seed is of.
    """
    command.add_argument("--replicates", type=int, default=1000, metavar="N", help="draws of people (default: 1000)")
    command.add_argument("--confidence", type=float, default=0.95, metavar="LEVEL", help="of intervals (default: 0.95)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help=f"{seeded} (default: 0)")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add the option `--json`."""
    command.add_argument("--json", dest="json_file", metavar="FILE", help="write the report there, too; -: here, alone")
