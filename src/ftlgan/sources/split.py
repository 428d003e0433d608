"""The split into train, val and test, by people and never by single photos."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from ftlgan.errors import DataError


def shuffled(people: Iterable[str], seed: int) -> list[str]:
    """Return people in an order that depends on the seed. Adding or removing a person keeps the order of the others."""
    return sorted(people, key=lambda person: hashlib.sha256(f"{seed}:{person}".encode()).digest())


def choose_people(photos: Mapping[str, int], most: int | None, seed: int) -> list[str]:
    """Choose people. The choice depends only on names, numbers of photos and the seed.

    A person with one photo makes no genuine pair and can only train, so people with more photos are chosen first.

    Args:
        photos: the number of photos of each person.
        most: maximum number of people; None for all.
        seed: seed of the choice.

    Returns:
        The people, in alphabetical order.
    """
    order = shuffled(photos, seed)
    return sorted(sorted(order, key=lambda name: photos[name] < 2)[:most])  # stable: keeps the shuffled order


def split_people(people: Iterable[str], val: float, test: float, seed: int) -> dict[str, str]:
    """Assign each person, with all photos, to train, val or test.

    A share above 0 gives at least two people, because one person makes no impostor pair. If there are too few people,
    test is filled first, then val.

    Args:
        people: identities.
        val: share of people for validation.
        test: share of people for testing.
        seed: seed of the order of people.
    """
    order = shuffled(people, seed)
    n_test, n_val = (max(2, round(share * len(order))) if share else 0 for share in (test, val))
    names = ["test"] * n_test + ["val"] * n_val + ["train"] * len(order)
    return dict(zip(order, names, strict=False))


def require_people_in_each_split(splits: Mapping[str, str], *, listed: bool = False) -> None:
    """Check that each split can form impostor pairs.

    Args:
        splits: the split of each person.
        listed: whether a list of pairs names the test people, instead of a share of all people.

    Raises:
        DataError: if a split has fewer than two people.
    """
    count = Counter(splits.values())
    train, val, test = (count[split] for split in ("train", "val", "test"))
    if min(train, val) < 2 and listed:
        raise DataError(
            f"dataset: {train + val} people with 2 or more photos who are not in the list of pairs give {train} for "
            f"train and {val} for val, but each needs 2; add people, photos or dataset.synthetic_people, or change "
            "dataset.val"
        )
    if min(train, val, test) < 2:
        raise DataError(
            f"dataset: {len(splits)} people with 2 or more photos give {train} for train, {val} for val and {test} for "
            "test, but each needs 2; add people, photos or dataset.synthetic_people, or change dataset.val or "
            "dataset.test"
        )
