"""Where work runs changes no byte: this machine, or a Ray cluster of three nodes of which one is killed.

The nodes are on 127.0.0.2 to 127.0.0.4, so no port is open to other machines.
"""

import compileall
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ftlgan import engine
from ftlgan.engine import Engine, Local, Ray
from ftlgan.errors import DataError, ParamsError
from ftlgan.faces import ALIGNED, FACES, RAW, encode_png, write_faces
from ftlgan.networks.generator import Generator, Size
from ftlgan.networks.weights import save_generator
from ftlgan.processes import available_cores
from ftlgan.restoration import restore_faces
from ftlgan.restoration.bicubic import Bicubic

ROOT = Path(__file__).parents[1]
SPLIT = {0: "train", 1: "val", 2: "test"}
SIZE: Size = {"trunk": "attention", "features": 32, "blocks": 1, "growth": 4, "positions": True}
STAGES = {
    "align": ("aligned", "rejects.parquet"),
    "degrade": ("degraded",),
    "degrade_test bicubic": ("test/bicubic",),
    "degrade_test detected": ("test/detected",),
    "gallery sface": ("gallery/sface",),
    "gallery dlib": ("gallery/dlib",),
    "embed_teacher sface": ("teacher/sface",),
    "restore bicubic bicubic": ("restored/bicubic/bicubic",),
    "restore realesrgan bicubic": ("restored/bicubic/realesrgan",),
    "restore_model ftlgan bicubic": ("restored/bicubic/ftlgan",),
    "embed ftlgan sface bicubic": ("probes/bicubic/ftlgan/sface",),
}
"""The stages that run on an engine, in the order of the pipeline, and what each writes into data/."""

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes with a CPU each. They end with this process, even if it is killed."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_raylet_start_wait_time_s", "120")  # on a busy machine
        environment.setenv("RAY_agent_register_timeout_ms", "120000")
        environment.setenv("PYTHONPATH", str(ROOT / "src"))
        import ray
        from ray.cluster_utils import Cluster

        compileall.compile_dir(ray.__path__[0], quiet=2)  # a new environment would start nodes too slowly
        node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
        head = {"node_ip_address": "127.0.0.2", "include_dashboard": False, **node}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            for address in ("127.0.0.3", "127.0.0.4"):
                cluster.add_node(node_ip_address=address, **node)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.fixture(scope="module")
def ray(cluster: Any) -> Engine:
    return engine.start("ray", cluster.address)


@pytest.fixture(scope="module")
def raw(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw table of 12 people: four in each split."""
    folder = tmp_path_factory.mktemp("raw")
    rows = [
        {
            "face_id": path.relative_to(photos).as_posix(),
            "identity": path.parent.name,
            "split": SPLIT[int(path.parent.name[-1]) % 3],
            "image": path.read_bytes(),
            "aligned": False,
        }
        for path in sorted(photos.rglob("*.jpg"))
    ]
    write_faces(folder, RAW, rows)
    return folder


@pytest.fixture(scope="module")
def local_run(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_stages(tmp_path_factory.mktemp("local"), raw, "local", "null")


@pytest.fixture(scope="module")
def ray_run(raw: Path, ray: Engine, cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_stages(tmp_path_factory.mktemp("ray"), raw, "ray", cluster.address)


def run_stages(folder: Path, raw: Path, name: str, address: str) -> Path:
    """Run the scripts of `STAGES` in a folder with params.yaml and data/, and return data/."""
    params = (ROOT / "params.yaml").read_text()
    changed = params.replace("engine: local ", f"engine: {name} ").replace("ray_address: ", f"ray_address: {address} ")
    assert changed.count("\n  - bicubic\n") == 1
    (folder / "params.yaml").write_text(changed.replace("\n  - bicubic\n", "\n  - bicubic\n  - detected\n"))
    data = folder / "data"
    data.mkdir()
    (data / "raw").symlink_to(raw)
    write_faces(data / "small", ALIGNED, [])
    torch.manual_seed(0)
    save_generator(data / "model/ftlgan/generator.safetensors", Generator(14, **SIZE), {"res": 14, **SIZE})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # no node has more CPUs
    with pytest.MonkeyPatch.context() as process:
        process.chdir(folder)
        for stage in STAGES:
            script, *arguments = stage.split()
            process.setattr(sys, "argv", [script, *arguments])
            runpy.run_path(str(ROOT / f"stages/{script}.py"), run_name="__main__")
    torch.set_num_threads(threads)
    return data


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_writes_the_same_bytes_on_ray(stage: str, local_run: Path, ray_run: Path) -> None:
    for output in STAGES[stage]:
        here, there = local_run / output, ray_run / output
        shards = sorted(path.name for path in here.iterdir()) if here.is_dir() else [""]
        assert shards
        for shard in shards:
            assert (there / shard).read_bytes() == (here / shard).read_bytes()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_results_come_in_order_and_few_items_are_read_ahead(ray: Engine) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(40):
            read.append(item)
            yield item

    def late(item: int) -> int:
        time.sleep(0.01 * (-item % 4))  # later items are done first
        return item * item

    results = ray.map(late, items())
    assert next(results) == (0, 0)
    assert len(read) == 3 * engine.PENDING_PER_CALL
    assert list(results) == [(item, item * item) for item in range(1, 40)]


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_call_has_one_core_on_a_node(ray: Engine) -> None:
    assert ray.cores == 1
    assert [cores for _, cores in ray.map(lambda _: available_cores(), range(3))] == [1, 1, 1]
    assert available_cores() == Local().cores


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_bar_counts_what_comes_back(ray: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    face = encode_png(np.zeros((14, 14, 3), np.uint8))
    rows = [{"face_id": f"a/{n}", "identity": "a", "split": "test", "image": face} for n in range(5)]
    write_faces(tmp_path / "degraded", FACES, rows)
    restore_faces("bicubic", Bicubic(), tmp_path / "degraded", tmp_path / "restored", engine=ray)
    assert "5/5" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_an_error_of_a_worker_is_the_line_that_it_is_here(ray: Engine) -> None:
    def refuse(item: int) -> int:
        if item == 2:
            raise DataError("face 2: is not a face; remove it")
        return item

    results = ray.map(refuse, range(4))
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(DataError) as error:
        next(results)
    assert str(error.value) == "face 2: is not a face; remove it"


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_node_with_another_library_is_named(ray: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**engine.installed(), "numpy": "1.0"}
    monkeypatch.setattr(engine, "installed", lambda: found)
    with pytest.raises(
        DataError, match=rf"^engine: ray: node 127\.0\.0\.[234] has numpy {np.__version__}, but .* 1.0;"
    ):
        list(ray.map(abs, [1]))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_call_that_no_node_can_run_is_one_line(ray: Engine) -> None:
    with pytest.raises(DataError, match=r"^engine: ray: a call needs 2 CPUs, as on this machine, and no node"):
        list(ray.map(abs, [1], cpus=2))
    with pytest.raises(DataError, match=r"^engine: ray: a call needs 1 CPU and a GPU, as on this machine, and no node"):
        list(ray.map(abs, [1], gpus=1))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_worker_that_always_dies_is_one_line(ray: Engine) -> None:
    with pytest.raises(
        DataError, match=r"^engine: ray: a call failed 4 times \(.*\); run again, or set engine to local"
    ):
        list(ray.map(lambda _: os.kill(os.getpid(), 9), [1]))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_node_that_is_killed_in_the_middle_loses_nothing(ray: Engine, cluster: Any) -> None:
    """The last but one test of the cluster: it has two nodes then."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 112, 112, 3), dtype=np.uint8)

    def shrink(face: np.ndarray) -> tuple[str, bytes]:
        import ray

        time.sleep(0.2)
        return ray.util.get_node_ip_address(), encode_png(face[::8, ::8])

    results = ray.map(shrink, iter(noise))
    found = [next(results)[1] for _ in range(12)]
    victim = cluster.list_all_nodes()[-1]
    assert victim.node_ip_address in {node for node, _ in found}
    cluster.remove_node(victim, allow_graceful=False)
    found += [result for _, result in results]
    assert victim.node_ip_address not in {node for node, _ in found[-12:]}
    assert [image for _, image in found] == [encode_png(face[::8, ::8]) for face in noise]


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_calls_that_no_node_can_run_any_more_are_one_line(ray: Engine, cluster: Any) -> None:
    large = cluster.add_node(node_ip_address="127.0.0.5", num_cpus=2, object_store_memory=80 * 2**20)

    def slowly(number: int) -> int:
        time.sleep(0.5)
        return number

    results = ray.map(slowly, range(40), cpus=2)
    assert next(results) == (0, 0)
    cluster.remove_node(large, allow_graceful=False)
    with pytest.raises(DataError, match="a call needs 2 CPUs, as on this machine, and no node of the cluster has that"):
        list(results)


def test_local_results_come_in_order_with_their_items() -> None:
    expected = [(item, item * item) for item in range(30)]
    for cpus in (1, available_cores()):
        assert list(Local().map(lambda item: item * item, range(30), cpus)) == expected


def test_a_call_that_uses_all_cores_runs_alone_and_in_this_thread() -> None:
    threads = {thread for _, thread in Local().map(lambda _: threading.get_ident(), range(3), available_cores())}
    assert threads == {threading.get_ident()}


def test_the_default_imports_no_ray() -> None:
    stages = sorted({stage.split()[0] for stage in STAGES} | {"align_small"})
    run = f"for name in {stages}: runpy.run_path(f'{ROOT}/stages/{{name}}.py', run_name='imported')"
    code = (
        f"import runpy, sys\n{run}\nfrom ftlgan import engine\nengine.start('local', None)\nprint('ray' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "False\n"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "engine: ray, but there is no address of a cluster; set ray_address or the environment variable"),
        ("10.0.0.1", "ray_address: '10.0.0.1' is not HOST:PORT, as in 10.0.0.1:6379; correct it"),
        ("ray://10.0.0.1:10001", "ray_address: 'ray://10.0.0.1:10001' is not HOST:PORT"),
        ("auto", "ray_address: 'auto' is not HOST:PORT"),
    ],
)
def test_an_address_that_is_none_is_one_line(
    address: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ParamsError) as error:
        engine.start("ray", address)
    assert str(error.value).startswith(message)


def test_without_the_package_the_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ParamsError, match=r"^engine: ray, but the package ray is not installed; install the extra `ray`"
    ):
        Ray("127.0.0.1:6379")


CONNECT = "import sys; from ftlgan.engine import start; from ftlgan.errors import one_line_errors\n" + (
    "one_line_errors(lambda: start('ray', None))()"
)


def connected(port: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """Connect to a port in a process of its own, by the environment variable."""
    variables = {**os.environ, "RAY_ADDRESS": f"127.0.0.1:{port}", "PYTHONPATH": str(ROOT / "src"), **environment}
    return subprocess.run([sys.executable, "-c", CONNECT], env=variables, capture_output=True, text=True, check=False)


def test_an_address_where_nobody_answers_is_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = connected(port)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"ERROR: engine: ray: nobody answers at 127.0.0.1:{port} (")
    assert "start a cluster as docs/guides/scale.md says" in done.stderr


@pytest.mark.slow
def test_an_address_of_another_program_ends_in_one_line() -> None:
    """Before it come warnings of Ray's own."""
    with socket.create_server(("0.0.0.0", 0)) as other:  # Ray looks for 127.0.0.1 at this machine's own address
        port = other.getsockname()[1]
        done = connected(port, RAY_py_gcs_connect_timeout_s="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"ERROR: engine: ray: can't use what answers at 127.0.0.1:{port} (")
