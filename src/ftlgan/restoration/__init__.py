"""Methods that restore low-resolution faces. Each module here is a method, named in `methods` of params.yaml.

A method's module has a function `load(weights, device)` that returns a `Restorer`. `weights` of params.yaml also has an
entry for each method, null for a method without weights. If the module imports other modules of ftlgan, `python
tests/pipeline/code_deps.py` adds them to dvc.yaml. Two modules are not methods: `trained` restores by a trained model,
and `command` is `ftlgan degrade`.
"""

import importlib
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ftlgan.engine import Engine, Local
from ftlgan.errors import ParamsError
from ftlgan.faces import FACES, count_faces, decode_images, encode_png, stream_faces, write_faces
from ftlgan.params import METHODS, PretrainedWeights
from ftlgan.progress import progress


class Restorer(Protocol):
    """Turns low-resolution faces into faces of 112x112. It can be pickled, with its weights, to run elsewhere."""

    faces_per_call: int
    """The number of faces per call: about as many as it restores in a second, so that the progress bar moves."""

    @property
    def torch_device(self) -> str | None:
        """The device on which torch runs its network, `cpu` or `cuda`; None if it does not use torch."""
        ...

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """Restore faces.

        Args:
            lr: uint8 RGB, (N, res, res, 3), res 14, 28 or 56.

        Returns:
            uint8 RGB, (N, 112, 112, 3).
        """
        ...


def load(method: str, weights: PretrainedWeights | None = None, device: str = "cpu") -> Restorer:
    """Load the restorer of a method.

    Args:
        method: name of the method.
        weights: its entry in `weights` of params.yaml, if it has one.
        device: `cpu` or `cuda`.

    Raises:
        DataError: if its weights can't be downloaded.
        ParamsError: if there is no such method.
        WeightsError: if its weights are missing, corrupted or of another network.
    """
    if method not in METHODS:
        raise ParamsError(f"methods: {method!r} is unknown: use one of {', '.join(METHODS)}")
    return importlib.import_module(f"{__name__}.{method}").load(weights, device)


def restore_faces(
    name: str,
    restorer: Restorer,
    degraded: Path,
    restored: Path,
    schema: pa.Schema = FACES,
    engine: Engine | None = None,
) -> None:
    """Restore the faces of a table, in order.

    Args:
        name: name of the method, for the progress bar.
        restorer: the restorer.
        degraded: folder of a table of low-resolution faces.
        restored: folder to write.
        schema: schema of the table to write.
        engine: where the faces are restored; by default on this machine.
    """
    faces = progress(_restored_rows(restorer, degraded, engine or Local()), f"restore by {name}", count_faces(degraded))
    write_faces(restored, schema, faces)


def _restored_rows(restorer: Restorer, degraded: Path, engine: Engine) -> Iterator[dict[str, Any]]:
    """Restore a table in batches, with as many threads everywhere: by their number, torch rounds differently."""
    threads = _torch_threads() if restorer.torch_device else 1
    batches = (batch.to_pylist() for batch in stream_faces(degraded, size=restorer.faces_per_call))
    restore = partial(_restore_rows, restorer, threads)
    for rows, images in engine.map(restore, batches, max(threads, engine.cores), int(restorer.torch_device == "cuda")):
        for row, image in zip(rows, images, strict=True):
            yield {**row, "image": image}


def _restore_rows(restorer: Restorer, threads: int, rows: list[dict[str, Any]]) -> list[bytes]:
    if restorer.torch_device:
        _prepare_torch(restorer.torch_device, threads)
    return [encode_png(face) for face in restorer.restore(decode_images([row["image"] for row in rows]))]


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


@cache
def _prepare_torch(device: str, threads: int) -> None:
    """Prepare torch in this process. On this machine, that repeats what the stage did."""
    import torch

    from ftlgan.networks.device import prepare_device

    prepare_device(device, seed=0)  # nothing is random, so any seed will do
    torch.set_num_threads(threads)
