"""The user's own photos: what is taken, what is left, and what is said of a folder that won't do."""

import os
from pathlib import Path

import pytest

from ftlgan.errors import DataError
from ftlgan.params import Dataset
from ftlgan.photos import HEIC_IS_READ
from ftlgan.sources import folder
from ftlgan.sources.fetch import fetch


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Ten people; person 0 has one photo, the others three, in all the suffixes that are read; and other files."""
    for person in range(10):
        home = tmp_path / f"person {person}"
        home.mkdir()
        for name in ("a.jpg", "b.PNG", "c.webp")[: 1 if person == 0 else None]:
            (home / name).write_bytes(f"{person} {name}".encode())
        (home / "notes.txt").write_text("not a photo")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.jpg").write_bytes(b"")
    (tmp_path / "photo.jpg").write_bytes(b"of nobody")
    return tmp_path


def dataset(path: Path, people: int | None = None, photos: int | None = None) -> Dataset:
    return Dataset(source="folder", path=str(path), people=people, photos=photos, synthetic_people=0, val=0.2, test=0.3)


def test_photos_are_taken_as_they_are_with_their_person(album: Path) -> None:
    count, photos = fetch(dataset(album), seed=0)
    rows = list(photos)
    assert count == len(rows) == 28
    assert {row["identity"] for row in rows} == {f"person {i}" for i in range(10)}
    row = next(row for row in rows if row["face_id"] == "person 3/b.PNG")
    assert row["image"] == b"3 b.PNG"


def test_a_person_is_never_in_two_splits(album: Path) -> None:
    pairs = {(row["identity"], row["split"]) for row in fetch(dataset(album), seed=0)[1]}
    assert len(pairs) == 10
    assert {split for _, split in pairs} == {"train", "val", "test"}


def test_the_same_folder_gives_the_same_rows_in_the_same_order(album: Path) -> None:
    assert list(fetch(dataset(album), seed=0)[1]) == list(fetch(dataset(album), seed=0)[1])


def test_caps_are_kept_and_people_with_pairs_go_first(album: Path) -> None:
    for seed in range(5):
        chosen = folder.people(album, 9, 2, seed)
        assert "person 0" not in chosen
        assert [len(photos) for photos in chosen.values()] == [2] * 9


def test_another_seed_chooses_other_people(album: Path) -> None:
    assert len({tuple(folder.people(album, 4, None, seed)) for seed in range(5)}) > 1


def test_a_folder_without_folders_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"has no folders with photos .* one folder per person"):
        folder.people(tmp_path, None, None, 0)


@pytest.mark.parametrize(("name", "said"), [("nowhere", "does not exist"), ("photo.jpg", "is a file")])
def test_a_path_that_is_no_folder_is_one_line(album: Path, name: str, said: str) -> None:
    with pytest.raises(DataError, match=f"dataset.path: .*{name} {said}"):
        folder.locate(str(album / name))


@pytest.fixture
def copy(album: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a copy of the project `album/project`, where DVC makes it."""
    copy = album / "project/.dvc/tmp/exps/standalone/copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    return copy


def test_a_copy_of_the_project_sees_the_folder_of_the_original(album: Path, copy: Path) -> None:
    folder.link_into_copy("../person 1", album / "project")
    assert "a.jpg" in {path.name for path in folder.locate("../person 1").iterdir()}
    folder.link_into_copy("../person 1", album / "project")  # another run finds the link
    assert folder.locate("../person 1").samefile(album / "person 1")


def test_nothing_is_linked_outside_the_folder_of_copies(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = album / "deep/er/project"
    copy = project / "copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with pytest.raises(DataError, match="too far up"):
        folder.link_into_copy("../../../person 1", project)
    assert not (album / "deep/person 1").exists()


def test_a_linked_person_is_refused(album: Path) -> None:
    (album / "person 11").symlink_to(album / "person 1", target_is_directory=True)
    with pytest.raises(DataError, match=r"person 11: is a link, whose photos DVC does not watch"):
        folder.people(album, None, None, 0)


def test_a_name_that_is_not_text_is_refused(album: Path) -> None:
    (Path(os.fsdecode(os.fsencode(album) + b"/caf\xe9"))).mkdir()
    with pytest.raises(DataError, match=r"caf.*its name is not UTF-8; rename"):
        folder.people(album, None, None, 0)


def test_what_is_left_out_is_said(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.people(album, None, None, 0)
    assert "person 3: left out 'notes.txt': not .jpg, .png, .tif, .webp or the like" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".TIFF", ".avif", ".jfif", ".jp2", ".gif"])
def test_every_format_that_is_read_is_taken(album: Path, suffix: str) -> None:
    (album / "person 3" / f"d{suffix}").write_bytes(b"")
    assert f"d{suffix}" in {path.name for path in folder.people(album, None, None, 0)["person 3"]}


def test_what_only_another_program_reads_is_left_out(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".eps", ".pdf", ".mpg", ".h5"):
        (album / "person 3" / f"d{suffix}").write_bytes(b"")
    assert len(folder.people(album, None, None, 0)["person 3"]) == 3
    assert "'d.eps', 'd.h5', 'd.mpg', 'd.pdf'" in capsys.readouterr().err


def test_heic_is_taken_or_the_package_named(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (album / "person 3/d.HEIC").write_bytes(b"")
    taken = "d.HEIC" in {path.name for path in folder.people(album, None, None, 0)["person 3"]}
    assert taken == HEIC_IS_READ
    assert taken or "pillow-heif" in capsys.readouterr().err


def test_folders_within_a_persons_folder_are_taken(album: Path) -> None:
    for name in ("2020/x.jpg", "2020/b/y.png", "2019/x.jpg", "person 3/x.jpg", ".thumbnails/x.jpg"):
        (album / "person 3" / name).parent.mkdir(parents=True, exist_ok=True)
        (album / "person 3" / name).write_bytes(name.encode())
    rows = [row for row in fetch(dataset(album), seed=0)[1] if row["identity"] == "person 3"]
    names = ["2019/x.jpg", "2020/b/y.png", "2020/x.jpg", "a.jpg", "b.PNG", "c.webp", "person 3/x.jpg"]
    assert [row["face_id"] for row in rows] == [f"person 3/{name}" for name in names]
    assert rows[2]["image"] == b"2020/x.jpg"


@pytest.mark.parametrize("place", ["person 3/gone.jpg", "person 3/2020", "person 12"])
def test_a_link_that_leads_nowhere_is_one_line(album: Path, place: str) -> None:
    (album / place).symlink_to(album / "nowhere")
    with pytest.raises(DataError, match=f"{place}: is a link that leads nowhere"):
        folder.people(album, None, None, 0)


def test_a_linked_photo_is_taken_and_a_linked_folder_refused(album: Path) -> None:
    (album / "person 3/linked.jpg").symlink_to(album / "photo.jpg")
    assert len(folder.people(album, None, None, 0)["person 3"]) == 4
    (album / "person 3/all").symlink_to(album, target_is_directory=True)
    with pytest.raises(DataError, match=r"person 3/all: is a link, whose photos DVC does not watch"):
        folder.people(album, None, None, 0)


def test_a_photo_whose_name_is_not_text_is_refused(album: Path) -> None:
    Path(os.fsdecode(os.fsencode(album) + b"/person 3/caf\xe9.jpg")).write_bytes(b"")
    with pytest.raises(DataError, match=r"caf.*its name is not UTF-8; rename"):
        folder.people(album, None, None, 0)


def test_in_the_project_itself_nothing_is_linked(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    initial = sorted(album.rglob("*"))
    folder.link_into_copy("person 1", album)
    assert sorted(album.rglob("*")) == initial
