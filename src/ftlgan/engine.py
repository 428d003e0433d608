"""Where work on faces runs: on the cores of this machine, or on a Ray cluster. The results are the same bytes.

A stage reads faces, gives them to an engine with a function, and writes the results in the order of the faces. So only
the machine on which the stage runs needs the data; the nodes of a cluster get faces, and the function with its weights.

On a cluster, the calls are tasks, not actors: when a node dies, Ray repeats its unfinished calls on the other nodes,
while an actor would wait for a free CPU there.
"""

import hashlib
import logging
import os
import re
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ftlgan.errors import DataError, FtlganError, ParamsError
from ftlgan.processes import available_cores, map_ahead, use_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

PENDING_PER_CALL = 4
"""Items in progress for each call that runs at a time: enough to keep it busy, few enough to bound memory."""
RETRIES = 3
"""The number of times that Ray repeats a call whose worker died."""
SECONDS_TO_ANSWER = 3
"""The time that a cluster has to accept a connection, seconds."""
SECONDS_TO_CHECK = 10
"""The time to wait for a result before the nodes are counted again."""
LIBRARIES = ("dlib-bin", "ncnn", "numpy", "onnxruntime", "opencv-python", "pillow", "torch")
"""The packages whose version may change a result."""


class Engine(Protocol):
    """Applies a function to items, on several cores or machines."""

    cores: int
    """The number of cores that one call may use."""

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], cpus: int = 1, gpus: int = 0
    ) -> Iterator[tuple[Item, Result]]:
        """Yield each item with its result, in order. Only a few items ahead are read.

        Args:
            function: takes one item, in any thread or worker. For a cluster it must be picklable, and so must items and
                results. It is sent to each worker once, and unpickled when `available_cores()` is 1 there.
            items: items, read in this thread, one at a time.
            cpus: number of cores that a call uses.
            gpus: number of GPUs that a call needs, 0 or 1. On this machine, calls share the GPU.

        Raises:
            Exception: any error of `function` or `items`, when that item is due.
        """
        ...


def start(engine: str, address: str | None) -> Engine:
    """Return the engine that params.yaml names.

    Args:
        engine: `local` or `ray`.
        address: address of the cluster, HOST:PORT; None takes the environment variable RAY_ADDRESS.

    Raises:
        ParamsError: if there is no address, or ray is not installed.
        DataError: if no cluster answers at the address.
    """
    return Ray(address or os.environ.get("RAY_ADDRESS")) if engine == "ray" else Local()


class Local:
    """The cores of this machine, by threads. A function that holds Python's lock starts its own processes."""

    def __init__(self) -> None:
        self.cores = available_cores()

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], cpus: int = 1, gpus: int = 0
    ) -> Iterator[tuple[Item, Result]]:
        """See `Engine.map`."""
        calls = max(1, self.cores // cpus)
        if calls == 1:
            yield from ((item, function(item)) for item in items)
            return
        with ThreadPoolExecutor(calls) as pool:
            yield from map_ahead(pool, lambda item: (item, function(item)), items, PENDING_PER_CALL * calls)


class Ray:
    """The CPUs of a Ray cluster. A call has one core, unless it asks for more."""

    cores = 1

    def __init__(self, address: str | None) -> None:
        """Connect to a cluster, of which this machine must be a node.

        Raises:
            ParamsError: if there is no address, or ray is not installed.
            DataError: if no cluster answers at the address, or it has another version of Ray or Python.
        """
        self._ray = _connected(address)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], cpus: int = 1, gpus: int = 0
    ) -> Iterator[tuple[Item, Result]]:
        """See `Engine.map`."""
        ray = self._ray
        calls = self._calls_at_a_time(cpus, gpus)
        task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(_call)
        sent = [ray.put(function)]  # in a list, because Ray would unpickle an argument of its own for each call
        found = installed()
        remaining = iter(items)
        pending = deque((item, task.remote(sent, found, item)) for item in islice(remaining, PENDING_PER_CALL * calls))
        while pending:
            item, reference = pending.popleft()
            while not ray.wait([reference], timeout=SECONDS_TO_CHECK)[0]:
                self._calls_at_a_time(cpus, gpus)  # raises an error if no node is left that can run the call
            yield item, self._result(reference)
            pending.extend((item, task.remote(sent, found, item)) for item in islice(remaining, 1))

    def _calls_at_a_time(self, cpus: int, gpus: int) -> int:
        """Return how many calls run at a time on the nodes that are there now. Others may join later."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        calls = sum(
            int(min(node.get("CPU", 0) // cpus, node.get("GPU", 0) // gpus if gpus else sys.maxsize)) for node in nodes
        )
        if not calls:
            gpu = " and a GPU" if gpus else ""
            raise DataError(
                f"engine: ray: a call needs {cpus} CPU{'s' if cpus > 1 else ''}{gpu}, as on this machine, and no node "
                "of the cluster has that; start larger nodes, or set OMP_NUM_THREADS to the CPUs of a node"
            )
        return calls

    def _result(self, reference: Any) -> Any:
        """Wait for the result of a call, and raise its error as if it had run here."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, (FtlganError, OSError)):
                raise error.cause from None
            if "failed to import on the worker" in str(error.cause):
                node = re.search(r"\bip=([^)\s,]+)", str(error))
                reason = str(error.cause).strip().splitlines()[-1]
                raise DataError(
                    f"engine: ray: node {node[1] if node else 'unknown'} can't import this package ({reason}); "
                    "install the same commit and requirements.lock there"
                ) from None
            raise
        except errors.RayError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(
                f"engine: ray: a call failed {RETRIES + 1} times ({reason}); run again, or set engine to local"
            ) from None


def _connected(address: str | None) -> Any:
    """Import Ray, connect to a cluster, and return the module. It has no complete types."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")  # otherwise it tries for eight minutes
    os.environ.setdefault("RAY_py_gcs_connect_timeout_s", "10")
    if not address:
        raise ParamsError(
            "engine: ray, but there is no address of a cluster; set ray_address or the environment variable "
            "RAY_ADDRESS to HOST:PORT, or engine to local"
        )
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ParamsError(f"ray_address: {address!r} is not HOST:PORT, as in 10.0.0.1:6379; correct it")
    try:
        import ray
    except ImportError:
        raise ParamsError(
            "engine: ray, but the package ray is not installed; install the extra `ray` as docs/guides/scale.md says, "
            "or set engine to local"
        ) from None
    if ray.is_initialized():
        return ray
    remedy = "start a cluster as docs/guides/scale.md says, correct ray_address or RAY_ADDRESS, or set engine to local"
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise DataError(f"engine: ray: nobody answers at {address} ({error}); {remedy}") from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:  # of several types, with long texts
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"engine: ray: can't use what answers at {address} ({reason}); {remedy}") from None
    return ray


_function: tuple[str, Callable[[Any], Any]] | None = None
"""What this worker unpickled last: the reference and the function. The weights of a network are in it."""


def _call(sent: list[Any], expected: dict[str, str], item: Any) -> Any:
    """Apply a function that was put into the object store to an item, in a worker."""
    global _function  # noqa: PLW0603 - a worker keeps it from call to call
    (reference,) = sent
    if _function is None or _function[0] != reference.hex():
        import ray

        _check_installed(expected, ray.util.get_node_ip_address())
        use_cores(1)
        _function = (reference.hex(), ray.get(reference))
    return _function[1](item)


def _check_installed(expected: dict[str, str], node: str) -> None:
    """Refuse to work on a node that may give other bytes.

    Raises:
        DataError: if the node has another version of this package, or of one of `LIBRARIES`.
    """
    found = installed()
    for name, here in expected.items():
        if found[name] != here:
            raise DataError(
                f"engine: ray: node {node} has {name} {found[name]}, but the machine of the stage has {here}; install "
                "the same commit and requirements.lock there"
            )


@cache
def installed() -> dict[str, str]:
    """Return what results depend on: a digest of the code of this package, and the versions of `LIBRARIES`."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return {"ftlgan": f"code {digest.hexdigest()[:12]}", **{name: version(name) for name in LIBRARIES}}
