"""The loop: it learns, repeats, keeps the best, and stops when it cannot go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

from ftlgan.degradation import degrade
from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, FACES, embeddings_schema, encode_png, write_faces
from ftlgan.losses import LossWeights
from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import Generator
from ftlgan.networks.images import to_tensor
from ftlgan.training import Faces, Schedule, TrainingSet, fit, read_training_faces, triplet_index
from ftlgan.triplets import Mining, mine

WEIGHTS = LossWeights(pixel=1, identity=1, triplet=1, margin=0.5)
SCHEDULE = Schedule(steps=6, batch=4, learning_rate=1e-3, warmup=1, validate_every=3, device="cpu", seed=0)
History = list[tuple[int, dict[str, float]]]


class Colours(nn.Module):
    """A small frozen recognizer: a fixed random projection of a 7x7 thumbnail."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.projection = nn.Parameter(torch.randn(16, 147, generator=generator), requires_grad=False)

    def forward(self, faces: Tensor) -> Tensor:
        thumbnail = nn.functional.avg_pool2d(faces - 0.5, 16).flatten(1)
        return nn.functional.normalize(thumbnail @ self.projection.T, dim=1)


@pytest.fixture(scope="module")
def teacher() -> Colours:
    return Colours()


@pytest.fixture(scope="module")
def faces(teacher: Colours) -> Faces:
    """Six people of four patterned images each."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(6), 4)
    pattern = rng.integers(0, 256, (6, 28, 28, 3))[who] * 0.8 + rng.integers(0, 256, (24, 28, 28, 3)) * 0.2
    hr = pattern.astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    return Faces(
        face_ids=np.array([f"{i}" for i in range(24)]),
        identities=np.array([f"p{i}" for i in who]),
        lr=np.stack([degrade(face, 14) for face in hr]),
        hr=hr,
        embeddings=teacher(to_tensor(hr)).numpy(),
        recognizer={"recognizer": "c", "sha256": "0"},
    )


@pytest.fixture(scope="module")
def triplets(faces: Faces) -> pa.Table:
    return mine(faces.face_ids, faces.identities, faces.embeddings, Mining(2, 2, 4, 0.5), seed=0)


Fit = Callable[..., tuple[Generator, History, float]]


@pytest.fixture
def run(teacher: Colours, faces: Faces, triplets: pa.Table) -> Fit:
    def run(
        schedule: Schedule = SCHEDULE, weights: LossWeights = WEIGHTS, seed: int = 0
    ) -> tuple[Generator, History, float]:
        prepare_device("cpu", seed)
        generator, history = Generator(14, 8, 1, 4), []
        data = TrainingSet(faces, faces, triplet_index(triplets, faces.face_ids))
        best = fit(generator, teacher, data, weights, replace(schedule, seed=seed), lambda *row: history.append(row))
        return generator, history, best

    return run


def test_it_learns(run: Fit, triplets: pa.Table) -> None:
    epoch = len(triplets) // SCHEDULE.batch
    _, history, best = run(replace(SCHEDULE, steps=4 * epoch, learning_rate=3e-3, validate_every=epoch))
    losses = [row["total"] for _, row in history[1:]]
    assert np.mean(losses[-epoch:]) < 0.95 * np.mean(losses[:epoch])
    assert best > history[0][1]["val_d_prime"]


def test_the_paper_s_claim_it_learns_from_triplets_alone(run: Fit) -> None:
    schedule = replace(SCHEDULE, steps=60, learning_rate=3e-3, validate_every=20)
    _, history, best = run(schedule, LossWeights(pixel=0, identity=0, triplet=1, margin=0.5))
    assert best > history[0][1]["val_d_prime"]


def test_the_same_seed_gives_the_same_weights_and_another_others(run: Fit) -> None:
    weights = [run(seed=seed)[0].state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_every_step_is_logged_and_validated_when_due(run: Fit) -> None:
    _, history, _ = run(replace(SCHEDULE, steps=7))
    assert [step for step, _ in history] == list(range(8))
    assert [step for step, row in history if "val_d_prime" in row] == [0, 3, 6, 7]


def test_the_best_state_is_kept(run: Fit) -> None:
    """At this rate training does harm, so the untrained network, which is bicubic, has to come back."""
    generator, history, best = run(replace(SCHEDULE, learning_rate=1.0, warmup=0))
    assert best == max(row["val_d_prime"] for _, row in history if "val_d_prime" in row) == history[0][1]["val_d_prime"]
    assert not generator.tail.weight.any()


def test_the_teacher_stays_frozen(run: Fit, teacher: Colours) -> None:
    before = teacher.projection.clone()
    run()
    assert torch.equal(teacher.projection, before)
    assert teacher.projection.grad is None


def test_a_loss_that_is_not_finite_stops_with_the_step(run: Fit) -> None:
    with pytest.raises(DataError, match=r"not finite at step \d .*lower train.learning_rate"):
        run(replace(SCHEDULE, learning_rate=1e30, steps=20))


def test_fewer_triplets_than_a_batch_still_train(teacher: Colours, faces: Faces, triplets: pa.Table) -> None:
    generator = Generator(14, 8, 1, 4)
    data = TrainingSet(faces, faces, triplet_index(triplets.slice(0, 3), faces.face_ids))
    fit(generator, teacher, data, WEIGHTS, SCHEDULE, lambda *_: None)


def test_a_triplet_of_an_unknown_face_is_named(faces: Faces, triplets: pa.Table) -> None:
    with pytest.raises(DataError, match="face '23' is not among the training faces"):
        triplet_index(triplets, faces.face_ids[:-1])


def test_the_rate_warms_up_and_then_falls_to_nothing() -> None:
    schedule = Schedule(steps=110, batch=1, learning_rate=1.0, warmup=10, validate_every=1, device="cpu", seed=0)
    rates = [schedule.rate(step) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def tables(folder: Path, faces: Faces, shift: int) -> tuple[Path, Path, Path]:
    """The three tables of a training, with the degraded one's faces rolled by `shift`."""
    who = [
        {"face_id": i, "identity": p, "split": "train"} for i, p in zip(faces.face_ids, faces.identities, strict=True)
    ]
    rows = list(zip(who, faces.lr, faces.hr, faces.embeddings, strict=True))
    rolled = rows[shift:] + rows[:shift]
    landmarks = {"landmarks": [0.0] * 10, "detection_score": 1.0}
    write_faces(folder / "degraded", FACES, ({**w, "image": encode_png(lr)} for w, lr, _, _ in rolled))
    write_faces(folder / "aligned", ALIGNED, ({**w, "image": encode_png(hr), **landmarks} for w, _, hr, _ in rows))
    write_faces(folder / "gallery", embeddings_schema(16, "c", "0"), ({**w, "embedding": e} for w, _, _, e in rows))
    return folder / "degraded", folder / "aligned", folder / "gallery"


def test_faces_are_read_with_their_twins_and_embeddings(faces: Faces, tmp_path: Path) -> None:
    found = read_training_faces(*tables(tmp_path, faces, 0), "train")
    for name, expected in vars(faces).items():
        np.testing.assert_equal(getattr(found, name), expected)


def test_tables_that_do_not_match_are_refused(faces: Faces, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in the same order; run `dvc repro`"):
        read_training_faces(*tables(tmp_path, faces, 1), "train")
