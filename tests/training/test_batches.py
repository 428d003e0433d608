"""A batch depends only on seed and step, and is ready when the step needs it."""

import threading
import time
from dataclasses import astuple

import numpy as np
import pytest
from small import CONFIG, STILL, changed, faster

from ftlgan.training.batches import Batches, TrainingBatch
from ftlgan.training.data import TrainingSet

SIZE = CONFIG.train.batch


def equal(a: TrainingBatch, b: TrainingBatch) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(astuple(a), astuple(b), strict=True))


def test_a_batch_is_the_same_drawn_ahead_or_asked_for_alone(data: TrainingSet) -> None:
    size = SIZE
    epoch = len(data.triplets) // size
    in_order = Batches(data, CONFIG, size)
    for step in range(1, epoch + 3):
        alone = Batches(data, CONFIG, size)[step]
        assert equal(in_order[step], alone)
    assert equal(in_order[2], Batches(data, CONFIG, size)[2])  # and back


def test_another_step_or_seed_draws_another_batch(data: TrainingSet) -> None:
    batches = Batches(data, CONFIG, SIZE)
    other = Batches(data, faster(seed=1), SIZE)
    assert not equal(batches[1], batches[2])
    assert not equal(batches[1], other[1])


def test_an_epoch_takes_no_triplet_twice(data: TrainingSet) -> None:
    batches = Batches(data, CONFIG, SIZE)
    seen = [
        triplet
        for step in range(1, len(data.triplets) // SIZE + 1)
        for drawn in [batches[step]]
        for triplet in zip(drawn.anchor, drawn.positive, drawn.negative, strict=True)
    ]
    assert len(set(seen)) == len(seen) == len(data.triplets) // SIZE * SIZE


def test_the_next_batch_is_drawn_before_it_is_asked_for(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = Batches._draw

    def noted(self: Batches, step: int) -> TrainingBatch:
        drawn.append(step)
        return draw(self, step)

    monkeypatch.setattr(Batches, "_draw", noted)
    batches = Batches(data, CONFIG, SIZE)
    batches[1]
    ended = time.monotonic() + 10
    while drawn != [1, 2] and time.monotonic() < ended:
        time.sleep(0.01)
    assert drawn == [1, 2]


def test_a_step_meets_the_error_of_its_batch(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_2(_: Batches, step: int) -> None:
        if step == 2:
            raise ZeroDivisionError

    monkeypatch.setattr(Batches, "_draw", fail_at_2)
    batches = Batches(data, CONFIG, SIZE)
    batches[1]
    with pytest.raises(ZeroDivisionError):
        batches[2]


def test_the_shares_of_the_processes_make_the_batch(data: TrainingSet) -> None:
    config = changed(
        faster(teacher_noise=0.1),
        augmentation={"flip": True, "shift": 0.5, "rotation": 3.0, "scale": 0.04},
        degradation={"kind": "bicubic", "realistic": 0.5},
    )
    size = SIZE - SIZE % 2
    whole = Batches(data, config, size)[3]
    halves = [Batches(data, config, size, share)[3] for share in (slice(size // 2), slice(size // 2, size))]
    for name, found in vars(whole).items():
        assert found is not None, name
        assert np.array_equal(np.concatenate([getattr(half, name) for half in halves]), found), name


def test_about_half_are_mirrored(data: TrainingSet) -> None:
    with Batches(data, changed(CONFIG, augmentation={"flip": True, **STILL}), SIZE) as batches:
        drawn = [batches[step] for step in range(1, 11)]
    same = [np.array_equal(lr, data.train.lr[row]) for one in drawn for row, lr in zip(one.anchor, one.lr, strict=True)]
    assert 0.3 < np.mean(same) < 0.7


def test_none_is_mirrored_where_none_shall_be(data: TrainingSet) -> None:
    with Batches(data, changed(CONFIG, augmentation={"flip": False, **STILL}), SIZE) as batches:
        drawn = batches[1]
    assert np.array_equal(drawn.lr, data.train.lr[drawn.anchor])


def test_its_thread_ends_with_the_block(data: TrainingSet) -> None:
    initial = set(threading.enumerate())
    with Batches(data, CONFIG, SIZE) as batches:
        assert equal(batches[1], batches[1])
        assert set(threading.enumerate()) - initial
    assert not set(threading.enumerate()) - initial
    with pytest.raises(RuntimeError, match="after shutdown"):
        batches[3]
