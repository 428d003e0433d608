"""`ftlgan draw`, on real drawings."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from small_disk import small_disk

from ftlgan import cli
from ftlgan.sources import folder

SEED = "11"
Draw = Callable[..., None]


@pytest.fixture(scope="module")
def draw() -> Draw:
    """The program, run in this process: `draw(folder, "--people", "2")`."""

    def run(album: Path, *options: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            defaults = ("--people", "2", "--photos", "2", "--seed", SEED)
            patch.setattr(sys, "argv", ["ftlgan", "draw", str(album), *defaults, *options])
            cli.main()

    return run


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, draw: Draw) -> Path:
    """Two photos of each of two people. Read only."""
    album = tmp_path_factory.mktemp("cli") / "new" / "album"
    draw(album)
    return album


@pytest.fixture
def album(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` to change."""
    return Path(shutil.copytree(drawn, tmp_path / "album"))


def contents(album: Path) -> dict[str, bytes]:
    return {str(path.relative_to(album)): path.read_bytes() for path in album.rglob("*") if path.is_file()}


def test_the_folder_holds_photos_who_is_who_and_nothing_else(drawn: Path) -> None:
    photos = {f"person-000{k}/000{j}.jpg" for k in range(2) for j in range(2)}
    assert contents(drawn).keys() == photos | {"README.txt", "people.csv"}


def test_the_source_folder_takes_the_people_as_they_are(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = folder.people(drawn, None, None, seed=0)
    assert {name: len(photos) for name, photos in people.items()} == {"person-0000": 2, "person-0001": 2}
    assert "left out" not in capsys.readouterr().err


def test_who_is_who_has_a_row_for_each_person(drawn: Path) -> None:
    with (drawn / "people.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["identity"] for row in rows] == ["person-0000", "person-0001"]
    for row in rows:
        assert row["gender"] in ("female", "male")
        assert 18 <= float(row["age"]) <= 90
        assert 0 <= float(row["melanin"]) <= 1
        assert sum(float(row[share]) for share in ("african", "asian", "caucasian")) == pytest.approx(1, abs=0.002)


def test_the_licence_and_the_way_to_the_same_photos_are_there(drawn: Path) -> None:
    text = (drawn / "README.txt").read_text()
    assert "CC0" in text
    assert f"ftlgan draw FOLDER --people PEOPLE --photos PHOTOS --seed {SEED}" in text


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(drawn: Path, album: Path, draw: Draw) -> None:
    (album / "person-0000/0001.jpg").unlink()
    (album / "people.csv").unlink()
    (album / ".ftlgan-1.part").write_bytes(b"half a photo")
    kept = (album / "person-0001/0000.jpg").stat().st_ino
    draw(album)
    assert contents(album) == contents(drawn)
    assert (album / "person-0001/0000.jpg").stat().st_ino == kept


def test_more_people_join_those_that_are_there(drawn: Path, album: Path, draw: Draw) -> None:
    draw(album, "--people", "3", "--photos", "1")
    more, fewer = contents(album), contents(drawn)
    assert more.keys() - fewer.keys() == {"person-0002/0000.jpg"}
    assert {name: more[name] for name in fewer if name != "people.csv"} == {
        name: fewer[name] for name in fewer if name != "people.csv"
    }
    assert more["people.csv"].startswith(fewer["people.csv"])
    assert b"person-0002" in more["people.csv"]


def refusal(draw: Draw, album: Path, *options: str) -> str:
    """What the program says when it ends with exit code 1."""
    with pytest.raises(SystemExit) as end:
        draw(album, *options)
    assert isinstance(end.value.code, str)  # which Python prints, and exits with 1
    assert "\n" not in end.value.code
    return end.value.code


def test_people_of_another_seed_do_not_mix(album: Path, draw: Draw) -> None:
    initial = contents(album)
    said = refusal(draw, album, "--seed", "12")
    assert f"was drawn with seed {SEED}, " in said
    assert "but this is seed 12, " in said
    assert "choose an empty folder" in said
    assert contents(album) == initial


def test_people_of_other_drawing_code_do_not_mix(album: Path, draw: Draw) -> None:
    readme = album / "README.txt"
    readme.write_text(readme.read_text().replace("ftlgan 0", "ftlgan 9"))
    assert "choose an empty folder" in refusal(draw, album)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "did not write; choose an empty folder" in refusal(draw, tmp_path)
    (tmp_path / "README.txt").write_text("mine too")
    assert "choose an empty folder" in refusal(draw, tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine", "README.txt": b"mine too"}


def test_a_folder_is_drawn_into_by_one_run_at_a_time(album: Path, draw: Draw) -> None:
    with FileLock(album / ".ftlgan.lock"):
        assert "is in use by another `ftlgan draw`" in refusal(draw, album)


def test_a_file_is_no_folder(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "album").write_text("")
    assert "album: is a file, not a folder" in refusal(draw, tmp_path / "album")


@pytest.mark.parametrize(("option", "value"), [("people", "0"), ("photos", "0"), ("seed", "-1")])
def test_numbers_that_make_no_photo_are_refused_before_anything_is_written(
    tmp_path: Path, draw: Draw, option: str, value: str
) -> None:
    assert f"{option} is {value}" in refusal(draw, tmp_path / "album", f"--{option}", value)
    assert not (tmp_path / "album").exists()


def test_a_full_disk_is_one_line_and_leaves_whole_photos_alone(drawn: Path, tmp_path: Path, draw: Draw) -> None:
    with small_disk(tmp_path / "disk", kib=32):
        said = refusal(draw, tmp_path / "disk")
        left = contents(tmp_path / "disk")
    assert "disk/person-000" in said
    assert "the disk is full" in said
    assert len(left) > 1
    assert left.items() <= contents(drawn).items()


def test_the_program_is_installed_and_knows_its_version_and_commands() -> None:
    def said(*arguments: str) -> str:
        program = Path(sys.executable).with_name("ftlgan")
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    assert said("--version").startswith("ftlgan 0.")
    assert "draw photos of people who do not exist" in said("--help")
    assert "--people" in said("draw", "--help")


def test_the_program_starts_without_the_heavy_libraries() -> None:
    heavy = {"anny", "torch", "numpy", "pandas"}
    code = f"import sys, ftlgan.cli; print({heavy!r} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"
