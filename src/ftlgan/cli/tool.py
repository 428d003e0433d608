"""The arguments of the commands that restore and compare faces."""

import argparse
from pathlib import Path

from ftlgan.cli.options import add_device, add_json


def add_restore_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.tool.restore_command.restore`."""
    command.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="a photo, a folder of photos and folders, or - for standard input"
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for faces/, photos/ with the faces put back, sheet-1.png, faces.csv and rejects.csv",
    )
    command.add_argument("--main", action="store_true", help="restore only the most central face of each photo")
    command.add_argument(
        "--aligned",
        action="store_true",
        help="the photos are aligned faces (ArcFace template, square), of any size up to 112 px; nothing is detected",
    )
    command.add_argument(
        "--scale", type=int, choices=[1, 2, 4], default=2, help="factor to enlarge the photos (default: %(default)s)"
    )
    command.add_argument(
        "--background",
        choices=["bicubic", "realesrgan"],
        default="bicubic",
        help="method to enlarge the rest of a photo; realesrgan takes minutes per megapixel (default: %(default)s)",
    )
    command.add_argument(
        "--weights",
        nargs="+",
        default=["lfw"],
        metavar="NAME|FILE",
        help="lfw, trained on Labeled Faces in the Wild, for research; free, trained on synthetic people, for any "
        "purpose; one or more generator.safetensors files, one for each resolution; or a kit that pack made (default: "
        "lfw)",
    )
    add_device(command)
    command.add_argument("--force", action="store_true", help="overwrite the outputs in FOLDER")


def add_match_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.tool.match_command.match`."""
    command.add_argument("probes", nargs="+", type=Path, metavar="PROBE", help="a photo with one small face")
    command.add_argument(
        "--reference",
        dest="references",
        nargs="+",
        type=Path,
        required=True,
        metavar="PHOTO",
        help="photos of the people to compare with, one face each; small faces are restored too",
    )
    command.add_argument("--main", action="store_true", help="use the most central face of a photo with several faces")
    _add_kit(command)
    add_device(command)
    add_json(command)


def add_pack_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.tool.pack.pack`."""
    command.add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help="data/model/NAME/generator.safetensors of a trained model; one for each resolution",
    )
    command.add_argument(
        "-o", "--output", dest="folder", type=Path, required=True, metavar="FOLDER", help="a new folder"
    )
    command.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="FOLDER",
        help="folder of the pipeline's tables; its test people are compared (default: %(default)s)",
    )
    command.add_argument(
        "--described", required=True, metavar="TEXT", help="description of these photos, shown to readers of a match"
    )
    command.add_argument("--photos", type=int, default=4, metavar="N", help="photos per person (default: %(default)s)")
    command.add_argument("--replicates", type=int, default=1000, metavar="N", help="bootstrap draws (default: 1000)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="seed of degradation and draws (default: 0)")


def add_app_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `ftlgan.app.command.app`."""
    command.add_argument(
        "--port", type=int, default=7860, metavar="N", help="port on 127.0.0.1; 0: any free one (default: %(default)s)"
    )
    _add_kit(command)
    add_device(command)
    command.add_argument("--browser", action="store_true", help="open the page in your browser")


def _add_kit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        default="lfw",
        metavar="NAME|FOLDER",
        help="lfw or free, as in restore, or the folder of a kit that pack made (default: %(default)s)",
    )
