"""The real training under the real DVC: killed, in several processes, with nothing but triplets."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from project import Project, executed, readme
from safetensors.torch import load_file
from torch import Tensor

STEPS = 40


def longer(project: Project, **train: int) -> None:
    """Set params of the training."""
    project.set_params(train={"steps": STEPS, "checkpoint": 3, "validate": 10, **train})


def checkpoints(project: Project) -> list[Path]:
    return list((project.root / ".dvc/tmp/ftlgan").glob("*.safetensors"))


def kill_after_a_checkpoint(project: Project) -> None:
    """SIGKILL to DVC and all that it started, once there is something to go on from."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    environment["PATH"] = str(Path(sys.executable).parent) + os.pathsep + environment["PATH"]
    running = subprocess.Popen(
        ["dvc", "repro", "train@ftlgan"],
        cwd=project.root,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not checkpoints(project):
        assert running.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint in two minutes"
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def model(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / "data/model/ftlgan").iterdir()}


def test_killed_it_goes_on_and_ends_in_the_same_bytes(project: Project, tmp_path: Path) -> None:
    longer(project)
    undisturbed = project.copy_to(tmp_path / "undisturbed")
    undisturbed.dvc("repro", "train@ftlgan")
    kill_after_a_checkpoint(project)
    printed = project.dvc("repro", "train@ftlgan")
    assert executed(printed) == {"train@ftlgan"}
    assert f" 0/{STEPS} " not in printed, "it began anew"
    assert model(project) == model(undisturbed)
    assert checkpoints(project) == [], "what is done needs none"


def test_a_checkpoint_of_other_params_is_not_taken_and_random_bytes_are_one_line(project: Project) -> None:
    longer(project)
    kill_after_a_checkpoint(project)
    (checkpoint,) = checkpoints(project)
    checkpoint.write_bytes(os.urandom(5000))
    said = [
        line for line in project.dvc("repro", "train@ftlgan", check=False).splitlines() if line.startswith("ERROR: ")
    ]
    (line,) = [line for line in said if "failed to reproduce" not in line]
    assert "is no whole checkpoint" in line
    assert line.endswith("delete it, and training starts anew")
    longer(project, seed=1)
    assert executed(project.dvc("repro", "train@ftlgan")) == {"train@ftlgan"}


def test_two_processes_train_together(project: Project) -> None:
    """The weights after a step, the losses of all. Each process has fewer threads, which round otherwise, and where a
    gradient is no more than rounding Adam makes a whole step of it: to 1e-5 over several steps, with as many threads,
    it is tests/training/test_loop.py."""
    folder = project.root / "data/model/ftlgan"

    def trained(**train: int) -> dict[str, Tensor]:
        settings = [argument for name, value in train.items() for argument in ("-S", f"train.{name}={value}")]
        assert executed(project.dvc("exp", "run", *settings, "train@ftlgan")) == {"train@ftlgan"}
        return load_file(folder / "generator.safetensors")

    def apart(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
        return max(float((one[name] - other[name]).abs().max()) for name in one)

    def totals() -> list[float]:
        return pd.read_csv(folder / "losses.csv")["total"].tolist()

    alone = totals()
    trained(devices=2)
    assert totals() == pytest.approx(alone, rel=1e-4)
    two, one, slower = (
        trained(steps=1, devices=devices, warmup=warmup) for devices, warmup in ((2, 1), (1, 1), (1, 4))
    )
    assert apart(two, one) < 1e-5
    assert apart(slower, one) > 5e-4  # of 1e-3 a step


@pytest.mark.parametrize(
    "setting", ["degradation.kind=realistic", "losses.ftlgan.adversarial=0.1", "losses.ftlgan.perceptual=0"]
)
def test_each_option_trains(project: Project, setting: str) -> None:
    assert "train@ftlgan" in executed(project.dvc("exp", "run", "-S", setting, "train@ftlgan"))


def test_triplets_alone_train_without_any_high_resolution_twin(project: Project) -> None:
    printed = project.run("bash", "-c", readme("dvc exp run -S losses.ftlgan.pixel=0") + " train@ftlgan")
    assert "train@ftlgan" in executed(printed)
    losses = pd.read_csv(project.root / "data/model/ftlgan/losses.csv")
    assert losses["triplet"].notna().all()
    assert losses[["pixel", "identity", "perceptual", "adversarial"]].isna().all(axis=None)
