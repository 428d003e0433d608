"""All that changes while a training goes on, and how it is kept."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.params import Precision


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and on what."""

    steps: int
    batch: int
    """Triplets per step, of all processes together."""
    learning_rate: float
    """Of Adam, at its peak."""
    warmup: int
    """Steps."""
    validate_every: int
    """Steps."""
    seed: int
    """Of whatever is drawn."""
    clip: float = math.inf
    """Longest gradient, as a euclidean norm."""
    ema: float = 0.0
    """How much of the weights' moving average a step keeps."""
    teacher_noise: float = 0.0
    """Standard deviation of what is added to restored faces before the teacher sees them, images in [0, 1]."""
    discriminator_rate: float = 1e-4
    """Learning rate of the discriminator's Adam, at its peak."""
    r1: float = 0.0
    """Weight of the gradient penalty."""
    device: str = "cpu"
    precision: Precision = "float32"

    def rate(self, step: int) -> float:
        """Share of the peak learning rate, of a step from 0: linear warm-up, then half a cosine down to 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return (1 + math.cos(math.pi * done)) / 2

    def rng(self, step: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, step, purpose])


@dataclass
class State:
    """All that changes while a training goes on."""

    generator: Generator
    discriminator: Discriminator | None
    schedule: Schedule
    step: int = 0
    best: float = -math.inf
    """Validation d'."""
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list[tuple[int, dict[str, float]]])

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.kept = copy.deepcopy(self.average.state_dict())
        self.optimizers = {"generator": self._adam(self.generator)}
        if self.discriminator is not None:
            self.optimizers["discriminator"] = self._adam(self.discriminator)

    def _adam(self, network: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(network.parameters(), betas=(0.9, 0.99), fused=self.schedule.device.startswith("cuda"))

    def set_rates(self) -> None:
        """For the step that begins."""
        share = self.schedule.rate(self.step - 1)
        peaks = {"generator": self.schedule.learning_rate, "discriminator": self.schedule.discriminator_rate}
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = share * peaks[name]

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the weights; it forgets the first ones faster, of which it holds too much."""
        keep = min(self.schedule.ema, self.step / (self.step + 10))
        update = get_ema_multi_avg_fn(keep)  # all at once: a GPU would start a kernel for each
        update(list(self.average.parameters()), list(self.generator.parameters()), self.step)

    def judge(self, d_prime: float) -> None:
        """Keep the average if it is the best so far; not the untrained network, which is bicubic.

        With few validation people noise may put that first, and the teacher, which judges here, is not everybody.
        """
        if self.step and d_prime > self.best:
            self.best, self.kept = d_prime, copy.deepcopy(self.average.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        groups: dict[str, Any] = {
            "generator": self.generator,
            "average": self.average,
            "discriminator": self.discriminator,
        }
        found = {f"kept.{name}": tensor for name, tensor in self.kept.items()}
        for group, network in groups.items():
            if network is not None:
                found |= {f"{group}.{name}": tensor for name, tensor in network.state_dict().items()}
        for group, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                found |= {f"adam.{group}.{index}.{name}": tensor for name, tensor in moments.items()}
        return found | {f"history.{name}": column for name, column in _columns(self.history).items()}

    def about(self) -> dict[str, Any]:
        return {"step": self.step, "best": self.best}

    def restore(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Become what `tensors` and `about` said."""

        def group(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        self.kept = group("kept.")
        self.generator.load_state_dict(group("generator."))
        self.average.load_state_dict(group("average."))
        if self.discriminator is not None:
            self.discriminator.load_state_dict(group("discriminator."))
        for name, optimizer in self.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in group(f"adam.{name}.").items():
                index, _, moment = key.partition(".")
                moments.setdefault(int(index), {})[moment] = _as_its_weight(tensor)
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        self.step, self.best = about["step"], about["best"]
        self.history = _rows(group("history."))


def _columns(history: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, Tensor]:
    """A history as float64 columns (S,) by name; NaN where a step lacks a figure, as a figure is always finite."""
    names = dict.fromkeys(name for _, figures in history for name in figures)
    columns = {name: [figures.get(name, math.nan) for _, figures in history] for name in names}
    columns["step"] = [step for step, _ in history]
    return {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}


def _rows(columns: dict[str, Tensor]) -> list[tuple[int, dict[str, float]]]:
    """The history of which `_columns` made these."""
    steps = columns.pop("step").tolist()
    figures = zip(*(column.tolist() for column in columns.values()), strict=True) if columns else ([] for _ in steps)
    return [
        (int(step), {name: value for name, value in zip(columns, row, strict=True) if not math.isnan(value)})
        for step, row in zip(steps, figures, strict=True)
    ]


def _as_its_weight(moment: Tensor) -> Tensor:
    """In the memory layout of the weight to which it belongs, without which Adam's one kernel on a GPU refuses it."""
    return moment.contiguous(memory_format=torch.channels_last) if moment.dim() == 4 else moment
