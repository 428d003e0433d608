"""Starts a training from the weights of another one."""

import os
import sys
from pathlib import Path
from typing import Literal

from ftlgan.errors import WeightsError
from ftlgan.networks.generator import Generator
from ftlgan.networks.weights import load_generator
from ftlgan.params import PACKAGED, WeightsFile
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.lookup import find_weights
from ftlgan.weights.models import SETS, packaged_models

KEY = "train.start"
SET = "lfw"
"""The packaged set that a training may start from."""


def start_from(generator: Generator, start: WeightsFile | Literal["packaged"], res: int) -> None:
    """Load the weights of an earlier training into a generator.

    Args:
        generator: the network to train.
        start: the file, `generator.safetensors` of a trained model, and its SHA-256; or `packaged`.
        res: width and height of the generator's input, pixels.

    Raises:
        DataError: if the file can't be downloaded.
        WeightsError: if it is missing, has another digest, or is for another resolution or network; or if nothing
            is packaged for the resolution.
    """
    if start == PACKAGED:
        found = packaged_models(SET)
        if res not in found:
            raise WeightsError(
                f"{KEY}: packaged: there is none for {res} px, only for {', '.join(map(str, found))}; set {KEY} to null"
            )
        path = found[res]
        print(f"{KEY}: packaged: {SETS[SET].terms}; so are the weights that come from them", file=sys.stderr)
    else:
        path = _find(start)
    try:
        weights = load_generator(path, res).state_dict()
    except WeightsError as error:
        raise WeightsError(f"{KEY}: {error}; or set {KEY} to null") from None
    try:
        generator.load_state_dict(weights)
    except RuntimeError:
        raise WeightsError(
            f"{KEY}: {path}: is for another network than the params of generator; set generator as it was trained "
            f"with, or set {KEY} to null"
        ) from None


def _find(start: WeightsFile) -> Path:
    seen = start.seen_from(os.environ.get("DVC_ROOT", ""))  # also from a copy of the project (exp run --temp)
    cached = cache_folder("start") / f"{start.sha256}.safetensors"
    return find_weights(KEY, seen.file, start.sha256, cached, f"set {KEY} to null")
