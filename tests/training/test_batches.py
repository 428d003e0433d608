"""What each step learns from is a matter of seed and step, and ready when the step asks."""

import time
from dataclasses import astuple

import numpy as np
import pytest
from small import MOVING, SCHEDULE, faster

from ftlgan.training.batches import Batches, Drawn
from ftlgan.training.data import TrainingSet


def equal(a: Drawn, b: Drawn) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(astuple(a), astuple(b), strict=True))


def test_a_batch_is_the_same_drawn_ahead_or_asked_for_alone(data: TrainingSet) -> None:
    size = SCHEDULE.batch
    epoch = len(data.triplets) // size
    in_order = Batches(data, MOVING, SCHEDULE, size)
    for step in range(1, epoch + 3):
        alone = Batches(data, MOVING, SCHEDULE, size).of(step)
        assert equal(in_order.of(step), alone)
    assert equal(in_order.of(2), Batches(data, MOVING, SCHEDULE, size).of(2))  # and back


def test_another_step_or_seed_draws_another_batch(data: TrainingSet) -> None:
    batches = Batches(data, MOVING, SCHEDULE, SCHEDULE.batch)
    other = Batches(data, MOVING, faster(seed=1), SCHEDULE.batch)
    assert not equal(batches.of(1), batches.of(2))
    assert not equal(batches.of(1), other.of(1))


def test_an_epoch_takes_no_triplet_twice(data: TrainingSet) -> None:
    batches = Batches(data, MOVING, SCHEDULE, SCHEDULE.batch)
    seen = [
        triplet
        for step in range(1, len(data.triplets) // SCHEDULE.batch + 1)
        for drawn in [batches.of(step)]
        for triplet in zip(drawn.anchor, drawn.positive, drawn.negative, strict=True)
    ]
    assert len(set(seen)) == len(seen) == len(data.triplets) // SCHEDULE.batch * SCHEDULE.batch


def test_the_next_batch_is_drawn_before_it_is_asked_for(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = Batches._draw

    def noted(self: Batches, step: int) -> Drawn:
        drawn.append(step)
        return draw(self, step)

    monkeypatch.setattr(Batches, "_draw", noted)
    batches = Batches(data, MOVING, SCHEDULE, SCHEDULE.batch)
    batches.of(1)
    ended = time.monotonic() + 10
    while drawn != [1, 2] and time.monotonic() < ended:
        time.sleep(0.01)
    assert drawn == [1, 2]


def test_a_step_meets_the_error_of_its_batch(data: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_2(_: Batches, step: int) -> None:
        if step == 2:
            raise ZeroDivisionError

    monkeypatch.setattr(Batches, "_draw", fail_at_2)
    batches = Batches(data, MOVING, SCHEDULE, SCHEDULE.batch)
    batches.of(1)
    with pytest.raises(ZeroDivisionError):
        batches.of(2)
