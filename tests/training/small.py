"""A small training: six people of four patterned images each, and a recognizer of thumbnails."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from ftlgan.degradation import degrade
from ftlgan.networks.device import prepare_device
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator, Size
from ftlgan.networks.images import to_tensor
from ftlgan.params import Training, load_params
from ftlgan.training.data import Faces, References, TrainingSet, triplet_index
from ftlgan.training.distributed import World
from ftlgan.training.loop import fit
from ftlgan.triplets.mining import Space, mine

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
OFF: dict[str, Any] = dict.fromkeys(("pixel", "identity", "triplet", "perceptual", "adversarial"), 0.0)
"""The weights of all terms."""
STILL = {"shift": 0.0, "rotation": 0.0, "scale": 0.0}
"""Nothing for which a face would be degraded anew."""


def changed(config: Training, **sections: dict[str, Any]) -> Training:
    """Return a config with some values changed: `changed(CONFIG, train={"steps": 9})`."""
    updates = {name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    return config.model_copy(update=updates)


CONFIG = changed(
    PARAMS.training("ftlgan"),
    losses={"pixel": 1.0, "identity": 1.0, "triplet": 1.0, "perceptual": 0.1, "adversarial": 0.01},
    discriminator={"r1": 0.1},
    train={
        **{"steps": 6, "batch": 4, "learning_rate": 1e-3, "warmup": 1, "clip": 10.0, "ema": 0.5, "teacher_noise": 0.01},
        **{"validate_every": 3, "checkpoint": 2},
    },
)


def faster(config: Training = CONFIG, /, **train: Any) -> Training:
    """Return a config with some values of its section `train` changed."""
    return changed(config, train=train)


def losing(config: Training = CONFIG, /, **weights: Any) -> Training:
    """Return a config whose loss has these terms and no other."""
    return changed(config, losses=OFF | weights)


def still(config: Training = CONFIG) -> Training:
    """Return a config without degradation in each step."""
    return changed(config, augmentation=STILL)


class Colours(nn.Module):
    """A small frozen recognizer: a fixed random projection of a 7x7 thumbnail."""

    layers = 1
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
    """The results of a training."""

    generator: Generator
    best: float
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list[tuple[int, dict[str, float]]])

    def values(self, name: str) -> list[float]:
        """Return the values of a metric, in the order of the steps that have it."""
        return [metrics[name] for _, metrics in self.history if name in metrics]


def patterns() -> tuple[Faces, References, pa.Table]:
    """Return faces, their photos, and triplets of them."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(6), 4)
    pattern = rng.integers(0, 256, (6, 28, 28, 3))[who] * 0.8 + rng.integers(0, 256, (24, 28, 28, 3)) * 0.2
    hr = pattern.astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    face_ids, identities = np.array([f"{i}" for i in range(24)]), np.array([f"p{i}" for i in who])
    faces = Faces(face_ids, identities, np.stack([degrade(face, 14) for face in hr]), hr, np.zeros(len(hr), bool))
    embeddings = Colours()(to_tensor(hr)).numpy()
    references = References(
        Path("data/targets/ftlgan/c"), face_ids, identities, embeddings, {"recognizer": "c", "sha256": "0"}
    )
    config = PARAMS.triplets.model_copy(update={"positives": 2, "negatives": 2, "hardest": 4, "margin": 0.5})
    triplets = pa.concat_tables(mine(Space(face_ids, identities, embeddings), config, seed=0))
    return faces, references, triplets


def small_set() -> TrainingSet:
    """Return a training set of the patterns, validated on the same people."""
    faces, references, triplets = patterns()
    index = triplet_index([triplets], faces, references)
    return TrainingSet(faces, [references], index, faces.hr, faces, [references])


DENSE: Size = {"trunk": "dense", "features": 8, "blocks": 1, "growth": 4, "positions": False}
ATTENTION: Size = {"trunk": "attention", "features": 32, "blocks": 1, "growth": 0, "positions": True}


def small_generator(size: Size = DENSE) -> Generator:
    """Return a network that trains very fast."""
    return Generator(14, **size)


def train(
    data: TrainingSet,
    config: Training = CONFIG,
    world: World | None = None,
    size: Size = DENSE,
    **options: Any,
) -> Trained:
    """Train new networks, whose first weights go by the seed of the config."""
    world = world or World(device=config.train.device)
    prepare_device(config.train.device, config.train.seed, precision=config.train.precision)
    trained = Trained(small_generator(size).to(world.device), 0)
    discriminator = Discriminator(4).to(world.device) if config.losses.adversarial else None

    def log(step: int, metrics: dict[str, float]) -> None:
        trained.history.append((step, dict(metrics)))

    options.setdefault("log", log)
    teachers = [Colours().to(world.device) for _ in data.references]
    trained.best = fit(trained.generator, discriminator, teachers, data, config, world=world, **options)
    return trained


def same(a: nn.Module, b: nn.Module) -> bool:
    """Say whether two networks have the same weights to the bit."""
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
