"""The loop: step, validate, keep the best.

A step costs one forward pass of the frozen teacher, not three: positives and negatives are constants, looked up in the gallery.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from ftlgan.errors import DataError
from ftlgan.faces import decode_images, embeddings_of, read_faces
from ftlgan.losses import Batch, Weights, total_loss
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
            raise DataError(f"{folder}: does not hold the {split} faces of {degraded} in the same order; run `dvc repro`")
    return Faces(
        face_ids=face_ids[degraded],
        identities=tables[degraded]["identity"].to_numpy(),
        lr=decode_images(tables[degraded]["image"]),
        hr=decode_images(tables[aligned]["image"]),
        embeddings=embeddings_of(tables[gallery]),
    )


def deterministic(seed: int) -> None:
    """Seed torch, and make it refuse what would not repeat."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, CUDA's matrix products don't repeat
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


Log = Callable[[int, dict[str, float]], None]
"""Called with the step, from 1, and figures by name."""


def fit(
    generator: Generator,
    teacher: nn.Module,
    train: Faces,
    val: Faces,
    triplets: pa.Table,
    weights: Weights,
    schedule: Schedule,
    seed: int,
    log: Log,
) -> float:
    """Train the generator in place; it ends in the state of the best validation d'.

    Args:
        generator: on `schedule.device`.
        teacher: frozen, differentiable recognizer on `schedule.device`: RGB in [0, 1] -> unit embeddings.
        train: faces of the training people.
        val: faces of other people.
        triplets: rows of `ftlgan.triplets.TRIPLETS` among the training faces.
        weights: of the loss terms.
        schedule: how long, how fast and on what.
        seed: of the order of triplets and the flips.
        log: receives each step's losses and, at each validation, `val_d_prime`; step 0 is the untrained network.

    Returns:
        The best validation d'.

    Raises:
        DataError: if a triplet names a face that is not in `train`, or a loss is not finite.
    """
    index = triplet_index(triplets, train.face_ids)
    optimizer = torch.optim.Adam(generator.parameters(), lr=schedule.learning_rate)
    best = validation_d_prime(generator, teacher, val, schedule.device)
    kept = _state(generator)
    log(0, {"val_d_prime": best})
    bar = progress(_batches(index, schedule, seed), "train", schedule.steps, "step")
    for step, rows in enumerate(bar):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(step)
        losses = _step(generator, teacher, optimizer, _flipped(seed, step, len(rows)), train, rows, weights, schedule.device)
        if not math.isfinite(losses["total"]):
            raise DataError(f"train: the loss is not finite at step {step + 1} ({losses}); lower train.learning_rate")
        if (step + 1) % schedule.validate_every == 0 or step + 1 == schedule.steps:
            losses["val_d_prime"] = validation_d_prime(generator, teacher, val, schedule.device)
            if losses["val_d_prime"] > best:
                best, kept = losses["val_d_prime"], _state(generator)
        log(step + 1, losses)
        bar.set_postfix_str(f"loss {losses['total']:.3f}, best d' {best:.3f}", refresh=False)
    generator.load_state_dict(kept)
    return best


def _step(
    generator: Generator,
    teacher: nn.Module,
    optimizer: torch.optim.Optimizer,
    flipped: np.ndarray,
    train: Faces,
    rows: np.ndarray,
    weights: Weights,
    device: str,
) -> dict[str, float]:
    """One step of the optimiser on triplets `rows` (B, 3) of indices into `train`; the losses before it."""
    anchor, positive, negative = rows.T
    hr = to_tensor(_flip(train.hr[anchor], flipped), device)
    restored = generator(to_tensor(_flip(train.lr[anchor], flipped), device))
    twin, pos, neg = (torch.from_numpy(train.embeddings[i]).to(device) for i in (anchor, positive, negative))
    total, terms = total_loss(Batch(restored, hr, teacher(restored), twin, pos, neg), weights)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    optimizer.step()
    return {name: term.item() for name, term in terms.items()} | {"total": total.item()}


def triplet_index(triplets: pa.Table, face_ids: np.ndarray) -> np.ndarray:
    """Where anchor, positive and negative of each triplet stand in `face_ids`: int64 (T, 3).

    Raises:
        DataError: if one is not there.
    """
    place = {face_id: i for i, face_id in enumerate(face_ids)}
    try:
        return np.array([[place[face_id] for face_id in triplets[name].to_pylist()] for name in TRIPLET]).T
    except KeyError as missing:
        raise DataError(f"triplets: face {missing} is not among the training faces; run `dvc repro triplets`") from None


TRIPLET = ("anchor", "positive", "negative")


def _batches(index: np.ndarray, schedule: Schedule, seed: int) -> Iterator[np.ndarray]:
    """Batches of triplets (B, 3): every triplet once an epoch, in an order that depends on seed and epoch alone."""
    size = min(schedule.batch, len(index))
    per_epoch = len(index) // size
    for step in range(schedule.steps):
        epoch, batch = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(index))
        yield index[order[batch * size : (batch + 1) * size]]


def _flipped(seed: int, step: int, size: int) -> np.ndarray:
    """Which faces of a step are mirrored: bool (B,)."""
    return np.random.default_rng([seed, step, 1]).random(size) < 0.5


def _flip(faces: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Mirror some faces, (N, H, W, 3)."""
    return np.where(flipped[:, None, None, None], faces[:, :, ::-1], faces)


def validation_d_prime(generator: Generator, teacher: nn.Module, val: Faces, device: str) -> float:
    """lr-hr d' by the teacher, of faces rounded to 8 bits as they would be stored."""
    probes = [_restore_and_embed(generator, teacher, val.lr[i : i + FACES_PER_PASS], device) for i in range(0, len(val.lr), FACES_PER_PASS)]
    scores = compare(np.concatenate(probes), val.embeddings, val.identities)
    return d_prime(scores.genuine, scores.impostor)


@torch.no_grad()
def _restore_and_embed(generator: Generator, teacher: nn.Module, lr: np.ndarray, device: str) -> np.ndarray:
    stored = to_faces(generator(to_tensor(lr, device)))
    return teacher(to_tensor(stored, device)).cpu().numpy()


def _state(generator: Generator) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: tensor.clone() for name, tensor in generator.state_dict().items()}
