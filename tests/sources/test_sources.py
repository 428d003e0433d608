"""Who trains and who tests: by person, by seed, and stable."""

import itertools
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlgan.errors import DataError
from ftlgan.params import EVERYBODY, NO_PAIRS, NO_SMALL, NO_UNLABELLED, Dataset
from ftlgan.sources.fetch import fetch
from ftlgan.sources.listed import listed_pairs
from ftlgan.sources.split import split_people

PEOPLE = [f"person {i}" for i in range(100)]


def test_the_shares_are_as_asked() -> None:
    splits = list(split_people(PEOPLE, 0.1, 0.3, seed=0).values())
    assert (splits.count("train"), splits.count("val"), splits.count("test")) == (60, 10, 30)


def test_the_seed_and_nothing_else_decides() -> None:
    assert split_people(PEOPLE, 0.1, 0.3, 0) == split_people(PEOPLE[::-1], 0.1, 0.3, 0)
    assert split_people(PEOPLE, 0.1, 0.3, 0) != split_people(PEOPLE, 0.1, 0.3, 1)


def test_one_more_person_moves_at_most_one_person_into_each_split() -> None:
    splits, of_one_more = split_people(PEOPLE, 0.1, 0.3, 0), split_people([*PEOPLE, "somebody else"], 0.1, 0.3, 0)
    assert sum(splits[person] != of_one_more[person] for person in PEOPLE) <= 2


@given(st.integers(8, 200), st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.integers(0, 10))
def test_every_split_has_people_and_every_person_one_split(count: int, val: float, test: float, seed: int) -> None:
    splits = split_people([str(i) for i in range(count)], val, test, seed)
    assert len(splits) == count
    values = list(splits.values())
    assert values.count("test") >= 2
    assert values.count("val") >= 2
    assert values.count("train") >= 2


def test_who_is_tested_does_not_depend_on_how_many_others_there_are() -> None:
    """120 of 400 people, who come first in the order by which a cap chooses too."""
    few = dict(itertools.islice(split_people(PEOPLE, 0.1, 0.3, 0).items(), 30))
    assert set(split_people(few, 0.1, 1, 0).values()) == {"test"}
    assert set(few.values()) == {"test"}


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people with two photos each."""
    album = tmp_path_factory.mktemp("album")
    for person in range(40):
        (album / f"person {person}").mkdir()
        for name in ("a.jpg", "b.jpg"):
            (album / f"person {person}" / name).write_bytes(f"{person} {name}".encode())
    return album


def dataset(album: Path, **others: object) -> Dataset:
    values = {"people": None, "photos": 2, "synthetic_people": 0, "val": 0.2, "test": 0.3}
    folders = {"path": str(album), "unlabelled": NO_UNLABELLED, "small": NO_SMALL, "pairs": NO_PAIRS, "only": EVERYBODY}
    return Dataset.model_validate({"source": "folder", **folders, **values, **others})


def splits_of_the_album(dataset: Dataset) -> dict[str, str]:
    """Return the split of each real person. They come first, so no synthetic person is drawn."""
    rows = itertools.islice(fetch(dataset, seed=0)[1], 2 * (dataset.people or 40))
    return {row["identity"]: row["split"] for row in rows}


def test_trained_on_synthetic_people_or_on_each_other_the_same_people_are_tested(album: Path) -> None:
    own = splits_of_the_album(dataset(album))
    theirs = splits_of_the_album(dataset(album, people=12, synthetic_people=8, test=1))
    assert Counter(own.values()) == {"train": 20, "val": 8, "test": 12}
    assert theirs == {person: split for person, split in own.items() if split == "test"}


def test_synthetic_people_move_nobody(album: Path) -> None:
    assert splits_of_the_album(dataset(album, synthetic_people=8)) == splits_of_the_album(dataset(album))


@pytest.mark.slow
def test_synthetic_people_are_drawn_beside_the_others_and_never_tested(album: Path) -> None:
    count, rows = fetch(dataset(album, people=6, synthetic_people=5, test=1), seed=0)
    photos = [(row["identity"], row["split"]) for row in rows]
    assert count == len(photos) == 22
    assert {split for identity, split in photos if identity.startswith("person ")} == {"test"}
    drawn = dict(photo for photo in photos if photo[0].startswith("person-"))
    assert Counter(drawn.values()) == {"train": 3, "val": 2}


def test_people_who_are_all_to_be_tested_do_not_train_with_one_photo_either(album: Path, tmp_path: Path) -> None:
    shutil.copytree(album, tmp_path, dirs_exist_ok=True)
    (tmp_path / "person 39/b.jpg").unlink()
    tested = dataset(tmp_path, people=None, synthetic_people=8, test=1)
    rows = list(itertools.islice(fetch(tested, seed=0)[1], 79))
    assert {row["split"] for row in rows} == {"test"}, "of person 39 the stage align rejects the photo"


def test_of_a_list_of_people_nobody_else_is_taken(album: Path, tmp_path: Path) -> None:
    """A larger album keeps the splits of a smaller one."""
    named = [f"person {i}" for i in range(0, 40, 2)]
    smaller = tmp_path / "smaller"
    for name in named:
        shutil.copytree(album / name, smaller / name)
    people = tmp_path / "people.txt"
    people.write_text("# every second one\n" + "\n".join(f"{name}  # two photos" for name in named) + "\n\n")
    (count, rows), (of_smaller, expected) = (
        fetch(dataset(place, only=only), 0) for place, only in ((album, str(people)), (smaller, EVERYBODY))
    )
    assert (count, list(rows)) == (of_smaller, list(expected))
    assert count == 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"person 1\nperson 99\nnobody\n",
            "person 99 has no photos in .* \\(2 of 3 names have none\\); correct the name",
        ),
        (b"# nobody\n \n", "has no names; write one name per line"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_a_list_of_people_that_will_not_do_is_one_line(album: Path, tmp_path: Path, content: bytes, said: str) -> None:
    people = tmp_path / "people.txt"
    people.write_bytes(content)
    with pytest.raises(DataError, match=f"^dataset.only: .*{said}"):
        fetch(dataset(album, only=str(people)), 0)


PAIRS_TXT = """2	1
person 0	1	2
person 1	1	person 2	2
person 3	1	2
person 4	2	stranger	1
"""
"""Names photos by number: nobody but the strangers is missing."""


@pytest.fixture
def numbered_album(tmp_path: Path) -> Path:
    """Forty people with two photos each, 0001.jpg and 0002.jpg; person 2 has a third one, person 30 has one alone."""
    for person in range(40):
        folder = tmp_path / "numbered" / f"person {person}"
        folder.mkdir(parents=True)
        for number in {2: (1, 2, 3), 30: (1,)}.get(person, (1, 2)):
            (folder / f"{number:04}.jpg").write_bytes(f"{person} {number}".encode())
    return tmp_path / "numbered"


def test_the_people_of_a_list_are_tested_on_its_photos_alone_and_nobody_else_is(
    numbered_album: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT)
    listed = dataset(numbered_album, pairs=str(tmp_path / "pairs.txt"))
    count, rows = fetch(listed, seed=0)
    found = list(rows)
    assert count == len(found)
    tested = {row["face_id"] for row in found if row["split"] == "test"}
    assert tested == {
        *("person 0/0001.jpg", "person 0/0002.jpg", "person 1/0001.jpg", "person 2/0002.jpg"),
        *("person 3/0001.jpg", "person 3/0002.jpg", "person 4/0002.jpg"),
    }, "people with one photo among them, and of nobody a photo that is not in the list"
    trained = {row["identity"] for row in found if row["split"] != "test"}
    assert trained == {f"person {n}" for n in range(5, 40)}
    splits = {row["identity"]: row["split"] for row in found}
    assert Counter(splits.values()) == {"test": 5, "val": 7, "train": 28}
    assert splits["person 30"] == "train", "one photo is enough to train on"
    assert [(pair.probe, pair.fold) for pair in listed_pairs(listed)][::3] == [
        ("person 0/0001", "0"),
        ("person 4/0002", "1"),
    ]


def test_a_list_leaves_people_to_the_caps_but_its_own(numbered_album: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT)
    capped = dataset(numbered_album, pairs=str(tmp_path / "pairs.txt"), people=10, photos=2)
    splits = {row["identity"]: row["split"] for row in fetch(capped, seed=0)[1]}
    assert Counter(splits.values()) == {"test": 5, "val": 2, "train": 8}


def test_listed_people_are_tested_even_if_a_list_of_people_has_others_alone(
    numbered_album: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT)
    (tmp_path / "only.txt").write_text("\n".join(f"person {n}" for n in (0, *range(20, 30))))
    both = dataset(numbered_album, pairs=str(tmp_path / "pairs.txt"), only=str(tmp_path / "only.txt"), people=9)
    splits = {row["identity"]: row["split"] for row in fetch(both, seed=0)[1]}
    assert {person for person, split in splits.items() if split == "test"} == {f"person {n}" for n in range(5)}
    trained = {person for person, split in splits.items() if split != "test"}
    assert len(trained) == 9 and trained < {f"person {n}" for n in range(20, 30)}


def test_too_few_people_who_are_not_listed_are_named_without_a_param_that_has_no_effect(
    numbered_album: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT)
    few = dataset(numbered_album, pairs=str(tmp_path / "pairs.txt"), people=6, val=0.9)
    said = r"6 people .* who are not in the list of pairs give 1 for train and 5 for val, .* change dataset.val$"
    with pytest.raises(DataError, match=said):
        fetch(few, seed=0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Anna/1,Anna/2,", "Anna/1,Berta/1,"], "has no genuine and impostor pair whose photos are in .*numbered"),
        (["person 1/0001.jpg,person 2/0001.jpg,"], "has no genuine pair whose photos are in .*numbered"),
        (["person 1/0001,person 1/0002,"], "has no impostor pair whose photos are in .*numbered"),
        (["person 1/0001.jpg,person 1/0001,"], "line 2: compares person 1/0001.jpg with itself; remove the line"),
        (["person 1/0001,person 2/0001,1"], "line 2: calls 'person 1/0001' and 'person 2/0001' one person, and"),
        (["person 1/0001,person 1/0002,0"], "line 2: calls 'person 1/0001' and 'person 1/0002' two people, and"),
    ],
)
def test_a_list_that_will_not_do_is_refused_before_anything_is_trained(
    numbered_album: Path, tmp_path: Path, lines: list[str], said: str
) -> None:
    labelled = not lines[0].endswith(",")
    header = "probe,reference,genuine" if labelled else "probe,reference"
    rows = lines if labelled else [line.removesuffix(",") for line in lines]
    (tmp_path / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(DataError, match=rf"pairs\.csv: {said}"):
        fetch(dataset(numbered_album, pairs=str(tmp_path / "pairs.csv")), seed=0)


def test_pairs_of_a_missing_photo_are_counted_and_the_first_is_named(
    numbered_album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT)
    fetch(dataset(numbered_album, pairs=str(tmp_path / "pairs.txt")), seed=0)
    assert "pairs.txt: 1 of 4 pairs are left out" in (said := capsys.readouterr().err)
    assert "the first is line 5: 'stranger/0001'" in said


def test_pairs_that_are_listed_again_are_counted_in_one_line(
    numbered_album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["person 1/1,person 1/2", "person 1/0001,person 2/2", "person 2/0002.jpg,person 1/1"]
    (tmp_path / "pairs.csv").write_text("\n".join(["probe,reference", *lines]) + "\n")
    fetch(dataset(numbered_album, pairs=str(tmp_path / "pairs.csv")), seed=0)
    assert "pairs.csv: 1 of 3 pairs are listed more than once, in either order; each counts" in capsys.readouterr().err


def test_a_listed_person_is_not_called_as_photos_of_unknown_people_are(numbered_album: Path, tmp_path: Path) -> None:
    (numbered_album / "person 3").rename(numbered_album / "unlabelled")
    (tmp_path / "pairs.txt").write_text(PAIRS_TXT.replace("person 3", "unlabelled"))
    (tmp_path / "more").mkdir()
    (tmp_path / "more/1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="the name unlabelled is reserved"):
        fetch(dataset(numbered_album, pairs=str(tmp_path / "pairs.txt"), unlabelled=str(tmp_path / "more")), seed=0)


def test_too_few_people_are_named(album: Path) -> None:
    said = r"6 people .* give 1 for train, 2 for val and 3 for test, .* add people"
    with pytest.raises(DataError, match=said):
        fetch(dataset(album, people=6, test=0.5), seed=0)


def test_too_few_synthetic_people_are_named(album: Path) -> None:
    with pytest.raises(
        DataError, match=r"9 people .* give 1 for train, 2 for val and 6 for test, .* add .*synthetic_people"
    ):
        fetch(dataset(album, people=6, synthetic_people=3, test=1), seed=0)


def test_people_with_one_photo_are_not_enough(tmp_path: Path) -> None:
    for person in range(8):
        (tmp_path / str(person)).mkdir()
        (tmp_path / str(person) / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"^dataset: 0 people with 2 or more photos give 0 .* add people, photos"):
        fetch(dataset(tmp_path), seed=0)


def test_somebody_named_like_a_synthetic_person_is_refused(tmp_path: Path) -> None:
    for person in range(8):
        (tmp_path / f"person-{person:04}").mkdir()
        for name in ("a.jpg", "b.jpg"):
            (tmp_path / f"person-{person:04}" / name).write_bytes(b"")
    with pytest.raises(
        DataError, match=r"^dataset\.path: person-0000 is also .* dataset\.synthetic_people; rename the folder$"
    ):
        fetch(dataset(tmp_path, synthetic_people=4), seed=0)
