"""Several processes that train as one: each takes its share of every batch.

`launch` starts them as `torchrun` would; `torchrun --nproc-per-node 2 stages/train.py ftlgan` by hand does the same,
and is the way to several machines: see docs/guides/scale.md.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ftlgan.errors import FtlganError

Value = TypeVar("Value")

PATIENCE = timedelta(hours=1)
"""How long processes wait for the first one, which validates alone."""

LAUNCHED = "FTLGAN_LAUNCHED"
"""The environment variable by which a process knows that `launch` says which of them has ended."""
SECONDS_TO_SPEAK = 30
"""How long a process waits for the first one to meet the same problem and say it, upon which all are ended."""


@dataclass(frozen=True)
class World:
    """Which of how many processes this is, and where its networks are."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    """`cpu`, `cuda`, or one of several GPUs: `cuda:1`."""

    @property
    def is_first(self) -> bool:
        """Whether this process logs, validates and writes for all."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Make the network's gradients the mean over all processes. No buffer is sent: they are the same everywhere."""
        return DistributedDataParallel(network, forward_sync_buffers=False) if self.size > 1 else network

    def share(self, batch: int) -> slice:
        """The part of a batch that this process takes; `size` divides it."""
        own = batch // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def from_first(self, value: Value) -> Value:
        """Return what the first process has, in each: only its machine has the checkpoint."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def mean(self, metrics: torch.Tensor) -> torch.Tensor:
        """Return the mean over all processes, the same in each."""
        if self.size > 1:
            dist.all_reduce(metrics)
        return metrics / self.size


def launched() -> bool:
    """Whether this process is one of several already."""
    return "LOCAL_RANK" in os.environ


def launch(script: str, processes: int, *arguments: str) -> None:
    """Run a script in so many processes of this machine, and exit with 1 if one of them fails."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ[LAUNCHED] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # a process says itself why it ended
    config = LaunchConfig(
        run_id="ftlgan",
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)(script, *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            sys.exit(1)  # it has said why
        ended = f"process {rank} of {processes} was ended by {signal.Signals(-failure.exitcode).name}"
        sys.exit(f"ERROR: {Path(script).stem}: {ended}; run again for it to go on")
    except SignalException as error:
        sys.exit(128 + error.sigval)  # as a shell counts the signal


@contextmanager
def join_world(device: str) -> Generator[World]:
    """Join the other processes, if there are any.

    Args:
        device: `cpu` or `cuda`.
    """
    if not launched():
        yield World(device=device)
        return
    own = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    if device == "cuda":
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    world = World(dist.get_rank(), dist.get_world_size(), own)
    try:
        yield world
    except FtlganError:
        if not world.is_first:
            time.sleep(SECONDS_TO_SPEAK)
        raise
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        if LAUNCHED in os.environ:
            sys.exit(1)  # another process has ended: `launch` says which
        sys.exit(
            f"ERROR: train: process {world.rank} of {world.size} has lost the others: one has ended, or its machine "
            "can't be reached; start all of them again to go on"
        )
    dist.destroy_process_group()  # not after a failure: others may wait in the midst of a reduction, for ever
