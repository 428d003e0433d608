"""A Python that has imported what stages import, and forks for each script: to import it takes 2 to 8 seconds.

The tests run some hundred stages. Each is still a process of its own, with the script, the arguments, the environment
and the streams that DVC gave it, and none of our modules imported. On the path of a project's commands `python` is
warm/python, which asks the server for such a process, hands it the signals that it gets, and ends as it does; if it is
killed, so is the process. A stage that a test kills is run by the real Python all the same.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import NoReturn

WARM = Path(__file__).parent / "warm"
MODULES = (
    *("cv2", "dlib", "filelock", "insightface.utils.face_align", "matplotlib.figure", "ncnn", "onnx.reference"),
    *("onnxruntime", "pandas", "PIL.Image", "pillow_heif", "pyarrow.parquet", "pydantic", "ruamel.yaml"),
    *("safetensors.torch", "scipy.stats", "skimage.metrics._structural_similarity", "skimage.metrics.simple_metrics"),
    *("torch", "torch._dynamo", "torch.optim.swa_utils", "tqdm"),
    *("mlflow", "mlflow.store.db.utils", "mlflow.store.tracking.sqlalchemy_store"),
)


def warmed(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a command whose `python` is warm/python."""
    return {**environment, "WARM_PYTHON": server(), "PATH": str(WARM) + os.pathsep + environment["PATH"]}


@functools.cache
def server() -> str:
    """Start the server of this test process, with which it ends; where it listens."""
    from ftlgan.tracking.store import MLFLOW_DEFAULTS  # the server itself imports nothing of ours

    address = str(Path(tempfile.mkdtemp(prefix="ftlgan-")) / "socket")  # short: a socket's address has 107 characters
    process = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | MLFLOW_DEFAULTS | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdin
    assert process.stdout
    atexit.register(process.stdin.close)
    assert process.stdout.readline() == b"ready\n"
    return address


def serve(address: str) -> None:
    """Fork for each request, until the standard input ends."""
    for module in MODULES:
        importlib.import_module(module)
    assert threading.active_count() == 1, "a process with threads must not fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    gc.freeze()  # else the first collection in each process copies all of the memory that it shares
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                keep(connection)
            connection.close()


def keep(connection: socket.socket) -> None:
    """Fork once more, and tell the other side the number of that process, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rw") as file:
        request = json.loads(file.readline())
        process = os.fork()
        if process:
            print(process, file=file, flush=True)
            if connection in select.select([os.pidfd_open(process), connection], [], [])[0]:  # who asked has ended
                os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            print(status, file=file, flush=True)
            os._exit(0)
    connection.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    be_python(request["arguments"], request["folder"], request["environment"])


def be_python(arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Run a script as `python` would. Scripts that it starts by `sys.executable` are asked for, too.

    It ends as `python` does, but does not tear down the modules that it shares with the server: that takes time, and
    some complain that `gc.freeze` has kept their objects alive.
    """
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv, sys.executable = arguments, str(WARM / "python")
    added = environment.get("PYTHONPATH", "")
    sys.path[:1] = [str(Path(folder, arguments[0]).parent), *filter(None, added.split(os.pathsep))]
    status = 0
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue] - waits for threads, as Python does at its end
    atexit._run_exitfuncs()  # pyright: ignore[reportAttributeAccessIssue]
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(*sys.argv[1:])
