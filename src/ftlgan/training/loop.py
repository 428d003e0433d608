"""The training loop: step, validate, keep the best weights, and resume after a kill with the same result.

A step takes one forward pass of each frozen teacher, not three: the embeddings of positives and negatives are
constants, looked up in the references. Random numbers depend only on seed and step, so a step is the same in a resumed
process.
"""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ftlgan.errors import DataError, ParamsError
from ftlgan.faces import HR
from ftlgan.losses import Embedded, LossInputs, total_loss
from ftlgan.losses.adversarial import discriminator_loss, r1_penalty
from ftlgan.networks.device import autocast, cuda_graphed, enough_memory
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.params import Training
from ftlgan.progress import progress
from ftlgan.recognition.teacher import Teacher
from ftlgan.training.batches import Batches, TrainingBatch
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.data import Faces, References, TrainingSet
from ftlgan.training.distributed import World
from ftlgan.training.state import Metrics, State
from ftlgan.verification.metrics import d_prime
from ftlgan.verification.pairs import compare

FACES_PER_PASS = 64
"""The number of faces that validation restores at once."""

Log = Callable[[int, Metrics], None]
"""Called with the step, from 1, and its metrics."""
Features = Callable[[Tensor], list[Tensor]]
"""Faces, RGB in [0, 1] -> features, one (N, C, H, W) per layer."""
Recognised = tuple[Tensor, list[Tensor]]
"""Embeddings, (N, D), and features if the perceptual term compares them."""
Recognise = Callable[[Tensor], Recognised]
"""Faces, RGB in [0, 1] -> a teacher's embeddings and features."""


@enough_memory()
def fit(
    generator: Generator,
    discriminator: Discriminator | None,
    teachers: Sequence[Teacher],
    data: TrainingSet,
    config: Training,
    log: Log,
    *,
    checkpoint: Checkpoint | None = None,
    perceptual: Features | None = None,
    world: World = World(),  # noqa: B008 - frozen
) -> float:
    """Train the generator in place. At the end it has the EMA weights with the best validation d'.

    The untrained network is never selected.

    Args:
        generator: the generator, on the device of `world`, like the discriminator and the teachers.
        discriminator: the discriminator; None without an adversarial term.
        teachers: the frozen recognizers of the loss, in the order of the references.
        data: the data for training and validation.
        config: the params of the training.
        log: receives each step's losses and images per second, and at each validation `val_d_prime`. Step 0 is the
            untrained network. A resumed training logs all steps again.
        checkpoint: the checkpoint from which a killed training resumes.
        perceptual: features for the perceptual term, instead of the teachers'.
        world: the processes that train together, and the device of this one.

    Returns:
        The best validation d', in the first process.

    Raises:
        DataError: if a loss is not finite, the GPU's memory is full, or there are fewer triplets than processes.
    """
    state, train = State(generator, discriminator, config), config.train
    with _Trainer(state, teachers, data, perceptual, world) as trainer:
        found = world.from_first(checkpoint.read() if checkpoint and world.is_first else None)
        if found:
            state.restore(*found)
            for step, metrics in state.history if world.is_first else []:
                log(step, metrics)
        steps = range(state.step + 1, train.steps + 1)
        with progress(steps, "train", train.steps, "step", initial=state.step, shown=world.is_first) as bar:
            if not found:
                trainer.validate_and_log({}, log)
            for step in bar:
                started, state.step = time.monotonic(), step
                metrics = trainer.step()
                if not all(map(math.isfinite, metrics.values())):
                    raise DataError(_not_finite(step, metrics, checkpoint))
                metrics["images_per_s"] = trainer.batch_size / (time.monotonic() - started)
                trainer.validate_and_log(metrics, log)
                if checkpoint and world.is_first and (step % train.checkpoint == 0 or step == train.steps):
                    checkpoint.write(state.tensors(), state.numbers())
                best = f", best d' {state.best:.3f}" if math.isfinite(state.best) else ""
                bar.set_postfix_str(f"loss {metrics['total']:.3f}{best}", refresh=False)
    generator.load_state_dict(state.best_weights)
    return state.best


def _not_finite(step: int, metrics: Metrics, checkpoint: Checkpoint | None) -> str:
    losses = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    kept = f"; the last good state is {checkpoint.path}" if checkpoint and checkpoint.path.exists() else ""
    return f"train: not finite at step {step} ({losses}); lower train.learning_rate{kept}"


class _Trainer:
    """The steps of a training, and its validation. Use it as a context manager, which ends its threads."""

    def __init__(
        self, state: State, teachers: Sequence[Teacher], data: TrainingSet, perceptual: Features | None, world: World
    ) -> None:
        self.state, self.data, self.world = state, data, world
        self.config = config = state.config
        self.teachers, self.perceptual = teachers, perceptual
        self.perceptual_by_teachers = config.losses.perceptual > 0 and perceptual is None
        if config.train.batch % world.size:
            raise ParamsError(
                f"train.batch: {config.train.batch} triplets for {world.size} processes; make it a multiple of their "
                "number"
            )
        size = min(config.train.batch, len(data.triplets))
        self.batch_size = size - size % world.size
        """Triplets per step: fewer than `train.batch` if there are not enough."""
        if not self.batch_size:
            raise DataError(f"train: {len(data.triplets)} triplets for {world.size} processes; lower train.devices")
        self.batches = Batches(data, config, self.batch_size, world.share(self.batch_size))
        compiled = config.train.compile

        def prepared(network: nn.Module, compiled: bool) -> nn.Module:
            network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - not in torch's types
            return world.wrap(torch.compile(network) if compiled else network)  # pyright: ignore[reportArgumentType]

        def recogniser(teacher: Teacher) -> Recognise:
            return teacher.features if self.perceptual_by_teachers else lambda faces: (teacher(faces), [])

        self.recognise = [recogniser(teacher) for teacher in teachers]
        self.generator: Callable[[Tensor], Tensor] = prepared(state.generator, compiled)
        self.discriminator = None
        if state.discriminator is not None:  # compiled code has no second derivative, which R1 needs
            self.discriminator = prepared(state.discriminator, compiled and not config.discriminator.r1)
        if world.device.startswith("cuda") and world.size == 1 and not compiled:
            self._capture_graphs()

    def __enter__(self) -> "_Trainer":
        self.batches.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.batches.__exit__(None, None, None)

    def _capture_graphs(self) -> None:
        """Capture the generator and the teachers as CUDA graphs, because they launch most kernels of a step."""
        precision, size, (res, *_) = self.config.train.precision, self.batch_size, self.data.train.lr.shape[1:]
        small, faces = (torch.zeros(size, 3, side, side, device=self.world.device) for side in (res, HR))
        small = small.contiguous(memory_format=torch.channels_last)
        self.generator = cuda_graphed(self.generator, small, precision)
        faces.requires_grad_(True)
        self.recognise = [cuda_graphed(recognise, faces, precision) for recognise in self.recognise]
        # The EMA needs the memory format of the weights for an update in one kernel.
        self.state.ema.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def step(self) -> Metrics:
        """Take one step of each optimizer.

        Returns:
            The losses before weighting, the weighted `total`, and the norms of the gradients, as means over all
            processes.
        """
        self.state.set_learning_rates()
        drawn = self.batches[self.state.step]
        inputs = self._forward(drawn)
        config = self.config
        total, terms = total_loss(inputs, config.losses, config.triplets.margin, config.discriminator.form)
        metrics = {"total": total, **terms}
        metrics["gradient"] = self._minimise("generator", self.state.generator, total)
        self.state.update_ema()
        if self.discriminator is not None:
            metrics |= self._train_discriminator(inputs.restored.detach(), drawn)
        values = self.world.mean(torch.stack([value.detach().float() for value in metrics.values()])).tolist()
        return dict(zip(metrics, values, strict=True))

    def _minimise(self, name: str, network: nn.Module, loss: Tensor) -> Tensor:
        """Update the weights of a network by the gradient of a loss, and return the gradient's norm."""
        optimizer = self.state.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(network.parameters(), self.config.train.clip)
        optimizer.step()
        return length

    def _forward(self, drawn: TrainingBatch) -> LossInputs:
        """Restore the anchors of a batch, and compute the inputs of the loss.

        Twins are embedded in each step, because they are mirrored and moved with their anchors. The stored embedding
        differs: with SFace, mirroring lowers the cosine by 0.03, and moving by 0.05.

        A native face has no twin. The restored face itself takes that place, without a gradient. So terms that compare
        twins are 0, and only the triplet and the adversarial term train on it.
        """
        losses, device = self.config.losses, self.world.device
        small = to_tensor(drawn.lr, device).contiguous(memory_format=torch.channels_last)
        twins = to_tensor(drawn.hr, device) if drawn.hr is not None and losses.terms_with_twins else None
        with autocast(device, self.config.train.precision):
            restored = self.generator(small)
            seen = restored
            if drawn.noise is not None:
                seen = restored + torch.from_numpy(drawn.noise).to(device)
            twins_seen = twins
            if twins is not None and drawn.native.any():
                native = torch.from_numpy(drawn.native)[:, None, None, None].to(device)
                twins_seen = torch.where(native, seen.detach().to(twins.dtype), twins)
                twins = torch.where(native, restored.detach().to(twins.dtype), twins)
            recognised = [recognise(seen) for recognise in self.recognise]
            recognised_twins = self._recognise_twins(twins_seen)
            features = self._features(restored, recognised)
            with torch.no_grad():
                twin_features = self._features(twins, recognised_twins)
            logits = self._discriminate(restored) if self.discriminator is not None else None
        return LossInputs(
            restored=restored.float(),
            embedded=[
                self._embedded(anchor.float(), twin, references, drawn)
                for (anchor, _), (twin, _), references in zip(
                    recognised, recognised_twins, self.data.references, strict=True
                )
            ],
            hr=twins,
            features=[(_float(ours), _float(theirs)) for ours, theirs in zip(features, twin_features, strict=True)],
            logits=logits.float() if logits is not None else None,
            paired=1 - float(drawn.native.mean()),
        )

    @torch.no_grad()
    def _recognise_twins(self, twins: Tensor | None) -> Sequence[tuple[Tensor | None, list[Tensor]]]:
        """Return each teacher's embeddings and features of the twins, if a term compares them."""
        if twins is None or not (self.config.losses.identity or self.perceptual_by_teachers):
            return [(None, [])] * len(self.teachers)
        if self.perceptual_by_teachers:
            return [teacher.features(twins) for teacher in self.teachers]
        return [(teacher(twins), []) for teacher in self.teachers]

    def _features(
        self, faces: Tensor | None, recognised: Sequence[tuple[Tensor | None, list[Tensor]]]
    ) -> list[list[Tensor]]:
        """Return the features of faces by each network of the perceptual term; none without this term."""
        if self.perceptual_by_teachers:
            return [features for _, features in recognised]
        return [self.perceptual(faces)] if self.perceptual and faces is not None else []

    def _embedded(self, anchor: Tensor, twin: Tensor | None, references: References, drawn: TrainingBatch) -> Embedded:
        """Collect one teacher's embeddings of restored faces, positives, negatives and twins."""

        def look_up(rows: np.ndarray) -> Tensor:
            return torch.from_numpy(references.embeddings[rows]).to(self.world.device)

        return Embedded(
            anchor=anchor,
            positive=look_up(drawn.positive),
            negative=look_up(drawn.negative),
            twin=twin.float() if twin is not None else None,
        )

    def _discriminate(self, restored: Tensor) -> Tensor:
        """Return the discriminator's output, with a gradient for the faces but not for its weights."""
        assert self.state.discriminator is not None
        network = self.state.discriminator.eval().requires_grad_(False)  # eval() keeps the spectral norms
        logits = network(restored)
        network.train().requires_grad_(True)
        return logits

    def _train_discriminator(self, restored: Tensor, drawn: TrainingBatch) -> dict[str, Tensor]:
        """Train the discriminator on restored faces and as many real photos."""
        assert self.state.discriminator is not None
        assert self.discriminator is not None
        assert drawn.real is not None
        config, device = self.config.discriminator, self.world.device
        real = to_tensor(drawn.real, device).requires_grad_(config.r1 > 0)
        with autocast(device, self.config.train.precision):
            real_logits, restored_logits = self.discriminator(torch.cat([real, restored])).float().chunk(2)
        loss = discriminator_loss(real_logits, restored_logits, config.form)
        metrics, total = {"discriminator": loss}, loss
        if config.r1:
            metrics["r1"] = r1_penalty(real, real_logits)
            total = loss + config.r1 * metrics["r1"]
        self._minimise("discriminator", self.state.discriminator, total)
        return metrics

    def validate_and_log(self, metrics: Metrics, log: Log) -> None:
        """Log the metrics of a step and, if a validation is due, the d' of the EMA weights."""
        step, train = self.state.step, self.config.train
        if not self.world.is_first:
            return  # the others wait for the first process at their next gradient
        if step % train.validate_every == 0 or step == train.steps:
            value = validation_d_prime(
                self.state.ema_generator, self.teachers, self.data.val, self.data.val_references, self.world.device
            )
            self.state.keep_best(value)
            metrics["val_d_prime"] = value
        self.state.history.append((step, metrics))
        log(step, metrics)


def validation_d_prime(
    generator: Generator, teachers: Sequence[Teacher], val: Faces, references: Sequence[References], device: str
) -> float:
    """Return the mean lr-hr d' over the teachers. Faces are rounded to 8 bits, as when they are stored."""
    probes = [
        _restore_and_embed(generator, teachers, val.lr[i : i + FACES_PER_PASS], device)
        for i in range(0, len(val.lr), FACES_PER_PASS)
    ]
    found: list[float] = []
    for embeddings, seen in zip(zip(*probes, strict=True), references, strict=True):
        scores = compare(np.concatenate(embeddings), seen.embeddings, val.identities)
        found.append(d_prime(scores.genuine, scores.impostor))
    return sum(found) / len(found)


@torch.no_grad()
def _restore_and_embed(
    generator: Generator, teachers: Sequence[Teacher], lr: np.ndarray, device: str
) -> list[np.ndarray]:
    stored = to_tensor(to_faces(generator(to_tensor(lr, device))), device)
    return [teacher(stored).cpu().numpy() for teacher in teachers]


def _float(layers: Sequence[Tensor]) -> list[Tensor]:
    return [layer.float() for layer in layers]
