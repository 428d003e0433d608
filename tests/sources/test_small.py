"""Photos that are small as they are, of people of the data set."""

from pathlib import Path
from typing import Any

import pytest

from ftlgan.errors import DataError
from ftlgan.sources.small import NO_TWIN, open_small_photos

PEOPLE = {"a": "train", "b": "test", "c": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/1.png", "c/1.png", "d/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_a_small_photo_is_of_the_split_of_its_person_and_has_a_name_of_its_own(folder: Path) -> None:
    rejects: list[dict[str, Any]] = []
    count, rows = open_small_photos(folder, PEOPLE, ["d"], ["dataset.people"], rejects)
    assert [(row["face_id"], row["identity"], row["split"], row["image"]) for row in rows] == [
        ("small/a/1.png", "a", "train", b"a/1.png"),
        ("small/a/2.png", "a", "train", b"a/2.png"),
        ("small/b/1.png", "b", "test", b"b/1.png"),
    ]
    assert count == 3
    assert rejects == [{"face_id": "small/c/1.png", "identity": "c", "reason": NO_TWIN}], "no reference is left of c"


def test_people_whom_the_data_set_left_out_are_left_out_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_small_photos(folder, PEOPLE, ["d", "e"], ["dataset.people"], [])
    said = "1 people left out (the first: d), because dataset.people excludes them"
    assert said in capsys.readouterr().err
    open_small_photos(folder, PEOPLE, ["d"], ["dataset.only", "the list of pairs"], [])
    assert "because dataset.only or the list of pairs excludes them" in capsys.readouterr().err


def test_somebody_unknown_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"dataset.small: .*/d: .* no person of this name.* rename or remove"):
        open_small_photos(folder, PEOPLE, [], [], [])


def test_a_folder_without_people_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"1")
    with pytest.raises(DataError, match=r"has no folders with photos .* expected one folder per person"):
        open_small_photos(tmp_path, PEOPLE, [], [], [])
