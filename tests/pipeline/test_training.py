"""The real training under the real DVC: killed, in several processes, with nothing but triplets."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from documentation import documented
from project import Project, executed

STEPS = 12


def longer(project: Project, **train: int) -> None:
    """Set params of the training."""
    project.set_params(train={"steps": STEPS, "checkpoint": 3, "validate": 10, **train})


def checkpoints(project: Project) -> list[Path]:
    return list((project.root / ".dvc/tmp/ftlgan").glob("*.safetensors"))


def kill_after_a_checkpoint(project: Project) -> None:
    """Send SIGKILL to DVC and all its children once there is a checkpoint."""
    running = subprocess.Popen(
        ["dvc", "repro", "train@ftlgan"],
        cwd=project.root,
        env=project.environment,
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


def read_losses(project: Project) -> pd.DataFrame:
    return pd.read_csv(project.root / "data/model/ftlgan/losses.csv")


def model(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / "data/model/ftlgan").iterdir()}


def test_killed_it_goes_on_and_ends_in_the_same_bytes(project: Project, tmp_path: Path) -> None:
    """It also resumes after a code change that can't affect the result. For restarts, see test_checkpoint.py."""
    longer(project)
    undisturbed = project.copy_to(tmp_path / "undisturbed")
    undisturbed.dvc("repro", "train@ftlgan")
    kill_after_a_checkpoint(project)
    errors = project.root / "src/ftlgan/errors.py"
    errors.write_text(errors.read_text() + "\n# a typo less\n")
    printed = project.dvc("repro", "train@ftlgan")
    assert executed(printed) == {"train@ftlgan"}
    assert f" 0/{STEPS} " not in printed, "it began anew"
    assert model(project) == model(undisturbed)
    assert checkpoints(project) == [], "what is done needs none"


def test_triplets_alone_train_without_any_high_resolution_twin_and_two_processes_have_the_losses_of_one(
    project: Project,
) -> None:
    """test_dag.py tests other terms with another model, and tests/training/test_loop.py the weights."""
    options = " -S degradation.kind=realistic -S train.devices=2 train@ftlgan"
    printed = project.run("bash", "-c", documented("dvc exp run -S losses.ftlgan.pixel=0") + options)
    assert executed(printed) == {"degrade", "train@ftlgan"}
    losses = read_losses(project)
    assert losses["triplet"].notna().to_numpy().all()
    assert losses[["pixel", "identity", "perceptual", "adversarial"]].isna().to_numpy().all()

    assert executed(project.dvc("exp", "run", "-S", "train.devices=1", "train@ftlgan")) == {"train@ftlgan"}
    assert losses["total"].tolist() == pytest.approx(read_losses(project)["total"].tolist(), rel=1e-4)
