"""`ftlgan degrade`: shrinks aligned faces and restores them by a method, for `ftlgan embed` and `ftlgan verify`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ftlgan import restoration
from ftlgan.conditions import shrink
from ftlgan.errors import DataError, ParamsError
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.new_folder import new_folder
from ftlgan.params import METHODS, Condition, load_params
from ftlgan.progress import progress
from ftlgan.recognition.inputs import Table, groups, table_files
from ftlgan.restoration import Restorer

PARAMS = Path("params.yaml")


def degrade(source: Path, output: Path, res: int, condition: Condition, method: str, seed: int) -> None:
    """Shrink aligned faces, restore them to 112x112 and write them as a table.

    Args:
        source: a table of aligned faces of 112x112 pixels: a Parquet file or a folder of them, with the columns image
            and face_id and, optionally, identity and split, which are kept.
        output: a new or empty folder for the table.
        res: width and height of the small faces, pixels: 14, 28 or 56.
        condition: how the faces are shrunk; not `detected` or `native`, which need the photos.
        method: the restorer: a name in `ftlgan.params.METHODS`, with the weights of ./params.yaml if that exists; or
            the path of a generator.safetensors that was trained for `res`.
        seed: seed of conditions with random numbers.

    Raises:
        ParamsError: if there is no such method.
        DataError: if the source is not a table of aligned faces, or the output is not empty or can't be written.
        WeightsError: if the weights are missing, corrupted or of another resolution.
    """
    files = table_files(source)
    if not files:
        raise DataError(f"{source}: has no .parquet files; give a table of aligned faces")
    faces = Table(source, files)
    with new_folder(output) as aside:
        restorer = _load(method, res)
        rows = _rows(source, faces, restorer, res, condition, seed)
        schema = pa.schema([FACES.field(name) for name in (*faces.columns, "image")])
        count = write_faces(aside, schema, progress(rows, f"{condition}, restore by {Path(method).name}", faces.count))
    print(f"{output}: {count} faces of {res} px ({condition}), restored by {method}")


def _load(method: str, res: int) -> Restorer:
    params = load_params(PARAMS) if PARAMS.exists() else None
    device = params.train.device if params else "cpu"
    weights = params.weights.get(method) if params else None
    if method in METHODS and not weights:
        return restoration.load(method)
    from ftlgan.networks.device import prepare_device  # takes seconds, and only a network needs it
    from ftlgan.restoration.trained import Trained

    if method not in METHODS and not Path(method).is_file():
        raise ParamsError(
            f"--method {method}: is neither a method nor a file; use one of {', '.join(METHODS)}, or give the path of "
            "a generator.safetensors"
        )
    prepare_device(device, seed=0)  # nothing is random, so any seed will do
    return restoration.load(method, weights, device) if method in METHODS else Trained(Path(method), res, device)


def _rows(
    source: Path, faces: Table, restorer: Restorer, res: int, condition: Condition, seed: int
) -> Iterator[dict[str, Any]]:
    for group in groups(faces.faces(0), restorer.faces_per_call):
        small: list[np.ndarray] = []
        for face in group:
            if isinstance(face.image, str):
                raise DataError(f"{source}: {face.names['face_id']} is {face.image}; write the table again")
            small.append(shrink(face.image, str(face.names["face_id"]), res, condition, seed))
        for face, restored in zip(group, restorer.restore(np.stack(small)), strict=True):
            yield {**face.names, "image": encode_png(restored)}
