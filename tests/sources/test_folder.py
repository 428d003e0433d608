"""The user's own photos: which are used, which are left out, and the errors for unusable folders."""

import os
from pathlib import Path

import pytest

from ftlgan.errors import DataError
from ftlgan.params import EVERYBODY, NO_PAIRS, NO_SMALL, NO_UNLABELLED, Dataset
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


def dataset(path: Path, unlabelled: Path | str = NO_UNLABELLED) -> Dataset:
    return Dataset(
        source="folder",
        path=str(path),
        unlabelled=str(unlabelled),
        small=NO_SMALL,
        pairs=NO_PAIRS,
        only=EVERYBODY,
        people=None,
        photos=None,
        synthetic_people=0,
        val=0.2,
        test=0.3,
    )


def test_photos_are_taken_as_they_are_with_their_person(album: Path) -> None:
    count, photos = fetch(dataset(album), seed=0)
    rows = list(photos)
    assert count == len(rows) == 28
    assert {row["identity"] for row in rows} == {f"person {i}" for i in range(10)}
    row = next(row for row in rows if row["face_id"] == "person 3/b.PNG")
    assert row["image"] == b"3 b.PNG"


def test_people_with_one_photo_are_to_train_on(album: Path) -> None:
    for person in range(20, 24):
        (album / f"person {person}").mkdir()
        (album / f"person {person}/a.jpg").write_bytes(b"")
    split_of = {row["identity"]: row["split"] for row in fetch(dataset(album), seed=0)[1]}
    singles = {f"person {i}" for i in (0, *range(20, 24))}
    assert {split_of[person] for person in singles} == {"train"}
    others = [split for person, split in split_of.items() if person not in singles]
    assert sorted(others) == ["test"] * 3 + ["train"] * 4 + ["val"] * 2, "the shares are of the others"


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
    """The working directory: a copy of the project `album/project`, in the place where DVC makes it."""
    copy = album / "project/.dvc/tmp/exps/standalone/copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    return copy


def test_a_copy_of_the_project_sees_the_folder_of_the_original(album: Path, copy: Path) -> None:
    folder.link_into_copy("dataset.path", "../person 1", album / "project")
    assert "a.jpg" in {path.name for path in folder.locate("../person 1").iterdir()}
    folder.link_into_copy("dataset.path", "../person 1", album / "project")  # another run finds the link
    assert folder.locate("../person 1").samefile(album / "person 1")


@pytest.mark.parametrize("first", ["../person 1/pairs.txt", "../person 1/more/photos", "../person 1"])
def test_a_linked_list_or_folder_hides_no_folder_from_a_later_run(album: Path, copy: Path, first: str) -> None:
    (album / "person 1/more/photos").mkdir(parents=True)
    (album / "person 1/pairs.txt").write_text("")
    for path in (first, "../person 1", "../person 1/more", "../person 1/pairs.txt", "../person 2"):
        folder.link_into_copy("dataset.path", path, album / "project")
        assert Path(path).samefile(album / "project" / path)


def test_a_link_to_another_place_is_replaced(album: Path, copy: Path) -> None:
    """A project that was moved has links to its former place."""
    (album / "elsewhere").mkdir()
    (copy.parent / "person 1").symlink_to(album / "elsewhere", target_is_directory=True)
    folder.link_into_copy("dataset.path", "../person 1", album / "project")
    assert Path("../person 1").samefile(album / "person 1")


@pytest.mark.parametrize("path", ["../person 1", "../person 1/a.jpg", ".."])
def test_a_folder_beside_the_copies_is_not_taken_for_the_original(album: Path, copy: Path, path: str) -> None:
    (copy.parent / "person 1").mkdir()
    with pytest.raises(DataError, match=rf"^dataset.path: .*{path} is hidden by .*; give {album}.* instead"):
        folder.link_into_copy("dataset.path", path, album / "project")


def test_in_the_copy_files_of_git_stay_and_others_are_linked(album: Path, copy: Path) -> None:
    for place in (album / "project", copy):
        (place / "lists").mkdir()
        (place / "lists/pairs.txt").write_text(str(place))
    (album / "project/lists/only.txt").write_text("")
    for name in ("lists/pairs.txt", "lists/only.txt"):
        folder.link_into_copy("dataset.pairs", name, album / "project")
    assert Path("lists/pairs.txt").read_text() == str(copy)
    assert Path("lists/only.txt").samefile(album / "project/lists/only.txt")


def test_nothing_is_linked_outside_the_folder_of_copies(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = album / "deep/er/project"
    copy = project / "copy"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with pytest.raises(DataError, match="too far up"):
        folder.link_into_copy("dataset.path", "../../../person 1", project)
    assert not (album / "deep/person 1").exists()


def test_a_linked_person_is_refused(album: Path) -> None:
    (album / "person 11").symlink_to(album / "person 1", target_is_directory=True)
    with pytest.raises(DataError, match=r"person 11: is a link, and DVC does not track linked photos"):
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
    with pytest.raises(DataError, match=f"{place}: is a broken link"):
        folder.people(album, None, None, 0)


def test_a_linked_photo_is_taken_and_a_linked_folder_refused(album: Path) -> None:
    (album / "person 3/linked.jpg").symlink_to(album / "photo.jpg")
    assert len(folder.people(album, None, None, 0)["person 3"]) == 4
    (album / "person 3/all").symlink_to(album, target_is_directory=True)
    with pytest.raises(DataError, match=r"person 3/all: is a link, and DVC does not track linked photos"):
        folder.people(album, None, None, 0)


def test_a_photo_whose_name_is_not_text_is_refused(album: Path) -> None:
    Path(os.fsdecode(os.fsencode(album) + b"/person 3/caf\xe9.jpg")).write_bytes(b"")
    with pytest.raises(DataError, match=r"caf.*its name is not UTF-8; rename"):
        folder.people(album, None, None, 0)


def test_in_the_project_itself_nothing_is_linked(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    initial = sorted(album.rglob("*"))
    folder.link_into_copy("dataset.path", "person 1", album)
    assert sorted(album.rglob("*")) == initial


@pytest.fixture
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three unlabeled photos, and other files."""
    folder = tmp_path_factory.mktemp("unlabelled")
    for name in ("c.jpg", "a.JPG", "b.png", "LICENSE.txt", ".hidden.jpg"):
        (folder / name).write_bytes(name.encode())
    (folder / ".thumbnails").mkdir()
    return folder


def test_photos_of_nobody_known_are_all_to_train_on(
    album: Path, unlabelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, both = list(fetch(dataset(album), 0)[1]), dataset(album, unlabelled)
    count, rows = fetch(both.model_copy(update={"people": 9}), 0)
    fewer = list(rows)
    assert count == len(fewer) == 27 + 3, "the cap is of people"
    assert fewer[27:] == [
        {"face_id": f"unlabelled/{name}", "identity": None, "split": "train", "image": name.encode(), "aligned": False}
        for name in ("a.JPG", "b.png", "c.jpg")
    ]
    assert "unlabelled0: left out 'LICENSE.txt': not .jpg" in capsys.readouterr().err
    assert list(fetch(both, 0)[1])[:-3] == alone, "and they move nobody"


def test_somebody_called_as_photos_of_nobody_known_is_refused(album: Path, unlabelled: Path) -> None:
    (album / "person 0").rename(album / "unlabelled")
    assert fetch(dataset(album), 0)[0] == 28
    with pytest.raises(DataError, match=r"^dataset\.path: the name unlabelled is reserved .*; rename the folder$"):
        fetch(dataset(album, unlabelled), 0)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "nowhere does not exist; it should be a folder of unlabeled photos"),
        ("photo.jpg", "photo.jpg is a file; it should be a folder"),
        ("people", "people is the same folder as .*/people, which is dataset.path; give each a folder of its own"),
        ("people/person 1", "person 1 lies in .*/people, which is dataset.path"),
        ("", "holds .*/people, which is dataset.path"),
        ("none", r"none has no photos \(.jpg, .*\); put some there"),
        (
            "nested",
            "nested has the folder 00000, .* move them up into .*nested, or if its folders are people",
        ),
    ],
)
def test_a_folder_of_nobody_known_that_will_not_do_is_one_line(
    album: Path, tmp_path_factory: pytest.TempPathFactory, place: str, said: str
) -> None:
    home = tmp_path_factory.mktemp("home")
    album.rename(home / "people")
    for name in ("none", "nested/00000"):
        (home / name).mkdir(parents=True)
    (home / "photo.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=f"^dataset.unlabelled: .*{said}") as error:
        fetch(dataset(home / "people", home / place), 0)
    assert "\n" not in str(error.value)


def test_the_folder_that_stands_for_none_is_empty(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)
    folder.make_unread("dataset.unlabelled", NO_UNLABELLED, "Nothing is read here.")
    folder.make_unread("dataset.unlabelled", NO_UNLABELLED, "Nothing is read here.")
    assert fetch(dataset(album), 0)[0] == 28
    (album / NO_UNLABELLED / "a.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"^data/no-unlabelled-photos: is not read; .* set dataset.unlabelled to"):
        fetch(dataset(album), 0)
