"""Starts a training from the weights of another one."""

import os

from ftlgan.errors import WeightsError
from ftlgan.networks.generator import Generator
from ftlgan.networks.weights import load_generator
from ftlgan.params import WeightsFile
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.lookup import find_weights

KEY = "train.start"


def start_from(generator: Generator, start: WeightsFile, res: int) -> None:
    """Load the weights of an earlier training into a generator.

    Args:
        generator: the network to train.
        start: the file, `generator.safetensors` of a trained model, and its SHA-256.
        res: width and height of the generator's input, pixels.

    Raises:
        DataError: if the file can't be downloaded.
        WeightsError: if it is missing, has another digest, or is for another resolution or network.
    """
    seen = start.seen_from(os.environ.get("DVC_ROOT", ""))  # also from a copy of the project (exp run --temp)
    cached = cache_folder("start") / f"{start.sha256}.safetensors"
    path = find_weights(KEY, seen.file, start.sha256, cached, f"set {KEY} to null")
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
