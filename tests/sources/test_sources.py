"""Who trains and who tests: by person, by seed, and stable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlgan.errors import DataError
from ftlgan.sources import split_people

PEOPLE = [f"person {i}" for i in range(100)]


def test_the_shares_are_as_asked() -> None:
    splits = list(split_people(PEOPLE, 0.1, 0.3, seed=0).values())
    assert (splits.count("train"), splits.count("val"), splits.count("test")) == (60, 10, 30)


def test_the_seed_and_nothing_else_decides() -> None:
    assert split_people(PEOPLE, 0.1, 0.3, 0) == split_people(PEOPLE[::-1], 0.1, 0.3, 0)
    assert split_people(PEOPLE, 0.1, 0.3, 0) != split_people(PEOPLE, 0.1, 0.3, 1)


def test_one_more_person_moves_at_most_one_person_into_each_split() -> None:
    before, after = split_people(PEOPLE, 0.1, 0.3, 0), split_people([*PEOPLE, "somebody else"], 0.1, 0.3, 0)
    assert sum(before[person] != after[person] for person in PEOPLE) <= 2


@given(st.integers(8, 200), st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.integers(0, 10))
def test_every_split_has_people_and_every_person_one_split(count: int, val: float, test: float, seed: int) -> None:
    splits = split_people([str(i) for i in range(count)], val, test, seed)
    assert len(splits) == count
    values = list(splits.values())
    assert values.count("test") >= 2
    assert values.count("val") >= 2
    assert values.count("train") >= 2


def test_too_few_people_are_named() -> None:
    with pytest.raises(DataError, match=r"5 people leave 1 to train on .* add people or lower"):
        split_people(PEOPLE[:5], 0.1, 0.3, 0)
