"""The default source: synthetic people, so that the pipeline runs without photos of anybody.

`anatomy` is the human model. `identity` draws a person from it, `skin` paints the person, `hair` adds hair, and `wear`
adds glasses, a hat and clothes. `light` computes the lighting, and `scene` takes photos with a `camera` in front of a
`backdrop`.

Photos are byte-identical on every processor. For this, everything is computed in float64. In float32, exponentials,
powers and sines differ between processors by one part in 10 million, which sometimes changes a pixel. In float64 they
differ by one part in 10^15.
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
    """The person, the seed, and the numbers of the person and of the photo."""

PENDING_PER_PROCESS = 4
"""Photos in progress for each process: enough to keep it busy, few enough to bound memory."""


def people(count: int) -> list[str]:
    """Return the names of the first `count` people: `person-0000`, `person-0001`, ..."""
    return [_name(k) for k in range(count)]


def _name(k: int) -> str:
    return f"person-{k:04d}"


def file_name(j: int) -> str:
    """Return the file name of photo j of a person: `0000.jpg`, `0001.jpg`, ..."""
    return f"{j:04d}.jpg"


def photographs(
    people: int, photos: int, seed: int, processes: int | None = None, skip: Container[tuple[str, str]] = ()
) -> Iterator[tuple[str, str, bytes]]:
    """Draw photos of synthetic people, person by person.

    Person k depends only on (seed, k), and photo j only on (seed, k, j). So a call for more people or photos repeats
    the first ones, byte-identical, on any processor. The processes are spawned: a script that calls this needs
    `if __name__ == "__main__":`.

    Args:
        people: number of people, at least 1.
        photos: number of photos of each person, at least 1.
        seed: seed of people and photos, at least 0.
        processes: number of processes; by default one per core. The photos do not depend on it.
        skip: photos to skip, by identity and file name.

    Returns:
        The identity, file name and JPEG file of each photo (250 x 250 pixels, the face about 100 wide).

    Raises:
        DataError: if a number is too small or too large; while iterating, if a process dies.
    """
    for name, value, least in (("people", people, 1), ("photos", photos, 1), ("seed", seed, 0)):
        if value < least:
            raise DataError(f"{name} is {value}; synthetic faces need at least {least}")
    if people * photos > MOST_SYNTHETIC_PHOTOS:
        raise DataError(
            f"people is {people} and photos is {photos}, but at most {MOST_SYNTHETIC_PHOTOS:,} photos can be drawn; "
            "lower one"
        )
    wanted = [
        (k, j)
        for k, name in enumerate(map(_name, range(people)))
        for j in range(photos)
        if (name, file_name(j)) not in skip
    ]
    return _photographs(wanted, seed, processes or available_cores())


def traits(count: int, seed: int) -> Iterator[tuple[str, "Traits"]]:
    """Yield the name and traits (gender, age, ancestry, colors) of the people of `photographs`, without photos."""
    from ftlgan.sources.synthetic.identity import draw_traits

    for k, name in enumerate(people(count)):
        yield name, draw_traits(_generator(seed, k))


def _photographs(wanted: list[tuple[int, int]], seed: int, processes: int) -> Iterator[tuple[str, str, bytes]]:
    if not wanted:
        return
    from ftlgan.sources.synthetic.anatomy import HumanModel

    # Build the model only here: the first time takes a minute and 2.5 GB. The processes receive the bust, and so do not
    # load anny or torch.
    model = HumanModel()
    pool = worker_pool(processes, _prepare, model.bust)
    try:
        yield from map_ahead(pool, _photograph, _requests(model, wanted, seed), PENDING_PER_PROCESS * processes)
    except BrokenProcessPool as error:
        raise DataError(
            "a process that draws synthetic faces died, perhaps for lack of memory; close other programs and run again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _requests(model: "HumanModel", wanted: list[tuple[int, int]], seed: int) -> Iterator["Request"]:
    from ftlgan.sources.synthetic.identity import draw_identity

    for k, photos in groupby(wanted, key=itemgetter(0)):
        identity = draw_identity(model, _generator(seed, k))
        for _, j in photos:
            yield identity, seed, k, j


_bust: "Bust"  # global of each worker process


def _prepare(bust: "Bust") -> None:
    global _bust  # noqa: PLW0603 - sent once to each process, not with each photo
    _bust = bust


def _photograph(request: "Request") -> tuple[str, str, bytes]:
    from ftlgan.sources.synthetic.scene import photograph

    identity, seed, k, j = request
    return _name(k), file_name(j), photograph(_bust, identity, _generator(seed, k, j))


def _generator(seed: int, *key: int) -> np.random.Generator:
    """Return independent random numbers for each key. The plain lists [seed, k] and [seed, k, 0] give equal ones."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
