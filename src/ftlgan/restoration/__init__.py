"""Methods that restore low-resolution faces: a module here is a method, called by its name in `methods` of params.yaml.

A method's module has a function `load(weights, device)` that returns a `Restorer`. Beside `methods`, its name stands in
`weights` of params.yaml, with null for a method without weights. If it imports a module of ours, `python
tests/pipeline/code_deps.py` enters that into dvc.yaml. `trained`, which restores by a model of ours, and `command`,
`ftlgan degrade`, are no methods.
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
    """How many faces to give it at once: as many as it restores in about a second, for the progress bar moves then."""

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
        method: its name.
        weights: its entry in `weights` of params.yaml, for a method that has one.
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
    """Restore the faces of a table, in their order.

    Args:
        name: of the method, for the progress bar.
        restorer: what restores.
        degraded: folder of a table of low-resolution faces.
        restored: folder to write.
        schema: of the table to write.
    """
    faces = progress(_restored_rows(restorer, degraded), f"restore by {name}", count_faces(degraded))
    write_faces(restored, schema, faces)


def _restored_rows(restorer: Restorer, degraded: Path) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(degraded, size=restorer.faces_per_call):
        restored = restorer.restore(decode_images(batch["image"]))
        for row, face in zip(batch.to_pylist(), restored, strict=True):
            yield {**row, "image": encode_png(face)}
