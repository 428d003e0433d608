"""A small training: six people of four patterned images each, and a recognizer of thumbnails."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from ftlgan.augmentation import Augmentation
from ftlgan.degradation import degrade
from ftlgan.losses import LossWeights
from ftlgan.networks.device import prepare_device
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_tensor
from ftlgan.training.data import Faces, Gallery, TrainingSet, triplet_index, twin_index
from ftlgan.training.loop import fit
from ftlgan.training.state import Schedule
from ftlgan.triplets import Mining, mine

WEIGHTS = LossWeights(triplet=1, pixel=1, identity=1, perceptual=0.1, adversarial=0.01)
TRIPLET_ONLY = LossWeights(triplet=1)
SCHEDULE = Schedule(
    steps=6,
    batch=4,
    learning_rate=1e-3,
    warmup=1,
    validate_every=3,
    seed=0,
    clip=10,
    ema=0.5,
    teacher_noise=0.01,
    r1=0.1,
)
STILL = Augmentation(flip=True, shift=0, kind="bicubic")
MOVING = Augmentation(flip=True, shift=0.5, kind="bicubic")


class Colours(nn.Module):
    """A small frozen recognizer: a fixed random projection of a 7x7 thumbnail."""

    projection: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("projection", torch.randn(16, 147, generator=generator), persistent=False)

    def forward(self, faces: Tensor) -> Tensor:
        return self.features(faces)[0]

    def features(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        thumbnail = nn.functional.avg_pool2d(faces - 0.5, 16)
        return nn.functional.normalize(thumbnail.flatten(1) @ self.projection.T, dim=1), [thumbnail]


@dataclass
class Trained:
    """What a training left."""

    generator: Generator
    best: float
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def of(self, name: str) -> list[float]:
        return [figures[name] for _, figures in self.history if name in figures]


def patterns() -> tuple[Faces, Gallery, pa.Table]:
    """Faces, their photos, and triplets of them."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(6), 4)
    pattern = rng.integers(0, 256, (6, 28, 28, 3))[who] * 0.8 + rng.integers(0, 256, (24, 28, 28, 3)) * 0.2
    hr = pattern.astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    face_ids, identities = np.array([f"{i}" for i in range(24)]), np.array([f"p{i}" for i in who])
    faces = Faces(face_ids, identities, np.stack([degrade(face, 14) for face in hr]), hr)
    gallery = Gallery(face_ids, identities, Colours()(to_tensor(hr)).numpy(), {"recognizer": "c", "sha256": "0"})
    return faces, gallery, mine(face_ids, identities, gallery.embeddings, Mining(2, 2, 4, 0.5), seed=0)


def small_set() -> TrainingSet:
    faces, gallery, triplets = patterns()
    index = triplet_index(triplets, faces, gallery)
    assert faces.hr is not None
    return TrainingSet(faces, gallery, index, twin_index(faces, gallery), faces.hr, faces, gallery)


def train(data: TrainingSet, schedule: Schedule = SCHEDULE, weights: LossWeights = WEIGHTS, **options: Any) -> Trained:
    """Train new networks, whose first weights go by the seed of the schedule."""
    device = schedule.device
    prepare_device(device, schedule.seed, precision=schedule.precision)
    trained = Trained(Generator(14, 8, 1, 4).to(device), 0)
    discriminator = Discriminator(4).to(device) if weights.adversarial else None
    augmentation = options.pop("augmentation", MOVING)

    def log(step: int, figures: dict[str, float]) -> None:
        trained.history.append((step, dict(figures)))

    options.setdefault("log", log)
    teacher = Colours().to(device)
    trained.best = fit(trained.generator, discriminator, teacher, data, weights, schedule, augmentation, **options)
    return trained


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def faster(**changes: Any) -> Schedule:
    return replace(SCHEDULE, **changes)
