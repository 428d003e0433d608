"""Methods that restore low-resolution faces. Each module here is a method, named in `methods` of params.yaml.

A method's module has a function `load(weights, device)` that returns a `Restorer`. `weights` of params.yaml also has an
entry for each method, null for a method without weights. If the module imports other modules of ftlgan, `python
tests/pipeline/code_deps.py` adds them to dvc.yaml. Two modules are not methods: `trained` restores by a trained model,
and `command` is `ftlgan degrade`.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ftlgan.errors import ParamsError
from ftlgan.faces import FACES, count_faces, decode_images, encode_png, stream_faces, write_faces
from ftlgan.params import METHODS, PretrainedWeights
from ftlgan.progress import progress


class Restorer(Protocol):
    """Turns low-resolution faces into faces of 112x112."""

    faces_per_call: int
    """The number of faces per call: about as many as it restores in a second, so that the progress bar moves."""

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


def restore_faces(name: str, restorer: Restorer, degraded: Path, restored: Path, schema: pa.Schema = FACES) -> None:
    """Restore the faces of a table, in order.

    Args:
        name: name of the method, for the progress bar.
        restorer: the restorer.
        degraded: folder of a table of low-resolution faces.
        restored: folder to write.
        schema: schema of the table to write.
    """
    faces = progress(_restored_rows(restorer, degraded), f"restore by {name}", count_faces(degraded))
    write_faces(restored, schema, faces)


def _restored_rows(restorer: Restorer, degraded: Path) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(degraded, size=restorer.faces_per_call):
        restored = restorer.restore(decode_images(batch["image"]))
        for row, face in zip(batch.to_pylist(), restored, strict=True):
            yield {**row, "image": encode_png(face)}
