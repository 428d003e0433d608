"""The command line, `ftlgan COMMAND`. It defines the arguments; each command is a function in its own module."""

import argparse
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from ftlgan.cli.judging import add_calibrate_arguments, add_identify_arguments, add_verify_arguments
from ftlgan.cli.tool import add_app_arguments, add_match_arguments, add_pack_arguments, add_restore_arguments
from ftlgan.errors import one_line_errors


@one_line_errors
def main() -> None:
    """Run the program `ftlgan`."""
    arguments = vars(_parser().parse_args())
    module, _, function = arguments.pop("command").partition(":")
    getattr(import_module(module), function)(**arguments)  # imported only here, so that `ftlgan --help` is quick


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftlgan", description="Face super-resolution that is trained and judged by face recognition."
    )
    parser.add_argument("--version", action="version", version=f"ftlgan {version('ftlgan')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, function: str, description: str) -> argparse.ArgumentParser:
        """Add a command that calls a function, given as `MODULE:NAME`, with its arguments by name."""
        command = commands.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
        command.set_defaults(command=function)
        return command

    add_restore_arguments(
        add(
            "restore",
            "ftlgan.tool.restore_command:restore",
            "restore the small faces in photos; an interrupted run resumes where it stopped",
        )
    )

    add_match_arguments(
        add(
            "match",
            "ftlgan.tool.match_command:match",
            "compare small faces with photos of people: similarity, false match rate and likelihood ratio",
        )
    )
    add_app_arguments(
        add(
            "app",
            "ftlgan.app.command:app",
            "restore and compare faces on a page in your browser, served on this machine",
        )
    )
    add_pack_arguments(
        add(
            "pack",
            "ftlgan.tool.pack:pack",
            "make a kit of your trained models for restore and match: weights, and scores of test people by face size",
        )
    )

    _add_draw_arguments(
        add("draw", "ftlgan.sources.synthetic.album:draw", "draw photos of people who do not exist, free for any use")
    )

    _add_unpack_arguments(
        add(
            "unpack",
            "ftlgan.unpack:unpack",
            "unpack a verification set of insightface (lfw.bin, ...) or a set of small faces (TinyFace, "
            "QMUL-SurvFace, SCface) into faces for embed and degrade, and pairs for verify",
        )
    )

    command = add(
        "degrade",
        "ftlgan.restoration.command:degrade",
        "make aligned faces small and restore them with a method; the output is a table for embed",
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="TABLE",
        help="aligned faces of 112x112: a Parquet file or a folder of them, such as data/aligned or unpacked faces",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new or empty folder")
    command.add_argument("--res", type=int, choices=[14, 28, 56], required=True, help="size of the small faces, pixels")
    command.add_argument(
        "--condition",
        choices=["bicubic", "lanczos", "bilinear", "box", "realistic", "held-out"],
        default="bicubic",
        help="how the faces are made small (default: %(default)s)",
    )
    command.add_argument(
        "--method",
        default="bicubic",
        metavar="NAME|FILE",
        help="method: bicubic, realesrgan, gfpgan, or a generator.safetensors file (default: %(default)s)",
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of realistic and held-out (default: %(default)s)"
    )

    command = add(
        "embed",
        "ftlgan.recognition.command:embed",
        "embed photos or aligned faces with a recognizer, into a table for verify; an interrupted run can be resumed",
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="FOLDER|TABLE",
        help="a folder with a folder of photos for each person; a folder of photos, for verify --pairs; or a table of "
        "aligned faces of 112x112: a Parquet file or a folder of them, with the columns image, face_id and, "
        "optionally, identity and split",
    )
    command.add_argument(
        "--recognizer",
        required=True,
        metavar="NAME",
        help="sface or dlib, which are built in, or a recognizer in the params.yaml of this folder",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="the .parquet file to write; photos without a usable face are listed next to it, in FILE's .rejects.csv",
    )
    command.add_argument(
        "--aligned",
        action="store_true",
        help="photos are aligned faces (ArcFace template, square) and used unchanged; by default, faces are detected "
        "with the settings in the section align of the params.yaml in this folder, or with its defaults",
    )

    add_verify_arguments(
        add(
            "verify",
            "ftlgan.verification.command:verify",
            "evaluate your embeddings or scores: d', AUC, EER and FNMR with intervals, and thresholds",
        )
    )

    identify = add(
        "identify",
        "ftlgan.verification.identification.command:identify",
        "search a gallery for each probe: rank-1, rank-5, rank-20, CMC and FNIR at FPIR, with intervals",
    )
    add_identify_arguments(identify)

    calibrate = add(
        "calibrate",
        "ftlgan.verification.calibration.command:calibrate",
        "turn scores into likelihood ratios: fit a calibration, and report Cllr on other people, with intervals",
    )
    add_calibrate_arguments(calibrate)

    command = add(
        "runs",
        "ftlgan.comparison.listing:list_runs",
        "list the experiments of this commit: state, d', and params that differ",
    )
    command.add_argument(
        "--commits",
        type=int,
        default=1,
        metavar="N",
        help="show the last N commits and their experiments; -1 shows all (default: %(default)s)",
    )
    command.add_argument(
        "--csv", dest="as_csv", action="store_true", help="print CSV, with full names of the params that differ"
    )

    command = add(
        "compare",
        "ftlgan.comparison.command:compare",
        "compare the results of runs, also at several resolutions; runs that differ in train.seed alone become one row",
    )
    command.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="an experiment, a commit, a folder of metrics, or workspace (default: the experiments of this commit, and "
        "the commit itself if none of them has its resolution)",
    )
    command.add_argument(
        "--to",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="also write comparison.md, comparison.csv and d_prime.png to FOLDER",
    )
    return parser


def _add_draw_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder, or one to continue")
    command.add_argument("--people", type=int, default=200, metavar="N", help="number of people (default: %(default)s)")
    command.add_argument("--photos", type=int, default=6, metavar="N", help="photos per person (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the people (default: %(default)s)")


def _add_unpack_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        type=Path,
        metavar="SET",
        help="a file such as lfw.bin, cfp_fp.bin or agedb_30.bin; or the folder of TinyFace's Testing_Set, of "
        "QMUL-SurvFace's Face_Identification_Test_Set or Face_Verification_Test_Set, or of SCface",
    )
    command.add_argument(
        "-o",
        "--output",
        dest="folder",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="a new or empty folder for the tables (faces, or gallery, probes and non_mated) and the list pairs.csv",
    )
    command.add_argument(
        "--aligned", action="store_true", help="the photos of a folder are aligned faces (ArcFace template, square)"
    )
    command.add_argument(
        "--detection-score",
        type=float,
        default=0.7,
        metavar="SCORE",
        help="lowest confidence of the detector, 0 to 1 (default: %(default)s)",
    )
