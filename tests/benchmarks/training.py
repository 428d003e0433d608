"""Images a second of a training step by pixel, identity and triplet beside the naive form, and where the time goes.

`python tests/benchmarks/training.py`. The naive form sends restored face, positive and negative through the teacher
each time, and takes the teacher as onnx2torch converts it, its batch normalisations unfolded; first
`pip install --no-deps onnx2torch`.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ftlgan.faces import HR
from ftlgan.losses.adversarial import discriminator_loss, generator_loss
from ftlgan.losses.identity import identity_loss
from ftlgan.losses.perceptual import perceptual_loss
from ftlgan.losses.pixel import pixel_loss
from ftlgan.losses.triplet import triplet_loss
from ftlgan.networks.device import prepare_device
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import PRESETS, Generator
from ftlgan.networks.images import to_tensor
from ftlgan.params import Training
from ftlgan.recognition import sface, teacher
from ftlgan.recognition.teacher import Teacher
from ftlgan.training.augmentation import degrade_each, draw_moves, mirror, move
from ftlgan.training.data import Faces, References, TrainingSet
from ftlgan.training.distributed import World
from ftlgan.training.loop import fit

sys.path.append(str(Path(__file__).parents[1] / "training"))
from small import PARAMS, changed, losing

RES, BATCH, STEPS, ROUNDS = 14, 16, 5, 5
Recognise = Callable[[Tensor], Tensor]
"""Faces, RGB in [0, 1] -> embeddings of any length."""
CONFIG = changed(
    losing(PARAMS.training("ftlgan"), triplet=1.0, pixel=1.0, identity=3.0),
    augmentation={"flip": True, "shift": 0.5, "rotation": 0.0, "scale": 0.0, "realistic": 0.0},
    degradation={"kind": "bicubic"},
    train={
        **{"steps": STEPS, "batch": BATCH, "learning_rate": 1e-3, "warmup": 1, "clip": 10.0, "ema": 0.99},
        **{"teacher_noise": 0.0, "validate_every": 10**9, "device": "cpu", "precision": "float32", "compile": False},
    },
)


def faces_of_noise(res: int = RES, dimension: int = sface.DIMENSION) -> TrainingSet:
    """What a face shows costs no time. 80 of them, four a person, by a teacher of so many numbers; the last 16 to
    validate on."""
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (80, HR, HR, 3), dtype=np.uint8)
    ids, who = np.array([str(i) for i in range(80)]), np.array([f"p{i // 4}" for i in range(80)])
    embeddings = rng.normal(size=(80, dimension)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    every = Faces(ids, who, moved(hr, res, rng)[0], hr, np.zeros(80, bool))
    photos = References(Path("data/teacher"), ids, who, embeddings, {})
    val, train = slice(64, 80), slice(0, 64)
    own = [
        replace(every, face_ids=ids[s], identities=who[s], lr=every.lr[s], hr=hr[s], native=every.native[s])
        for s in (train, val)
    ]
    theirs = [replace(photos, face_ids=ids[s], identities=who[s], embeddings=embeddings[s]) for s in (train, val)]
    triplets = np.stack([np.arange(64), np.arange(64) ^ 1, (np.arange(64) + 4) % 64], axis=1).repeat(2, axis=0)
    return TrainingSet(own[0], theirs[:1], triplets, hr[:64], own[1], theirs[1:])


def moved(hr: np.ndarray, res: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    found = move(hr, draw_moves(len(hr), res, CONFIG.augmentation, rng))
    return degrade_each(found, res, CONFIG.degradation, [rng] * len(hr)), found


def generator() -> Generator:
    return Generator(RES, **PRESETS["small"])


def ours(
    data: TrainingSet, network: Generator, config: Training = CONFIG, frozen: Teacher | None = None
) -> list[float]:
    """Images a second, of each step; the network is on the config's device. The teacher is SFace, or another one."""
    found: list[float] = []

    def log(step: int, metrics: dict[str, float]) -> None:
        if step:
            found.append(metrics["images_per_s"])

    device = config.train.device
    frozen = frozen or teacher.load("sface")
    fit(network, None, [frozen.to(device)], data, config, log, world=World(device=device))
    return found


def converted_sface() -> Recognise:
    """SFace as onnx2torch converts it."""
    from onnx2torch import convert  # pyright: ignore[reportMissingImports] - see above

    model = sface.float_model()
    model.opset_import[0].version = 17  # the latest that onnx2torch knows; its layers are the same
    converted = convert(model).eval().requires_grad_(False)
    return lambda faces: converted(faces * 255)


def naive(data: TrainingSet, recognise: Recognise, steps: int = STEPS, batch: int = BATCH) -> float:
    """The same losses, on the same number of faces, by a network that takes faces in [0, 1]."""
    network, found = generator(), list[float]()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    rng = np.random.default_rng(0)
    assert data.train.hr is not None

    def embed(faces: Tensor) -> Tensor:
        return F.normalize(recognise(faces), dim=1)

    for _ in range(steps):
        started = time.monotonic()
        anchor, positive, negative = data.triplets[rng.integers(0, len(data.triplets), batch)].T
        small, hr = moved(data.train.hr[anchor], RES, rng)
        restored, twin = network(to_tensor(small)), to_tensor(hr)
        photos = [embed(to_tensor(data.train.hr[rows])) for rows in (positive, negative)]
        own = embed(restored)
        others = torch.from_numpy(data.references[0].embeddings[anchor])
        loss = (
            pixel_loss(restored, twin)
            + CONFIG.losses.identity * identity_loss(own, others)
            + triplet_loss(own, photos[0], photos[1], CONFIG.triplets.margin)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(batch / (time.monotonic() - started))
    return statistics.median(found)


def parts(data: TrainingSet) -> dict[str, float]:
    """Median seconds of each part of a step, alone."""
    rng = np.random.default_rng(0)
    network, critic, frozen = generator(), Discriminator(16), teacher.load("sface")
    for module in (network, critic):
        module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    assert data.train.hr is not None
    hr = data.train.hr[:BATCH]
    small, twin = to_tensor(data.train.lr[:BATCH]), to_tensor(hr)

    def load() -> None:
        for faces in moved(hr, RES, rng):
            to_tensor(mirror(faces, rng.random(len(faces)) < 0.5))

    def restore() -> None:
        network(small).sum().backward()

    def recognise() -> None:
        frozen(twin.clone().requires_grad_(True)).sum().backward()

    def resemble() -> None:
        with torch.no_grad():
            theirs = frozen.features(twin)[1]
        perceptual_loss([layer.clone().requires_grad_(True) for layer in theirs], theirs).backward()

    def tell_apart() -> None:
        generator_loss(critic(twin.clone().requires_grad_(True)), "hinge").backward()
        real, restored = critic(torch.cat([twin, twin])).chunk(2)
        discriminator_loss(real, restored, "hinge").backward()

    named = {"data": load, "generator": restore, "teacher": recognise, "perceptual": resemble}
    named |= {"discriminator": tell_apart}
    return {name: statistics.median(seconds(part) for _ in range(ROUNDS)) for name, part in named.items()}


def seconds(part: Callable[[], None]) -> float:
    started = time.monotonic()
    part()
    return time.monotonic() - started


def main() -> None:
    prepare_device("cpu", 0)
    data = faces_of_noise()
    converted = converted_sface()
    pairs = [(naive(data, converted), statistics.median(ours(data, generator()))) for _ in range(ROUNDS)]
    print(f"{BATCH} triplets of {RES} px a step, {torch.get_num_threads()} threads; medians of {ROUNDS} rounds in turn")
    for name, speeds in zip(("naive", "ours"), zip(*pairs, strict=True), strict=True):
        print(f"{name:14}{statistics.median(speeds):7.1f} images/s")
    print(f"{'ratio':14}{statistics.median(b / a for a, b in pairs):7.2f}")
    found = parts(data)
    by_default = sum(found.values()) - found["discriminator"]
    print("\nwhere the time goes (share of a step without the adversarial term, as by default)")
    for name, duration in found.items():
        print(f"{name:14}{1000 * duration:7.0f} ms {100 * duration / by_default:6.1f} %")


if __name__ == "__main__":
    main()
