"""Several machines: two nodes that torchrun brings together give the weights of one process, and go on after a loss."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import faster, same, small_generator, train

from ftlgan.errors import DataError
from ftlgan.training.data import TrainingSet
from ftlgan.training.distributed import World, join_world

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = f"""
import os, sys, time
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
import torch
from small import small_set, train, faster
from ftlgan.errors import one_line_errors
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.distributed import join_world
from ftlgan.training.fingerprint import Fingerprint

here = Path(os.environ["HERE"])
loss = os.environ.get("LOST")

@one_line_errors
def main():
    with join_world("cpu") as world:
        checkpoint = Checkpoint(here, "model", Fingerprint({{}}, {{}}, None, {{}}))

        def log(step, metrics):
            (here / f"logged-{{step}}").touch()

        assert world.rank == int(os.environ["GROUP_RANK"])

        if loss and world.rank == 1:
            from ftlgan.training import loop
            take, steps = loop._Trainer.step, iter(range(99))
            loop._Trainer.step = lambda self: os.kill(os.getpid(), 9) if next(steps) == 3 else take(self)
        trained = train(small_set(), faster(steps=6, batch=8), world, log=log, checkpoint=checkpoint)
        if world.is_first:
            torch.save(trained.generator.state_dict(), here / "weights.pt")

main()
"""


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


def run_nodes(folder: Path, *script: str, **variables: str) -> list[tuple[int, str]]:
    """Run two nodes of one process each, each in a folder of its own: exit status and output of both."""
    port, nodes = free_port(), list[subprocess.Popen[str]]()
    for rank in range(2):
        own = folder / f"node-{rank}"
        own.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={rank}"]
        command += ["--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}", *script]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HERE": str(own), **variables}
        nodes.append(
            subprocess.Popen(
                command, cwd=own, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        time.sleep(0.1)
    printed = [node.communicate(timeout=600)[0] for node in nodes]
    return [(node.returncode, text) for node, text in zip(nodes, printed, strict=True)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "node-0/weights.pt")


@pytest.mark.slow
def test_two_nodes_give_the_weights_of_one_process_and_go_on_after_one_is_lost(
    data: TrainingSet, tmp_path: Path
) -> None:
    node = str(tmp_path / "node.py")
    Path(node).write_text(NODE)
    (tmp_path / "whole").mkdir()
    (tmp_path / "lost").mkdir()
    for status, printed in run_nodes(tmp_path / "whole", node):
        assert status == 0, printed
    alone = train(data, faster(steps=6, batch=8), World())
    for ours, theirs in zip(alone.generator.state_dict().values(), weights(tmp_path / "whole").values(), strict=True):
        assert (ours - theirs).abs().max() < 1e-5
    assert not (tmp_path / "whole/node-1/logged-1").exists(), "the first process logs for all"

    (first, printed), (second, _) = run_nodes(tmp_path / "lost", node, LOST="1")
    assert first
    assert second
    (line,) = {line.split("]:")[-1] for line in printed.splitlines() if "ERROR: " in line}
    assert "ERROR: train: process 0 of 2 has lost the others" in line
    assert list((tmp_path / "lost/node-0").glob("model-*.safetensors"))
    assert not list((tmp_path / "lost/node-1").glob("model-*.safetensors"))
    for log in (tmp_path / "lost/node-0").glob("logged-*"):
        log.unlink()
    for status, printed in run_nodes(tmp_path / "lost", node):
        assert status == 0, printed
    resumed = small_generator()
    resumed.load_state_dict(weights(tmp_path / "lost"))
    undisturbed = small_generator()
    undisturbed.load_state_dict(weights(tmp_path / "whole"))
    assert same(resumed, undisturbed)


def copy_of_the_project(place: Path) -> Path:
    """Copy what a training reads before it compares the processes: not the faces."""
    for name in ("data/aligned", "data/degraded", "data/targets/ftlgan"):
        (place / name).mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, place)
    for name in ("src", "stages"):
        (place / name).symlink_to(ROOT / name)
    return place


def test_a_shard_that_is_missing_on_one_node_is_one_line(tmp_path: Path) -> None:
    for rank, shards in enumerate((2, 1)):
        own = copy_of_the_project(tmp_path / f"node-{rank}")
        for shard in range(shards):
            (own / f"data/aligned/part-{shard:05}.parquet").write_text("faces")
    (first, printed), (second, _) = run_nodes(tmp_path, "stages/train.py", "ftlgan", FTLGAN_TRACKING="off")
    assert first
    assert second
    (line,) = {line.split("]:")[-1] for line in printed.splitlines() if "ERROR: " in line}
    assert "ERROR: train: process 1 of 2 does not have the same as process 0: data/aligned; run `git pull`" in line


def run_trainings(folder: Path, prelude: str) -> list[tuple[int, str]]:
    """Run the stage on two nodes, after these lines of Python."""
    script = folder / "train.py"
    script.write_text(f"{prelude}\nimport runpy\nrunpy.run_path('stages/train.py', run_name='__main__')\n")
    return run_nodes(folder, str(script), "ftlgan", FTLGAN_TRACKING="off")


def test_a_process_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    for rank in range(2):
        copy_of_the_project(tmp_path / f"node-{rank}")
    wrong = tmp_path / "node-1/params.yaml"
    wrong.write_text(wrong.read_text().replace("res: 14", "res: 15"))
    impatient = (
        "import datetime\nfrom ftlgan.training import distributed\n"
        "distributed.TIME_TO_JOIN = datetime.timedelta(seconds=20)"
    )
    (first, printed), (second, other) = run_trainings(tmp_path, impatient)
    assert first
    assert second
    assert "ERROR: params.yaml: res: 15: input should be 14, 28 or 56" in other
    assert "ERROR: train: process 1 of 2 has not started in 0:00:20: see what it has printed" in printed


def test_a_node_with_another_library_is_one_line(tmp_path: Path) -> None:
    for rank in range(2):
        copy_of_the_project(tmp_path / f"node-{rank}")
    older = (
        "import os\nfrom ftlgan import engine\nfound = engine.version\n"
        "if os.environ['GROUP_RANK'] == '1':\n"
        "    engine.version = lambda name: '0.1' if name == 'pillow' else found(name)"
    )
    (first, printed), (second, _) = run_trainings(tmp_path, older)
    assert first
    assert second
    assert "ERROR: train: process 1 of 2 does not have the same as process 0: pillow was " in printed
    assert ", is 0.1; run `git pull`" in printed


def test_a_process_without_a_gpu_of_its_own_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "99")
    said = r"process 99 of this machine has no GPU: .*--nproc-per-node"
    with pytest.raises(DataError, match=said), join_world("cuda"):
        raise AssertionError("there are no 100 GPUs")
