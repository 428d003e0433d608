"""Starts a training from the weights of another one."""

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Literal, cast

from ftlgan.errors import WeightsError
from ftlgan.networks.generator import PRESETS, Generator, Size
from ftlgan.networks.weights import load_generator
from ftlgan.params import PACKAGED, WeightsFile
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.lookup import find_weights
from ftlgan.weights.models import SETS, description_of, packaged_models, people_of

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
    path, weights = _load(start, res)
    if start == PACKAGED:
        print(f"{KEY}: packaged: {SETS[SET].terms}; so are the weights that come from them", file=sys.stderr)
    try:
        generator.load_state_dict(weights.state_dict())
    except RuntimeError:
        size = network_of(start, res)
        preset = next((f"preset={name}" for name, known in PRESETS.items() if known == size), "")
        raise WeightsError(
            f"{KEY}: {path}: is for another network; set generator to "
            f"{preset or ', '.join(f'{name}={value}' for name, value in size.items())}, or set {KEY} to null"
        ) from None


def refuse_seen_people(tested: Collection[str]) -> None:
    """Refuse to start from the packaged weights if they have seen people on whom the result will be tested.

    Raises:
        WeightsError: if they have.
    """
    if seen := sorted(people_of(SET) & set(tested)):
        raise WeightsError(
            f"{KEY}: packaged: these weights were trained on {len(seen)} of the {len(set(tested))} test people, the "
            f"first is {seen[0]}; test other people, or set {KEY} to null"
        )


def network_of(start: WeightsFile | Literal["packaged"], res: int) -> Size:
    """Return the arguments of the generator whose weights a training starts from.

    Args:
        start: as in `start_from`.
        res: width and height of the generator's input, pixels.

    Raises:
        DataError, WeightsError: as `start_from` does, but for the network.
    """
    path, _ = _load(start, res)
    description = description_of(path)
    return cast("Size", {name: description[name] for name in Size.__annotations__})


def _load(start: WeightsFile | Literal["packaged"], res: int) -> tuple[Path, Generator]:
    """Return the file to start from, and the generator in it."""
    path = _find(start, res)
    try:
        return path, load_generator(path, res)
    except WeightsError as error:
        raise WeightsError(f"{KEY}: {error}; or set {KEY} to null") from None


def _find(start: WeightsFile | Literal["packaged"], res: int) -> Path:
    """Return the file to start from, whose weights are for this resolution."""
    if start == PACKAGED:
        found = packaged_models(SET)
        if res not in found:
            raise WeightsError(
                f"{KEY}: packaged: there is none for {res} px, only for {', '.join(map(str, found))}; set {KEY} to null"
            )
        return found[res]
    seen = start.seen_from(os.environ.get("DVC_ROOT", ""))  # also from a copy of the project (exp run --temp)
    cached = cache_folder("start") / f"{start.sha256}.safetensors"
    path = find_weights(KEY, seen.file, start.sha256, cached, f"set {KEY} to null")
    try:
        its_res = description_of(path)["res"]
        if its_res != res:
            raise WeightsError(f"{path}: restores faces of {its_res} px, but res is {res}; name a file for {res} px")
    except WeightsError as error:
        raise WeightsError(f"{KEY}: {error}; or set {KEY} to null") from None
    return path
