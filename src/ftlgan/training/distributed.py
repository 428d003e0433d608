"""Distributed training: each process takes its share of every batch.

`launch` starts the processes like `torchrun --nproc-per-node 2 stages/train.py ftlgan`. For several machines, use
`torchrun`: see docs/guides/scale.md.
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
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from ftlgan.errors import DataError, FtlganError

Value = TypeVar("Value")

PATIENCE = timedelta(hours=1)
"""The timeout for the first process, which validates alone while the others wait."""

TIME_TO_JOIN = timedelta(minutes=10)
"""The timeout for all processes to start."""

LAUNCHED = "FTLGAN_LAUNCHED"
"""The environment variable that tells a process that `launch` started it, and will report which process ended."""
SECONDS_TO_SPEAK = 30
"""The time that a process with an error waits for the first process to report the same error, which ends all."""


@dataclass(frozen=True)
class World:
    """The rank of this process, the number of processes, and the device of its networks."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    """`cpu`, `cuda`, or one of several GPUs: `cuda:1`."""

    @property
    def is_first(self) -> bool:
        """True for the process that logs, validates and writes for all."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Make gradients the mean over all processes. Buffers are not sent, because they are equal everywhere."""
        return DistributedDataParallel(network, forward_sync_buffers=False) if self.size > 1 else network

    def share(self, batch: int) -> slice:
        """Return the part of a batch that this process takes. The batch must be a multiple of `size`."""
        own = batch // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def from_first(self, value: Value) -> Value:
        """Return the value of the first process in all processes: only its machine has the checkpoint."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]

    def from_all(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank, in all processes."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def mean(self, metrics: torch.Tensor) -> torch.Tensor:
        """Return the mean over all processes."""
        if self.size > 1:
            dist.all_reduce(metrics)
        return metrics / self.size


def launched() -> bool:
    """Tell whether this process is already one of several."""
    return "LOCAL_RANK" in os.environ


def launch(script: str, processes: int, *arguments: str) -> None:
    """Run a script in several processes on this machine, and exit with code 1 if one of them fails."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ[LAUNCHED] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # each process reports its own error
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
            sys.exit(1)  # it has reported its error
        ended = f"process {rank} of {processes} was ended by {signal.Signals(-failure.exitcode).name}"
        sys.exit(f"ERROR: {Path(script).stem}: {ended}; run again to resume")
    except SignalException as error:
        sys.exit(128 + error.sigval)  # the shell's code for a signal


@contextmanager
def join_world(device: str) -> Generator[World]:
    """Join the other processes, if there are any.

    Args:
        device: `cpu` or `cuda`.

    Raises:
        DataError: if this process has no GPU of its own, or another process does not start.
    """
    if not launched():
        yield World(device=device)
        return
    own = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    if device == "cuda":
        if int(os.environ["LOCAL_RANK"]) >= torch.cuda.device_count():
            raise DataError(
                f"train: process {os.environ['LOCAL_RANK']} of this machine has no GPU: the machine has "
                f"{torch.cuda.device_count()}, and --nproc-per-node may not be more"
            )
        torch.cuda.set_device(own)
    store, rank, size = _meet()
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE, world_size=size, rank=rank, store=store)
    world = World(rank, size, own)
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
            sys.exit(1)  # another process has ended: `launch` reports which
        sys.exit(
            f"ERROR: train: process {world.rank} of {world.size} has lost the others: one has ended, or its machine "
            "can't be reached; start all of them again to resume"
        )
    dist.destroy_process_group()  # not after a failure: it could wait forever for processes in a reduction


def _meet() -> tuple[Store, int, int]:
    """Wait until all processes have started; return their store, the rank of this one and their number.

    Without this, a process that ends before it joins, for example because of a wrong param, leaves the others waiting
    for `PATIENCE`.
    """
    store, rank, size = next(rendezvous("env://", timeout=TIME_TO_JOIN))
    store.set(f"started/{rank}", "")
    for other in range(size):
        try:
            store.wait([f"started/{other}"], TIME_TO_JOIN)
        except dist.DistError:
            raise DataError(
                f"train: process {other} of {size} has not started in {TIME_TO_JOIN}: see what it has printed, and "
                "start all of them again"
            ) from None
    return store, rank, size
