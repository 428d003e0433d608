"""The embedded default source: people who do not exist, so that the pipeline runs without a photo of anybody.

`anatomy` is the human model, `identity` draws a person from it and `skin` paints them; `hair` grows, `wear` puts things
on, `light` falls, and `scene` takes their photos with a `camera` before a `backdrop`.

Photos are the same to the byte on every processor. That is why nothing here is computed in float32: its exponentials,
powers and sines differ between processors in their last digits, one part in 10 million, which now and then decides a
pixel. In float64 it is one part in 10^15.
"""

from collections.abc import Container, Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from ftlgan.errors import DataError
from ftlgan.params import MOST_SYNTHETIC_PHOTOS
from ftlgan.processes import available_cores, map_ahead, worker_pool

if TYPE_CHECKING:
    from ftlgan.sources.synthetic.anatomy import Bust, HumanModel
    from ftlgan.sources.synthetic.identity import Identity, Traits

    Request = tuple[Identity, int, int, int]
    """Person, seed, and the numbers of the person and of the photo."""

PENDING_PER_PROCESS = 4
"""Photos under way for each process: enough that none waits, few enough that memory does not grow."""


def people(count: int) -> list[str]:
    """Names of the first `count` people: `person-0000`, `person-0001`, ..."""
    return [_name(k) for k in range(count)]


def _name(k: int) -> str:
    return f"person-{k:04d}"


def file_name(j: int) -> str:
    """Name of photo j of a person: `0000.jpg`, `0001.jpg`, ..."""
    return f"{j:04d}.jpg"


def photographs(
    people: int, photos: int, seed: int, processes: int | None = None, skip: Container[tuple[str, str]] = ()
) -> Iterator[tuple[str, str, bytes]]:
    """Photograph people who do not exist, person after person.

    Person k depends on (seed, k) alone, photo j of them on (seed, k, j) alone: whoever asks for more people or photos
    gets the first ones again, to the byte, on any processor. The processes are spawned: a script that calls this needs
    the usual `if __name__ == "__main__":`.

    Args:
        people: how many people, at least 1.
        photos: how many photos of each, at least 1.
        seed: which people and photos, at least 0.
        processes: how many draw at a time; by default one a core. Never changes a byte.
        skip: photos, by identity and file name, that are not wanted.

    Returns:
        Identity, file name and JPEG file of each photo (250 x 250 pixels, the face about 100 wide).

    Raises:
        DataError: if a number is too small or too large; while iterating, if a process dies.
    """
    for name, value, least in (("people", people, 1), ("photos", photos, 1), ("seed", seed, 0)):
        if value < least:
            raise DataError(f"{name} is {value}; synthetic faces need at least {least}")
    if people * photos > MOST_SYNTHETIC_PHOTOS:
        raise DataError(
            f"people is {people}, photos is {photos}: more than the {MOST_SYNTHETIC_PHOTOS:,} photos that can be drawn"
            "; lower one"
        )
    wanted = [
        (k, j)
        for k, name in enumerate(map(_name, range(people)))
        for j in range(photos)
        if (name, file_name(j)) not in skip
    ]
    return _photographs(wanted, seed, processes or available_cores())


def traits(count: int, seed: int) -> Iterator[tuple[str, "Traits"]]:
    """Name and traits (gender, age, ancestry, colours) of the people that `photographs` shows; draws no photo."""
    from ftlgan.sources.synthetic.identity import draw_traits

    for k, name in enumerate(people(count)):
        yield name, draw_traits(_generator(seed, k))


def _photographs(wanted: list[tuple[int, int]], seed: int, processes: int) -> Iterator[tuple[str, str, bytes]]:
    if not wanted:
        return
    from ftlgan.sources.synthetic.anatomy import HumanModel

    # Built here and nowhere else, however many processes there are: the first time it takes a minute and 2.5 GB. The
    # processes get the bust, and load neither anny nor torch.
    model = HumanModel()
    pool = worker_pool(processes, _prepare, model.bust)
    try:
        yield from map_ahead(pool, _photograph, _requests(model, wanted, seed), PENDING_PER_PROCESS * processes)
    except BrokenProcessPool as error:
        raise DataError(
            "a process drawing synthetic faces died, perhaps for want of memory; run again with less running beside it"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _requests(model: "HumanModel", wanted: list[tuple[int, int]], seed: int) -> Iterator["Request"]:
    from ftlgan.sources.synthetic.identity import draw_identity

    for k, photos in groupby(wanted, key=itemgetter(0)):
        identity = draw_identity(model, _generator(seed, k))
        for _, j in photos:
            yield identity, seed, k, j


_bust: "Bust"  # of a process of the pool


def _prepare(bust: "Bust") -> None:
    global _bust  # noqa: PLW0603 - sent once to each process and not with each photo
    _bust = bust


def _photograph(request: "Request") -> tuple[str, str, bytes]:
    from ftlgan.sources.synthetic.scene import photograph

    identity, seed, k, j = request
    return _name(k), file_name(j), photograph(_bust, identity, _generator(seed, k, j))


def _generator(seed: int, *key: int) -> np.random.Generator:
    """Independent random numbers for each key; with plain lists as seeds, [seed, k] and [seed, k, 0] would be equal."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
