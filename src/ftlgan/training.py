"""The loop: step, validate, keep the best.

A step costs one forward pass of the frozen teacher, not three: positives and negatives are constants, looked up in the
gallery.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from ftlgan.errors import DataError
from ftlgan.faces import decode_images, embeddings_of, read_faces, recognizer_of
from ftlgan.losses import Batch, LossWeights, total_loss
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.progress import progress
from ftlgan.verification import compare, d_prime

FACES_PER_PASS = 64
"""Of a validation."""


@dataclass(frozen=True)
class Faces:
    """Faces of one split, row by row the same in every array."""

    face_ids: np.ndarray
    """str (N,)."""
    identities: np.ndarray
    """str (N,)."""
    lr: np.ndarray
    """uint8 RGB, (N, res, res, 3)."""
    hr: np.ndarray
    """uint8 RGB, (N, 112, 112, 3)."""
    embeddings: np.ndarray
    """float32 (N, D), unit length: the teacher's, of `hr`."""
    recognizer: dict[str, str]
    """Name and SHA-256 of the teacher."""


@dataclass(frozen=True)
class TrainingSet:
    """What to learn from, and what to validate on."""

    train: Faces
    """Faces of the training people."""
    val: Faces
    """Faces of other people."""
    triplets: np.ndarray
    """int64 (T, 3): anchor, positive and negative as rows of `train`; see `triplet_index`."""


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and on what."""

    steps: int
    batch: int
    """Triplets per step."""
    learning_rate: float
    """Of Adam, at its peak."""
    warmup: int
    """Steps."""
    validate_every: int
    """Steps."""
    device: str
    seed: int
    """Of the order of triplets and of what is mirrored."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, from 0: linear warm-up, then half a cosine down to 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


def read_training_faces(degraded: Path, aligned: Path, gallery: Path, split: str) -> Faces:
    """The faces of one split, from the tables that hold their LR form, their HR form and the teacher's embeddings.

    Raises:
        DataError: if a table is missing, or if they don't hold the same faces in the same order.
    """
    tables = {folder: read_faces(folder, splits=[split]) for folder in (degraded, aligned, gallery)}
    face_ids = {folder: table["face_id"].to_numpy() for folder, table in tables.items()}
    for folder in (aligned, gallery):
        if not np.array_equal(face_ids[degraded], face_ids[folder]):
            raise DataError(
                f"{folder}: does not hold the {split} faces of {degraded} in the same order; run `dvc repro`"
            )
    return Faces(
        face_ids=face_ids[degraded],
        identities=tables[degraded]["identity"].to_numpy(),
        lr=decode_images(tables[degraded]["image"]),
        hr=decode_images(tables[aligned]["image"]),
        embeddings=embeddings_of(tables[gallery]),
        recognizer=recognizer_of(tables[gallery]),
    )


Log = Callable[[int, dict[str, float]], None]
"""Called with the step, from 1, and figures by name."""


def fit(
    generator: Generator, teacher: nn.Module, data: TrainingSet, weights: LossWeights, schedule: Schedule, log: Log
) -> float:
    """Train the generator in place; it ends in the state of the best validation d'.

    Args:
        generator: on `schedule.device`.
        teacher: frozen, differentiable recognizer on `schedule.device`: RGB in [0, 1] -> unit embeddings.
        data: what to learn from and what to validate on.
        weights: of the loss terms.
        schedule: how long, how fast and on what.
        log: receives each step's losses and, at each validation, `val_d_prime`; step 0 is the untrained network.

    Returns:
        The best validation d'.

    Raises:
        DataError: if a loss is not finite.
    """
    optimizer = torch.optim.Adam(generator.parameters(), lr=schedule.learning_rate)
    best, kept = validation_d_prime(generator, teacher, data.val, schedule.device), _state(generator)
    log(0, {"val_d_prime": best})
    bar = progress(_batches(data.triplets, schedule), "train", schedule.steps, "step")
    for step, triplets in enumerate(bar, start=1):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step - 1)
        total, terms = total_loss(_forward(generator, teacher, data.train, triplets, schedule, step), weights)
        losses = {name: term.item() for name, term in {"total": total, **terms}.items()}
        if not math.isfinite(losses["total"]):
            raise DataError(f"train: the loss is not finite at step {step} ({losses}); lower train.learning_rate")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        if step % schedule.validate_every == 0 or step == schedule.steps:
            losses["val_d_prime"] = validation_d_prime(generator, teacher, data.val, schedule.device)
            if losses["val_d_prime"] > best:
                best, kept = losses["val_d_prime"], _state(generator)
        log(step, losses)
        bar.set_postfix_str(f"loss {losses['total']:.3f}, best d' {best:.3f}", refresh=False)
    generator.load_state_dict(kept)
    return best


def _forward(
    generator: Generator, teacher: nn.Module, faces: Faces, triplets: np.ndarray, schedule: Schedule, step: int
) -> Batch:
    """Restore and embed the anchors of some triplets (B, 3), half of them mirrored."""
    anchor, positive, negative = triplets.T
    mirrored = np.random.default_rng([schedule.seed, step, 1]).random(len(anchor)) < 0.5
    restored = generator(to_tensor(_mirror(faces.lr[anchor], mirrored), schedule.device))
    constants = (torch.from_numpy(faces.embeddings[rows]).to(schedule.device) for rows in (anchor, positive, negative))
    hr = to_tensor(_mirror(faces.hr[anchor], mirrored), schedule.device)
    return Batch(restored, hr, teacher(restored), *constants)


def _mirror(faces: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Mirror some faces, (N, H, W, 3)."""
    return np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)


def triplet_index(triplets: pa.Table, face_ids: np.ndarray) -> np.ndarray:
    """Where anchor, positive and negative of each triplet stand in `face_ids`: int64 (T, 3).

    Raises:
        DataError: if one is not there.
    """
    place = {face_id: i for i, face_id in enumerate(face_ids)}
    roles = ("anchor", "positive", "negative")
    try:
        return np.array([[place[face_id] for face_id in triplets[role].to_pylist()] for role in roles]).T
    except KeyError as missing:
        raise DataError(f"triplets: face {missing} is not among the training faces; run `dvc repro triplets`") from None


def _batches(index: np.ndarray, schedule: Schedule) -> Iterator[np.ndarray]:
    """Batches of triplets (B, 3): no triplet twice an epoch, in an order that depends on seed and epoch alone."""
    size = min(schedule.batch, len(index))
    per_epoch = len(index) // size
    for step in range(schedule.steps):
        epoch, batch = divmod(step, per_epoch)
        order = np.random.default_rng([schedule.seed, epoch]).permutation(len(index))
        yield index[order[batch * size : (batch + 1) * size]]


def validation_d_prime(generator: Generator, teacher: nn.Module, val: Faces, device: str) -> float:
    """lr-hr d' by the teacher, of faces rounded to 8 bits as they would be stored."""
    probes = [
        _restore_and_embed(generator, teacher, val.lr[i : i + FACES_PER_PASS], device)
        for i in range(0, len(val.lr), FACES_PER_PASS)
    ]
    scores = compare(np.concatenate(probes), val.embeddings, val.identities)
    return d_prime(scores.genuine, scores.impostor)


@torch.no_grad()
def _restore_and_embed(generator: Generator, teacher: nn.Module, lr: np.ndarray, device: str) -> np.ndarray:
    stored = to_faces(generator(to_tensor(lr, device)))
    return teacher(to_tensor(stored, device)).cpu().numpy()


def _state(generator: Generator) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: tensor.clone() for name, tensor in generator.state_dict().items()}
