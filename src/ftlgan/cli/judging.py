"""The arguments of the commands that judge embeddings and scores."""

import argparse
from pathlib import Path

from ftlgan.cli.options import add_draws, add_json, add_missing, add_split


def add_verify_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.command.verify`."""
    command.add_argument(
        "table", type=Path, metavar="TABLE", help="embeddings (Parquet file or folder, or .npy) or scores (.csv)"
    )
    command.add_argument(
        "--references", type=Path, metavar="TABLE", help="embeddings to compare with, instead of within"
    )
    command.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="who is on the rows of a .npy TABLE: a CSV with the columns identity and, if you like, face_id and split; "
        "or text with a line for each row, PERSON/PHOTO or an identity (default: the .csv or .txt of the same name "
        "beside it)",
    )
    command.add_argument("--reference-names", type=Path, metavar="FILE", help="the same for a .npy of --references")
    command.add_argument("--pairs", type=Path, metavar="FILE", help="compare these pairs: a CSV, or LFW's pairs.txt")
    add_split(command)
    add_missing(
        command, "photos without an embedding, listed pairs of a photo that is not there, and pairs without a score"
    )
    command.add_argument(
        "--fmr", type=float, nargs="+", default=[1e-2, 1e-3], metavar="RATE", help="FNMR at these (default: 0.01 0.001)"
    )
    add_draws(command, "of the draws")
    add_json(command)


def add_identify_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.identification.command.identify`."""
    command.add_argument(
        "gallery", type=Path, metavar="GALLERY", help="embeddings of who is enrolled (Parquet file or folder, or .npy)"
    )
    command.add_argument("probes", type=Path, metavar="PROBES", help="embeddings of photos of these people")
    command.add_argument(
        "--non-mated",
        type=Path,
        metavar="TABLE",
        help="embeddings of photos of other people, for the open set (default: leave people of the probes out of the "
        "gallery)",
    )
    command.add_argument(
        "--left-out",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="which share of them, without --non-mated (default: 0.5)",
    )
    command.add_argument(
        "--fusion",
        choices=["mean", "max"],
        default="mean",
        help="what becomes of several photos of a person in the gallery: their mean embedding, or the highest score "
        "(default: mean)",
    )
    command.add_argument(
        "--names", type=Path, metavar="FILE", help="who is on the rows of a .npy of PROBES, as verify takes it"
    )
    command.add_argument("--gallery-names", type=Path, metavar="FILE", help="the same for a .npy of GALLERY")
    command.add_argument("--non-mated-names", type=Path, metavar="FILE", help="the same for a .npy of --non-mated")
    add_split(command)
    add_missing(command, "photos without an embedding")
    command.add_argument(
        "--ranks", type=int, nargs="+", default=[1, 5, 20], metavar="N", help="identification rates (default: 1 5 20)"
    )
    command.add_argument("--fpir", type=float, nargs="+", metavar="RATE", help="FNIR at these (default: 0.01 0.1)")
    add_draws(command, "of who is left out, and of the draws")
    command.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="write identification.csv, cmc.csv, cmc.png, fnir.csv and fnir.png there, too",
    )
    add_json(command)


def add_calibrate_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.verification.calibration.command.calibrate`."""
    command.add_argument(
        "table", type=Path, metavar="TABLE", help="embeddings (Parquet file or folder, or .npy) or scores (.csv)"
    )
    command.add_argument(
        "--references", type=Path, metavar="TABLE", help="embeddings to compare with, instead of within"
    )
    command.add_argument(
        "--test",
        dest="tests",
        type=Path,
        nargs="+",
        default=[],
        metavar="TABLE",
        help="embeddings or scores of other people, on whom the calibration is reported (default: half of the people "
        "of TABLE, and the fit is on the others)",
    )
    command.add_argument(
        "--test-references", type=Path, metavar="TABLE", help="what to compare --test with (default: --references)"
    )
    command.add_argument(
        "--names", type=Path, metavar="FILE", help="who is on the rows of a .npy of TABLE, as verify takes it"
    )
    command.add_argument("--reference-names", type=Path, metavar="FILE", help="the same for a .npy of --references")
    add_split(command)
    command.add_argument("--test-split", metavar="NAME", help="the same for --test and what it is compared with")
    add_missing(command, "photos without an embedding and pairs without a score")
    command.add_argument(
        "--calibration",
        dest="calibration_file",
        type=Path,
        metavar="FILE",
        help="report this calibration.json on the people of TABLE, and fit none",
    )
    for name in ("resolution", "condition", "protocol"):
        command.add_argument(f"--{name}", metavar="TEXT", help="to keep in calibration.json")
    add_draws(command, "of halves, and of the draws")
    command.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="write calibration.json, calibration.csv, calibration.png and entropy.png there, too",
    )
    add_json(command)
