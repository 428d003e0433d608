"""People are the same for the same seed, differ from each other, and are not caricatures."""

import dataclasses

import numpy as np
import pytest

from ftlgan.sources.synthetic import identity
from ftlgan.sources.synthetic.anatomy import HumanModel
from ftlgan.sources.synthetic.identity import Identity, draw_identity, draw_traits


@pytest.fixture(scope="module")
def people(model: HumanModel) -> list[Identity]:
    return [draw_identity(model, np.random.default_rng(seed)) for seed in range(8)]


def test_the_same_seed_draws_the_same_person_to_the_bit(model: HumanModel, people: list[Identity]) -> None:
    again = draw_identity(model, np.random.default_rng(0))
    for field in ("shape", "ageing", "fattening", "colors", "scalp", "jaw", "iris"):
        np.testing.assert_array_equal(getattr(again, field), getattr(people[0], field))
    assert again.hairstyle == people[0].hairstyle


def test_no_two_people_have_the_same_shape(people: list[Identity]) -> None:
    shapes = np.stack([person.shape for person in people])
    distances = np.abs(shapes[:, None] - shapes[None]).max(axis=(2, 3))
    assert (distances[~np.eye(len(people), dtype=bool)] > 3e-3).all()


def test_changes_of_shape_are_bounded_and_nearly_symmetric(model: HumanModel) -> None:
    for seed in range(20):
        changes = identity._local_changes(model.local_changes, np.random.default_rng(seed))
        assert set(changes) == set(model.local_changes)
        assert max(np.abs(list(changes.values()))) <= identity.MOST
        right = [label for label in changes if label.startswith("r-")]
        assert right
        assert all(abs(changes[label] - changes["l-" + label[2:]]) < 0.2 for label in right)


def test_a_few_years_change_a_face_by_millimetres(people: list[Identity]) -> None:
    for person in people:
        assert 1e-5 < np.abs(3 * person.ageing).max() < 5e-3


def test_people_are_of_every_age_gender_and_tone() -> None:
    traits = [draw_traits(np.random.default_rng(seed)) for seed in range(400)]
    years, melanin = np.array([t.years for t in traits]), np.array([t.melanin for t in traits])
    assert 0.42 < np.mean([t.male for t in traits]) < 0.58
    assert 18 <= years.min() < 20 and years.max() <= 80
    assert np.histogram(years, (18, 30, 45, 60, 81))[0].min() > 40
    assert np.histogram(melanin, (0, 0.2, 0.4, 0.6, 0.8, 1.01))[0].min() > 10


def test_old_people_are_greyer_than_young_ones() -> None:
    traits = [draw_traits(np.random.default_rng(seed)) for seed in range(300)]
    old, young = ([t.hair.mean() for t in traits if low < t.years < high] for low, high in ((60, 81), (17, 35)))
    assert np.mean(old) > 2 * np.mean(young)


def test_only_men_are_bald_or_bearded(model: HumanModel) -> None:
    drawn = [draw_identity(model, np.random.default_rng(seed)) for seed in range(40)]
    assert any(person.scalp.max() == 0 for person in drawn)
    assert any(person.jaw.max() > 0.5 for person in drawn)
    for person in drawn:
        assert person.traits.male or (person.scalp.max() > 0.5 and person.jaw.max() == 0)


def test_an_identity_is_frozen(people: list[Identity]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        people[0].gloss = 1.0  # type: ignore[misc]
