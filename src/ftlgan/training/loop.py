"""The loop: step, validate, keep the best, and go on after a kill as if there had been none.

A step costs one forward pass of the frozen teacher, not three: positives and negatives are constants, looked up in the
gallery. Whatever is drawn depends on seed and step alone, so that a step is the same whatever came before it in this
process.
"""

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ftlgan.augmentation import Augmentation
from ftlgan.distributed import World
from ftlgan.errors import DataError
from ftlgan.faces import HR
from ftlgan.losses import Batch, LossWeights, total_loss
from ftlgan.losses.adversarial import discriminator_loss, r1_penalty
from ftlgan.networks.device import autocast, enough_memory, replayed
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.progress import progress
from ftlgan.recognition.teacher import Teacher
from ftlgan.training.batches import Batches, Drawn
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.data import Faces, Gallery, TrainingSet
from ftlgan.training.state import Schedule, State
from ftlgan.verification.merits import d_prime
from ftlgan.verification.pairs import compare

FACES_PER_PASS = 64
"""Of a validation."""

Log = Callable[[int, dict[str, float]], None]
"""Called with the step, from 1, and figures by name."""
Features = Callable[[Tensor], list[Tensor]]
"""Faces, RGB in [0, 1] -> features, a (N, C, H, W) a layer."""


@enough_memory()
def fit(
    generator: Generator,
    discriminator: Discriminator | None,
    teacher: Teacher,
    data: TrainingSet,
    weights: LossWeights,
    schedule: Schedule,
    augmentation: Augmentation,
    log: Log,
    *,
    checkpoint: Checkpoint | None = None,
    perceptual: Callable[[Tensor], list[Tensor]] | None = None,
    world: World = World(),  # noqa: B008 - frozen
    compiled: bool = False,
) -> float:
    """Train the generator in place; it ends as the moving average of its weights with the best validation d'.

    Among the averages is not the untrained network.

    Args:
        generator: on `schedule.device`.
        discriminator: on `schedule.device`; None without an adversarial term.
        teacher: on `schedule.device`.
        data: what to learn from and what to validate on.
        weights: of the loss terms.
        schedule: how long, how fast and on what.
        augmentation: how faces are varied.
        log: receives each step's losses and images a second, and at each validation `val_d_prime`; step 0 is the
            untrained network. A training that goes on after a kill logs all steps again.
        checkpoint: where it is kept from which a killed training goes on.
        perceptual: features for the perceptual term, in place of the teacher's.
        world: the processes that train together.
        compiled: let torch compile what runs each step; not the discriminator with R1, whose second derivative
            compiled code lacks.

    Returns:
        The best validation d', in the first process.

    Raises:
        DataError: if a loss is not finite, the GPU's memory is full, or there are fewer triplets than processes.
        WeightsError: if the checkpoint is not whole.
    """
    state = State(generator, discriminator, schedule)
    trainer = _Trainer(state, teacher, data, weights, augmentation, perceptual, world, compiled)
    found = checkpoint.read() if checkpoint else None
    if found:
        state.restore(*found)
        for step, figures in state.history if world.rank == 0 else []:
            log(step, figures)
    else:
        trainer.validate_and_log({}, log)
    steps = range(state.step + 1, schedule.steps + 1)
    with progress(steps, "train", schedule.steps, "step", initial=state.step, shown=world.rank == 0) as bar:
        for step in bar:
            started, state.step = time.monotonic(), step
            figures = trainer.step()
            if not all(map(math.isfinite, figures.values())):
                raise DataError(_not_finite(step, figures, checkpoint))
            figures["images_per_s"] = trainer.batch_size / (time.monotonic() - started)
            trainer.validate_and_log(figures, log)
            if checkpoint and world.rank == 0 and (step % checkpoint.every == 0 or step == schedule.steps):
                checkpoint.write(state.tensors(), state.about())
            best = f", best d' {state.best:.3f}" if math.isfinite(state.best) else ""
            bar.set_postfix_str(f"loss {figures['total']:.3f}{best}", refresh=False)
    generator.load_state_dict(state.kept)
    return state.best


def _not_finite(step: int, figures: dict[str, float], checkpoint: Checkpoint | None) -> str:
    losses = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    kept = f"; the last good state is {checkpoint.path}" if checkpoint and checkpoint.path.exists() else ""
    return f"train: not finite at step {step} ({losses}); lower train.learning_rate{kept}"


class _Trainer:
    """One step of a training, and its validation."""

    def __init__(
        self,
        state: State,
        teacher: Teacher,
        data: TrainingSet,
        weights: LossWeights,
        augmentation: Augmentation,
        perceptual: Features | None,
        world: World,
        compiled: bool,
    ) -> None:
        self.state, self.data, self.weights, self.world = state, data, weights, world
        self.perceptual = perceptual
        self.schedule = schedule = state.schedule
        size = min(schedule.batch, len(data.triplets))
        self.batch_size = size - size % world.size
        """Triplets per step: fewer than asked for, where there are not so many."""
        if not self.batch_size:
            raise DataError(f"train: {len(data.triplets)} triplets for {world.size} processes; lower train.devices")
        self.batches = Batches(data, augmentation, schedule, self.batch_size)

        def prepared(network: nn.Module, compiled: bool = compiled) -> nn.Module:
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - missing in torch's types
            return world.wrap(torch.compile(network) if compiled else network)  # pyright: ignore[reportArgumentType]

        def recognise(faces: Tensor) -> tuple[Tensor, list[Tensor]]:
            """The teacher's embeddings, and where the perceptual term compares them, its features."""
            return teacher.features(faces) if weights.perceptual and not perceptual else (teacher(faces), [])

        self.teacher, self.recognise = teacher, recognise
        self.generator: Callable[[Tensor], Tensor] = prepared(state.generator)
        self.discriminator = None
        if state.discriminator is not None:
            self.discriminator = prepared(state.discriminator, compiled and not schedule.r1)
        if schedule.device.startswith("cuda") and world.size == 1 and not compiled:
            self._replay()

    def _replay(self) -> None:
        """Let the GPU replay generator and teacher, whose kernels are the most of a step's."""
        precision, size, (res, *_) = self.schedule.precision, self.batch_size, self.data.train.lr.shape[1:]
        small, faces = (torch.zeros(size, 3, side, side, device=self.schedule.device) for side in (res, HR))
        small = small.contiguous(memory_format=torch.channels_last)
        self.generator = replayed(self.generator, small, precision)
        self.recognise = replayed(self.recognise, faces.requires_grad_(True), precision)
        # As the weights lie, or the average could not follow them in one kernel.
        self.state.average.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def step(self) -> dict[str, float]:
        """Move the weights once.

        Returns:
            The losses before weighting, their `total`, and the lengths of the gradients, means over all processes.
        """
        self.state.set_rates()
        drawn = self.batches.of(self.state.step)
        batch = self._forward(drawn)
        total, terms = total_loss(batch, self.weights)
        figures = {"total": total, **terms}
        figures["gradient"] = self._descend("generator", self.state.generator, total)
        self.state.follow()
        if self.discriminator is not None:
            figures |= self._discriminate(batch.restored.detach(), drawn)
        values = self.world.mean(torch.stack([value.detach().float() for value in figures.values()])).tolist()
        return dict(zip(figures, values, strict=True))

    def _descend(self, name: str, network: nn.Module, loss: Tensor) -> Tensor:
        """Follow the gradient of a loss, and return its length."""
        optimizer = self.state.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(network.parameters(), self.schedule.clip)
        optimizer.step()
        return length

    def _forward(self, drawn: Drawn) -> Batch:
        """Restore this process's share of the step's anchors, and look at them with all that the terms need.

        The identity term holds a face that was mirrored or moved against the embedding of its twin as stored: between
        the two SFace has a cosine of 0.97 and of 0.95 (measured), which is a floor of that term.
        """
        share, weights, schedule = self.world.share(self.batch_size), self.weights, self.schedule
        small = to_tensor(drawn.lr[share], schedule.device).contiguous(memory_format=torch.channels_last)
        twins = to_tensor(drawn.hr[share], schedule.device) if drawn.hr is not None and weights.needing_photos else None
        features: list[Tensor] = []
        twin_features: list[Tensor] = []
        with autocast(schedule.device, schedule.precision):
            restored = self.generator(small)
            seen = restored
            if drawn.noise is not None:
                seen = restored + torch.from_numpy(drawn.noise[share]).to(schedule.device)
            embeddings, features = self.recognise(seen)
            if weights.perceptual:
                assert twins is not None
                features = self.perceptual(restored) if self.perceptual else features
                with torch.no_grad():
                    twin_features = self.perceptual(twins) if self.perceptual else self.teacher.features(twins)[1]
            logits = self._deceive(restored) if self.discriminator is not None else None
        return Batch(
            restored=restored.float(),
            anchor=embeddings.float(),
            positive=self._embeddings(drawn.positive[share]),
            negative=self._embeddings(drawn.negative[share]),
            hr=twins,
            twin=self._embeddings(self.data.twins[drawn.anchor[share]]) if self.data.twins is not None else None,
            features=[layer.float() for layer in features],
            twin_features=[layer.float() for layer in twin_features],
            logits=logits.float() if logits is not None else None,
        )

    def _deceive(self, restored: Tensor) -> Tensor:
        """The discriminator's answer, with a gradient for the faces and none for its weights."""
        assert self.state.discriminator is not None
        network = self.state.discriminator.eval().requires_grad_(False)  # eval: spectral norms stay as they are
        logits = network(restored)
        network.train().requires_grad_(True)
        return logits

    def _discriminate(self, restored: Tensor, drawn: Drawn) -> dict[str, Tensor]:
        """Teach the discriminator restored faces and as many real photos."""
        assert self.state.discriminator is not None
        assert self.discriminator is not None
        assert drawn.real is not None
        schedule = self.schedule
        real = to_tensor(drawn.real[self.world.share(self.batch_size)], schedule.device).requires_grad_(schedule.r1 > 0)
        with autocast(schedule.device, schedule.precision):
            of_real, of_restored = self.discriminator(torch.cat([real, restored])).float().chunk(2)
        loss = discriminator_loss(of_real, of_restored, self.weights.form)
        figures, total = {"discriminator": loss}, loss
        if schedule.r1:
            figures["r1"] = r1_penalty(real, of_real)
            total = loss + schedule.r1 * figures["r1"]
        self._descend("discriminator", self.state.discriminator, total)
        return figures

    def _embeddings(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self.data.gallery.embeddings[rows]).to(self.schedule.device)

    def validate_and_log(self, figures: dict[str, float], log: Log) -> None:
        """Log the figures of a step, and where it is due, what the average is worth."""
        step, schedule = self.state.step, self.schedule
        if self.world.rank != 0:
            return  # the first process validates, and the others wait for it at their next gradient
        if step % schedule.validate_every == 0 or step == schedule.steps:
            value = validation_d_prime(
                self.state.average, self.teacher, self.data.val, self.data.val_gallery, schedule.device
            )
            self.state.judge(value)
            figures["val_d_prime"] = value
        self.state.history.append((step, figures))
        log(step, figures)


def validation_d_prime(generator: Generator, teacher: Teacher, val: Faces, gallery: Gallery, device: str) -> float:
    """lr-hr d' by the teacher, of faces rounded to 8 bits as they would be stored."""
    probes = [
        _restore_and_embed(generator, teacher, val.lr[i : i + FACES_PER_PASS], device)
        for i in range(0, len(val.lr), FACES_PER_PASS)
    ]
    scores = compare(np.concatenate(probes), gallery.embeddings, val.identities)
    return d_prime(scores.genuine, scores.impostor)


@torch.no_grad()
def _restore_and_embed(generator: Generator, teacher: Teacher, lr: np.ndarray, device: str) -> np.ndarray:
    stored = to_faces(generator(to_tensor(lr, device)))
    return teacher(to_tensor(stored, device)).cpu().numpy()
