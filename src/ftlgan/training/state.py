"""The state of a training, and its conversion to and from tensors and numbers."""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.params import Training

Metrics = dict[str, float]
"""By name: the losses before weighting, their total, the norms of the gradients, images per second, validation d'."""


@dataclass
class State:
    """Everything that changes during a training.

    Args:
        generator: the generator, on the device of the training.
        discriminator: the discriminator, on the same device; None without an adversarial term.
        config: the number of steps, the learning rates and the EMA.
    """

    generator: Generator
    discriminator: Discriminator | None
    config: Training
    step: int = 0
    best: float = -math.inf
    """The best validation d' so far."""
    history: list[tuple[int, Metrics]] = field(default_factory=list[tuple[int, Metrics]])

    def __post_init__(self) -> None:
        self.ema = AveragedModel(self.generator, multi_avg_fn=self._average).requires_grad_(False)
        self.ema.n_averaged += 1  # the initial weights count as the first average
        self.best_weights = copy.deepcopy(self.ema_generator.state_dict())
        self.optimizers = {"generator": _adam(self.generator)}
        if self.discriminator is not None:
            self.optimizers["discriminator"] = _adam(self.discriminator)

    @property
    def ema_generator(self) -> Generator:
        """The generator with the EMA weights."""
        return cast("Generator", self.ema.module)

    def set_learning_rates(self) -> None:
        """Set the learning rates of the current step."""
        share = learning_rate_factor(self.step - 1, self.config.train.steps, self.config.train.warmup)
        peaks = {
            "generator": self.config.train.learning_rate,
            "discriminator": self.config.discriminator.learning_rate,
        }
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = share * peaks[name]

    def update_ema(self) -> None:
        """Move the EMA weights towards the generator's."""
        self.ema.update_parameters(self.generator)

    def _average(self, ema: Any, current: Any, updates: Tensor | int) -> None:
        """Average all weights at once, because a GPU would otherwise launch a kernel for each.

        The decay is lower at first, so that the initial weights do not dominate.
        """
        decay = min(self.config.train.ema, self.step / (self.step + 10))
        get_ema_multi_avg_fn(decay)(ema, current, updates)

    def keep_best(self, d_prime: float) -> None:
        """Keep the EMA weights if they are the best so far. The untrained network is never selected: it is bicubic.

        With few validation people, it could be the best by chance, and other recognizers may rank it lower than the
        teacher does.
        """
        if self.step and d_prime > self.best:
            self.best, self.best_weights = d_prime, copy.deepcopy(self.ema_generator.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors of the state by name."""
        networks = {"generator": self.generator, "ema": self.ema, "discriminator": self.discriminator}
        found = {f"best.{name}": tensor for name, tensor in self.best_weights.items()}
        for group, network in networks.items():
            if network is not None:
                found |= {f"{group}.{name}": tensor for name, tensor in network.state_dict().items()}
        for group, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                found |= {f"adam.{group}.{index}.{name}": tensor for name, tensor in moments.items()}
        return found | {f"history.{name}": column for name, column in _history_columns(self.history).items()}

    def numbers(self) -> dict[str, Any]:
        """Return the rest of the state as JSON values."""
        return {"step": self.step, "best": self.best}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the state from the results of `tensors()` and `numbers()`."""

        def group(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

        self.best_weights = group("best.")
        self.generator.load_state_dict(group("generator."))
        self.ema.load_state_dict(group("ema."))
        if self.discriminator is not None:
            self.discriminator.load_state_dict(group("discriminator."))
        for name, optimizer in self.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, tensor in group(f"adam.{name}.").items():
                index, _, moment = key.partition(".")
                moments.setdefault(int(index), {})[moment] = _laid_out_as_weight(tensor)
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        self.step, self.best = numbers["step"], numbers["best"]
        self.history = _history_rows(group("history."))


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak learning rate: a linear warm-up, then half a cosine down to 0.

    Args:
        step: the step, from 0.
        steps: number of steps of the training.
        warmup: number of steps of the warm-up.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return (1 + math.cos(math.pi * done)) / 2


def _adam(network: nn.Module) -> torch.optim.Adam:
    weights = list(network.parameters())
    return torch.optim.Adam(weights, betas=(0.9, 0.99), fused=weights[0].is_cuda)


def _history_columns(history: Sequence[tuple[int, Mapping[str, float]]]) -> dict[str, Tensor]:
    """Return a history as float64 columns (S,) by name. NaN marks a missing metric; metrics are always finite."""
    names = dict.fromkeys(name for _, metrics in history for name in metrics)
    columns: dict[str, Iterable[float]] = {
        name: [metrics.get(name, math.nan) for _, metrics in history] for name in names
    }
    columns["step"] = [step for step, _ in history]
    return {name: torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}


def _history_rows(columns: dict[str, Tensor]) -> list[tuple[int, Metrics]]:
    """Return the history from the columns of `_history_columns`."""
    steps = columns.pop("step").tolist()
    rows = zip(*(column.tolist() for column in columns.values()), strict=True) if columns else ([] for _ in steps)
    return [
        (int(step), {name: value for name, value in zip(columns, row, strict=True) if not math.isnan(value)})
        for step, row in zip(steps, rows, strict=True)
    ]


def _laid_out_as_weight(moment: Tensor) -> Tensor:
    """Give a moment the memory format of its weight, which the fused Adam on a GPU requires."""
    return moment.contiguous(memory_format=torch.channels_last) if moment.dim() == 4 else moment
