"""The loop learns, is repeatable, keeps the best weights, stops on errors, and resumes after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import ATTENTION, CONFIG, DENSE, Trained, changed, faster, losing, same, small_generator, still, train
from warm_python import warmed

from ftlgan.errors import DataError, ParamsError
from ftlgan.networks.generator import Size
from ftlgan.training.augmentation import degrade_each, draw_moves, move
from ftlgan.training.batches import ORDER, random_stream
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.data import TrainingSet
from ftlgan.training.distributed import World
from ftlgan.training.fingerprint import Fingerprint
from ftlgan.training.state import State, learning_rate_factor

HERE = Path(__file__).parent
FINGERPRINT = Fingerprint({}, {}, None, {})


@pytest.mark.parametrize("size", [DENSE, ATTENTION])
def test_it_learns(data: TrainingSet, size: Size) -> None:
    epoch = len(data.triplets) // CONFIG.train.batch
    config = still(losing(triplet=1.0, pixel=1.0, identity=1.0))
    config = faster(config, steps=4 * epoch, learning_rate=3e-3, validate_every=epoch, teacher_noise=0.0)
    trained = train(data, config, size=size)
    losses = trained.values("total")
    assert np.mean(losses[-epoch:]) < 0.95 * np.mean(losses[:epoch])
    assert trained.best > trained.values("val_d_prime")[0]


def test_the_paper_s_claim_it_learns_from_triplets_alone_without_any_twin(data: TrainingSet) -> None:
    faces = replace(data.train, hr=None)
    blind = replace(data, train=faces, real=None)
    config = still(losing(triplet=1.0))
    trained = train(blind, faster(config, steps=60, learning_rate=3e-3, validate_every=20, teacher_noise=0.0))
    assert trained.best > trained.values("val_d_prime")[0]


@pytest.mark.parametrize("size", [DENSE, ATTENTION])
def test_the_same_seed_gives_the_same_weights_and_another_others(data: TrainingSet, size: Size) -> None:
    first, again, other = (train(data, faster(seed=seed), size=size).generator for seed in (0, 0, 1))
    assert same(first, again)
    assert not same(first, other)


def test_every_step_is_logged_and_validated_when_due(data: TrainingSet) -> None:
    trained = train(data, faster(steps=7))
    assert [step for step, _ in trained.history] == list(range(8))
    assert [step for step, row in trained.history if "val_d_prime" in row] == [0, 3, 6, 7]
    terms = {"total", "pixel", "identity", "triplet", "perceptual", "adversarial", "gradient", "discriminator", "r1"}
    assert terms | {"images_per_s"} == trained.history[1][1].keys()


def test_the_best_state_is_kept(data: TrainingSet) -> None:
    """With this learning rate, the d' only falls: the first average is the best, and bicubic is never selected."""
    config = faster(losing(triplet=1.0, pixel=1.0), steps=3, learning_rate=0.1, warmup=0)
    best, last = (train(data, faster(config, validate_every=every)) for every in (1, 3))
    untrained, *averages = best.values("val_d_prime")
    assert untrained > best.best == max(averages) > averages[-1]
    assert best.generator.tail.weight.any()
    assert not same(best.generator, last.generator)


def test_a_moving_average_lags_behind_the_weights() -> None:
    state = State(small_generator(), None, faster(ema=0.9))
    first = state.ema_generator.tail.weight.clone()
    state.step = 1000
    with torch.no_grad():
        state.generator.tail.weight += 1
    state.update_ema()
    assert torch.allclose(state.ema_generator.tail.weight - first, torch.tensor(0.1))
    state.step = 1  # too early for the first weights to count so much
    state.update_ema()
    assert (state.generator.tail.weight - state.ema_generator.tail.weight).max() < 0.1


def test_a_batch_that_processes_can_t_share_is_one_line(data: TrainingSet) -> None:
    with pytest.raises(ParamsError, match=r"^train\.batch: 4 triplets for 3 processes; make it a multiple of their"):
        train(data, faster(batch=4), World(size=3))


def test_a_gradient_is_clipped(data: TrainingSet) -> None:
    free, clipped = (train(data, faster(clip=clip, steps=2)) for clip in (1e9, 1e-12))
    assert free.values("gradient")[0] == pytest.approx(clipped.values("gradient")[0])  # its length before it is clipped
    assert not same(free.generator, clipped.generator)


def test_a_moved_face_and_its_twin_stay_twins(data: TrainingSet) -> None:
    assert data.real is not None
    hr = data.real[:5]
    rng = np.random.default_rng(0)
    moved = move(hr, draw_moves(5, 14, CONFIG.augmentation, rng))
    lr = degrade_each(moved, 14, CONFIG.degradation, [rng] * 5)
    assert lr.shape == (5, 14, 14, 3)
    assert not np.array_equal(moved, hr)
    box = moved.reshape(5, 14, 8, 14, 8, 3).mean(axis=(2, 4))
    assert np.abs(box - lr).mean() < 12


@pytest.mark.slow
def test_the_discriminator_learns_to_tell_restored_faces(data: TrainingSet) -> None:
    config = changed(CONFIG, discriminator={"learning_rate": 5e-3, "r1": 0.0})
    trained = train(data, faster(config, steps=60, learning_rate=1e-6))
    assert np.mean(trained.values("discriminator")[-10:]) < 0.8 * np.mean(trained.values("discriminator")[:10])


def test_a_loss_that_is_not_finite_stops_with_the_step_the_losses_and_the_last_good_state(
    data: TrainingSet, tmp_path: Path
) -> None:
    (references,), triplets = data.references, data.triplets.copy()
    embeddings = np.vstack([references.embeddings, np.full(16, np.nan)]).astype(np.float32)
    in_second_batch = random_stream(CONFIG.train.seed, 0, ORDER).permutation(len(triplets))[CONFIG.train.batch]
    triplets[in_second_batch, 1] = len(embeddings) - 1
    broken = replace(data, references=[replace(references, embeddings=embeddings)], triplets=triplets)
    checkpoint = Checkpoint(tmp_path, "model", FINGERPRINT)
    with pytest.raises(DataError, match=rf"not finite at step 2 \(.*triplet nan.*{checkpoint.path.name}$"):
        train(broken, faster(checkpoint=1), checkpoint=checkpoint)
    found = checkpoint.read()
    assert found
    assert found[1]["step"] == 1
    assert all(tensor.isfinite().all() for name, tensor in found[0].items() if not name.startswith("history."))


def test_fewer_triplets_than_a_batch_still_train(data: TrainingSet) -> None:
    trained = train(replace(data, triplets=data.triplets[:3]))
    assert trained.generator.tail.weight.any(), "an untrained network has none"
    assert [step for step, _ in trained.history] == list(range(CONFIG.train.steps + 1))


def test_the_rate_warms_up_and_then_falls_to_nothing() -> None:
    rates = [learning_rate_factor(step, steps=110, warmup=10) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


KILLED = f"""
import os, sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from small import small_set, train, faster
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.fingerprint import Fingerprint

def log(step, metrics):
    if step == 4:
        os.kill(os.getpid(), 9)

checkpoint = Checkpoint(Path(sys.argv[1]), "model", Fingerprint({{}}, {{}}, None, {{}}))
train(small_set(), faster(steps=9), log=log, checkpoint=checkpoint)
"""


@pytest.fixture(scope="module")
def undisturbed(data: TrainingSet) -> Trained:
    return train(data, faster(steps=9))


@pytest.fixture(scope="module")
def at_step(data: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by the number of a step, each with what is on the disk when that step is logged."""
    here = tmp_path_factory.mktemp("training")
    checkpoint = Checkpoint(here / "now", "model", FINGERPRINT)

    def keep(step: int, _: dict[str, float]) -> None:
        checkpoint.path.parent.mkdir(exist_ok=True)
        shutil.copytree(checkpoint.path.parent, here / str(step))

    train(data, faster(steps=9), log=keep, checkpoint=checkpoint)
    return here


def goes_on_to_the_same_bytes(folder: Path, data: TrainingSet, undisturbed: Trained) -> None:
    resumed = train(data, faster(steps=9), checkpoint=Checkpoint(folder, "model", FINGERPRINT))
    assert same(resumed.generator, undisturbed.generator)
    assert resumed.best == undisturbed.best

    def repeatable(row: tuple[int, dict[str, float]]) -> tuple[int, dict[str, float]]:
        return row[0], {name: value for name, value in row[1].items() if name != "images_per_s"}

    assert [*map(repeatable, resumed.history)] == [*map(repeatable, undisturbed.history)]


@pytest.mark.slow
def test_killed_it_ends_in_the_same_bytes(data: TrainingSet, undisturbed: Trained, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    goes_on_to_the_same_bytes(tmp_path, data, undisturbed)


@pytest.mark.parametrize("step", [1, 2, 3, 8, 9])
def test_from_any_step_it_ends_in_the_same_bytes(
    data: TrainingSet, undisturbed: Trained, at_step: Path, step: int
) -> None:
    """Before there is a checkpoint, after the first, when one is due, and at the end."""
    (at_step / str(step)).mkdir(exist_ok=True)
    written = Checkpoint(at_step / str(step), "model", FINGERPRINT).path.exists()
    assert written == (step > 2), "written after the log of every second step"
    goes_on_to_the_same_bytes(at_step / str(step), data, undisturbed)


def two_processes(tmp_path: Path, script: str, **variables: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a script in two processes, and its environment."""
    together, launch = tmp_path / "together.py", tmp_path / "launch.py"
    together.write_text(script)
    launch.write_text(f"from ftlgan.training.distributed import launch; launch({str(together)!r}, 2)")
    return ["python", str(launch)], warmed({**os.environ, "OMP_NUM_THREADS": "1", **variables})


TOGETHER = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import os
import torch
from small import small_set, train, faster
from ftlgan.training.distributed import join_world

with join_world("cpu") as world:
    trained = train(small_set(), faster(steps=4, batch=8), world)
    if world.rank == 0:
        torch.save([parameter for parameter in trained.generator.parameters()], os.environ["WEIGHTS"])
"""


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(data: TrainingSet, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    command, environment = two_processes(tmp_path, TOGETHER, WEIGHTS=str(weights))
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    alone = train(data, faster(steps=4, batch=8))
    for ours, theirs in zip(alone.generator.parameters(), torch.load(weights), strict=True):
        assert (ours - theirs).abs().max() < 1e-5
    assert not same(alone.generator, train(data, faster(steps=1, batch=8)).generator)


ALONE = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
import os
from pathlib import Path
import numpy as np
from small import small_set, train, faster
from ftlgan.errors import one_line_errors
from ftlgan.training.distributed import join_world

@one_line_errors
def main():
    with join_world("cpu") as world:
        with redirect_stderr(StringIO()):  # both processes mine, and a bar of one would share a line with the other
            data, steps = small_set(), 4
        if os.environ["TROUBLE"] == "validation":
            data = replace(data, val=replace(data.val, identities=np.arange(len(data.val.identities)).astype(str)))
        if os.environ["TROUBLE"] == "triplets":
            data = replace(data, triplets=data.triplets[:1])
        if os.environ["TROUBLE"] == "a kill" and world.rank:
            os.kill(os.getpid(), 9)
        if os.environ["TROUBLE"] == "Ctrl-C":
            steps = 100_000
            Path(os.environ["STARTED"]).touch()
        train(data, faster(steps=steps), world)

main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("validation", "verification needs at least two people"),
        ("triplets", "1 triplets for 2 processes"),
        ("a kill", "process 1 of 2 was ended by SIGKILL"),
    ],
)
def test_trouble_in_one_of_two_processes_is_one_line(tmp_path: Path, trouble: str, said: str) -> None:
    command, environment = two_processes(tmp_path, ALONE, TROUBLE=trouble)
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert ran.returncode == 1
    printed = ran.stderr.replace("\r", "\n").splitlines()
    (line,) = [line for line in printed if line and not line.startswith("train: ")]
    assert line.startswith("ERROR: ")
    assert said in line


@pytest.mark.slow
def test_ctrl_c_ends_two_processes_quietly(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command, environment = two_processes(tmp_path, ALONE, TROUBLE="Ctrl-C", STARTED=str(started))
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 120
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, printed = running.communicate(timeout=120)
    assert running.returncode == 128 + signal.SIGINT
    assert "Traceback" not in printed


def test_a_gpu_whose_memory_is_full_is_one_line(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("ftlgan.training.loop._Trainer.step", fill)
    with pytest.raises(DataError, match=r"train: the GPU's memory is full; lower train\.batch"):
        train(data)
