"""The real training under the real DVC: killed, in several processes, with nothing but triplets."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from documentation import documented
from project import Project, executed

STEPS = 24


def longer(project: Project, **train: int) -> None:
    """Set params of the training."""
    project.set_params(train={"steps": STEPS, "checkpoint": 3, "validate": 10, **train})


def checkpoints(project: Project) -> list[Path]:
    return list((project.root / ".dvc/tmp/ftlgan").glob("*.safetensors"))


def kill_after_a_checkpoint(project: Project) -> None:
    """SIGKILL to DVC and all that it started, once there is something to go on from."""
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


def model(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.root / "data/model/ftlgan").iterdir()}


def test_killed_it_goes_on_and_ends_in_the_same_bytes(project: Project, tmp_path: Path) -> None:
    """Also after a change in code that cannot change the result."""
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


def test_a_checkpoint_of_other_params_is_kept_for_them_and_random_bytes_are_removed(project: Project) -> None:
    """What can be used when is in tests/training/test_checkpoint.py."""
    longer(project)
    kill_after_a_checkpoint(project)
    (checkpoint,) = checkpoints(project)
    longer(project, seed=1, steps=2)
    printed = project.dvc("repro", "train@ftlgan")
    assert executed(printed) == {"train@ftlgan"}
    said = f"{checkpoint.relative_to(project.root)}: is not used: train.seed was 0, is 1 (and 1 more); set it back"
    assert said in printed
    assert checkpoints(project) == [checkpoint]
    checkpoint.write_bytes(os.urandom(5000))
    longer(project, seed=0)
    printed = project.dvc("repro", "train@ftlgan")
    assert "is no whole checkpoint" in printed
    assert "removed, training starts anew" in printed
    assert f" 0/{STEPS} " in printed
    assert checkpoints(project) == []


def test_two_processes_train_together(project: Project) -> None:
    """The losses of all steps; the weights are in tests/training/test_loop.py."""

    def totals() -> list[float]:
        return pd.read_csv(project.root / "data/model/ftlgan/losses.csv")["total"].tolist()

    alone = totals()
    assert executed(project.dvc("exp", "run", "-S", "train.devices=2", "train@ftlgan")) == {"train@ftlgan"}
    assert totals() == pytest.approx(alone, rel=1e-4)
    triplets = project.root / "data/triplets.parquet"
    pq.write_table(pq.read_table(triplets).slice(0, 1), triplets)
    assert "1 triplets for 2 processes" in project.run("python", "stages/train.py", "ftlgan", check=False)


def test_options_of_the_training_reach_it(project: Project) -> None:
    options = ["degradation.kind=realistic", "losses.ftlgan.adversarial=0.1", "losses.ftlgan.perceptual=0"]
    settings = [argument for option in options for argument in ("-S", option)]
    assert executed(project.dvc("exp", "run", *settings, "train@ftlgan")) == {"degrade", "train@ftlgan"}
    losses = pd.read_csv(project.root / "data/model/ftlgan/losses.csv")
    assert losses[["adversarial", "discriminator"]].notna().to_numpy().all()
    assert losses["perceptual"].isna().to_numpy().all()


def test_triplets_alone_train_without_any_high_resolution_twin(project: Project) -> None:
    printed = project.run("bash", "-c", documented("dvc exp run -S losses.ftlgan.pixel=0") + " train@ftlgan")
    assert "train@ftlgan" in executed(printed)
    losses = pd.read_csv(project.root / "data/model/ftlgan/losses.csv")
    assert losses["triplet"].notna().to_numpy().all()
    assert losses[["pixel", "identity", "perceptual", "adversarial"]].isna().to_numpy().all()
