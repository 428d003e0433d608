"""The arguments of the commands that evaluate embeddings and scores."""

import argparse
from pathlib import Path

from ftlgan.cli.options import add_compared, add_draws, add_json, add_missing, add_split


def add_verify_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.command.verify`."""
    add_compared(command)
    command.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="names of the rows of a .npy TABLE: a CSV with the columns identity and, optionally, face_id and split; "
        "or text with a line for each row, PERSON/PHOTO or an identity (default: the .csv or .txt file of the same "
        "name)",
    )
    command.add_argument("--reference-names", type=Path, metavar="FILE", help="as --names, for a .npy in --references")
    command.add_argument("--pairs", type=Path, metavar="FILE", help="pairs to compare: a CSV, or LFW's pairs.txt")
    add_split(command)
    add_missing(command, "photos without an embedding, listed pairs whose photo is missing, and pairs without a score")
    command.add_argument(
        "--fmr",
        type=float,
        nargs="+",
        default=[1e-2, 1e-3],
        metavar="RATE",
        help="FMRs at which to report FNMR (default: 0.01 0.001)",
    )
    add_draws(command, "the draws")
    add_json(command)


def add_identify_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.identification.command.identify`."""
    command.add_argument(
        "gallery", type=Path, metavar="GALLERY", help="embeddings of enrolled people (Parquet file or folder, or .npy)"
    )
    command.add_argument("probes", type=Path, metavar="PROBES", help="embeddings of photos of these people")
    command.add_argument(
        "--non-mated",
        type=Path,
        metavar="TABLE",
        help="embeddings of photos of people who are not enrolled, by the protocol: the non-mated searches of the open "
        "set (default: leave some of the probes' people out of the gallery)",
    )
    command.add_argument(
        "--left-out",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of the probes' people to leave out, without --non-mated (default: 0.5)",
    )
    command.add_argument(
        "--fusion",
        choices=["mean", "max"],
        default="mean",
        help="how to use several photos of a person in the gallery: by their mean embedding, or by the highest score "
        "(default: mean)",
    )
    command.add_argument(
        "--names", type=Path, metavar="FILE", help="names of the rows of a .npy PROBES, see ftlgan verify --help"
    )
    command.add_argument("--gallery-names", type=Path, metavar="FILE", help="as --names, for a .npy GALLERY")
    command.add_argument("--non-mated-names", type=Path, metavar="FILE", help="as --names, for a .npy in --non-mated")
    add_split(command)
    add_missing(
        command,
        "photos without an embedding, and photos in PROBES of people who have none in GALLERY (they do not become "
        "non-mated; all photos in --non-mated are searched for)",
    )
    command.add_argument(
        "--ranks",
        type=int,
        nargs="+",
        default=[1, 5, 20],
        metavar="N",
        help="ranks at which to report the identification rate (default: 1 5 20)",
    )
    command.add_argument(
        "--fpir", type=float, nargs="+", metavar="RATE", help="FPIRs at which to report FNIR (default: 0.01 0.1)"
    )
    add_draws(command, "the people left out and of the draws")
    command.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="also write identification.csv, cmc.csv, cmc.png, fnir.csv and fnir.png to FOLDER",
    )
    add_json(command)


def add_calibrate_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.calibration.command.calibrate`."""
    add_compared(command)
    command.add_argument(
        "--test",
        dest="tests",
        type=Path,
        nargs="+",
        default=[],
        metavar="TABLE",
        help="embeddings or scores of other people to test the calibration on (default: fit on half of the people of "
        "TABLE, and test on the other half)",
    )
    command.add_argument(
        "--test-references", type=Path, metavar="TABLE", help="as --references, for --test (default: --references)"
    )
    command.add_argument(
        "--names", type=Path, metavar="FILE", help="names of the rows of a .npy TABLE, see ftlgan verify --help"
    )
    command.add_argument("--reference-names", type=Path, metavar="FILE", help="as --names, for a .npy in --references")
    add_split(command)
    command.add_argument("--test-split", metavar="NAME", help="as --split, for --test and --test-references")
    add_missing(command, "photos without an embedding and pairs without a score")
    command.add_argument(
        "--calibration",
        dest="calibration_file",
        type=Path,
        metavar="FILE",
        help="a calibration.json to test on the people of TABLE, instead of fitting one",
    )
    for name in ("resolution", "condition", "protocol"):
        command.add_argument(f"--{name}", metavar="TEXT", help=f"{name} to record in calibration.json")
    add_draws(command, "the halves and of the draws")
    command.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="also write calibration.json, calibration.csv, calibration.png and entropy.png to FOLDER",
    )
    add_json(command)
