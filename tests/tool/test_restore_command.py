"""`ftlgan restore`, on real photos and generators that are not trained."""

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import refusal, run
from PIL import Image, ImageCms
from samples import astronaut, group, untrained
from small_disk import small_disk

from ftlgan.photos import HEIC_IS_READ, read_photo
from ftlgan.restoration.bicubic import Bicubic


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return untrained(tmp_path_factory.mktemp("weights"), 14, 28, 56)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos with nine small faces, and of files that can't be used."""
    folder = tmp_path / "my photos"
    (folder / "2020 Zürich").mkdir(parents=True)
    Image.fromarray(astronaut(128)).save(folder / "astronaut.jpg", quality=95)
    Image.fromarray(astronaut(64)).save(folder / "astronaut.png")
    Image.fromarray(group(8)).save(folder / "2020 Zürich" / "größe.webp", lossless=True)
    Image.fromarray(astronaut(600)).save(folder / "large.png")
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (60, 60)).save(folder / "dark.png")
    (folder / "film.mp4").write_bytes(b"\0" * 1000)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_face_is_restored_and_every_photo_accounted_for(
    photos: Path, weights: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run("restore", photos, "-o", out, "--weights", *weights)
    printed = capsys.readouterr()
    assert "files skipped, because they do not have the suffix of a photo: 1" in printed.err
    assert "large.png: face 1 is 1" in printed.err
    assert "px, larger than 112 px, and is left unchanged" in printed.err
    models = "3 by the model for 14 px, 4 by the model for 28 px, 1 by the model for 56 px"
    assert f"{out}: 8 faces restored ({models}), 1 larger" in printed.out
    assert "6 photos, 2 without a usable face" in printed.out

    faces = rows(out / "faces.csv")
    small = [
        "astronaut.jpg-1",
        "astronaut.png-1",
        *(f"2020 Zürich/größe-{number}" for number in range(1, 7)),
        "large-1",
    ]
    assert sorted(row["restored"] for row in faces) == sorted(f"faces/{name}.png" for name in small)
    assert {row["photo"] for row in faces} == {
        str(photos / name) for name in ("astronaut.jpg", "astronaut.png", "2020 Zürich/größe.webp", "large.png")
    }
    for row in faces:
        face = np.asarray(Image.open(out / row["restored"]))
        given = np.asarray(Image.open(out / row["restored"].replace("faces/", "small/", 1)))
        assert face.shape == (112, 112, 3)
        if row["model"] == "none":
            np.testing.assert_array_equal(face, given)
        else:
            assert given.shape == (int(row["model"]), int(row["model"]), 3)
            assert np.abs(Bicubic().restore(given[None])[0].astype(int) - face).mean() < 1

    assert [row["reason"].split(":")[0] for row in rows(out / "rejects.csv")] == ["no face found", "unreadable"]
    sizes = {path.name: Image.open(path).size for path in (out / "photos").rglob("*.*")}
    assert sizes == {
        "astronaut.jpg": (256, 256),
        "astronaut.png": (128, 128),
        "größe.webp": (320, 222),
        "large.png": (1200, 1200),
    }
    assert Image.open(out / "photos" / "astronaut.jpg").format == "JPEG"
    assert Image.open(out / "sheet-1.png").width > 900
    assert not list(out.rglob("*.part"))


def test_the_same_photos_give_the_same_bytes_and_nothing_is_done_twice(
    photos: Path, weights: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in ("one", "two"):
        run("restore", photos, "-o", tmp_path / out, "--weights", *weights)
    first = contents(tmp_path / "one")
    assert first == contents(tmp_path / "two")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "one" / "photos").rglob("*.*")}
    capsys.readouterr()
    run("restore", photos, "-o", tmp_path / "one", "--weights", *weights)
    assert "6 of 6 photos were done before" in capsys.readouterr().err
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert contents(tmp_path / "one") == first


def test_a_run_that_was_killed_goes_on_to_the_same_files(photos: Path, weights: list[Path], tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run("restore", photos, "-o", whole, "--weights", *weights)
    command = [sys.executable, "-m", "ftlgan.cli", "restore", photos, "-o", cut, "--weights", *weights]
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(cut.glob("photos/*.*")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (cut / "faces.csv").write_text((cut / "faces.csv").read_text()[:-3])  # as a kill in the middle of a line leaves it
    for path in cut.glob("photos/*.*"):
        path.unlink()
    run("restore", photos, "-o", cut, "--weights", *weights)
    assert contents(cut) == contents(whole)


def test_nothing_is_overwritten_unless_asked_for(photos: Path, weights: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    arguments = (photos / "astronaut.png", "-o", out, "--weights", *weights)
    assert refusal("restore", *arguments).endswith("is not empty; choose another folder, or overwrite with --force")
    run("restore", *arguments, "--force")
    assert (out / "mine.txt").read_text() == "mine"
    assert "was begun with a different setting of scale (2, now 4)" in refusal("restore", *arguments, "--scale", 4)
    run("restore", *arguments, "--force", "--scale", 4)
    assert Image.open(out / "photos" / "astronaut.png").size == (256, 256)
    other = tmp_path / "other" / "astronaut.png"
    other.parent.mkdir()
    other.write_bytes((photos / "astronaut.png").read_bytes())
    again = refusal("restore", other, "-o", out, "--weights", *weights, "--scale", 4)
    assert "photos/astronaut.png: is of another photo" in again


def test_the_main_face_alone(photos: Path, weights: list[Path], tmp_path: Path) -> None:
    run("restore", photos / "2020 Zürich", "-o", tmp_path / "out", "--main", "--weights", *weights)
    assert len(rows(tmp_path / "out" / "faces.csv")) == 1


def test_aligned_faces_of_any_size_are_taken_as_they_are(
    weights: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    faces = {
        size: np.random.default_rng(size).integers(90, 160, (size, size, 3), dtype=np.uint8) for size in (14, 56, 130)
    }
    for size, face in faces.items():
        Image.fromarray(face).save(folder / f"{size}.png")
    Image.new("RGB", (14, 20)).save(folder / "wide.png")
    out = tmp_path / "out"
    run("restore", folder, "--aligned", "-o", out, "--weights", *weights)
    assert "wide.png: not square: 14x20 px" in capsys.readouterr().err
    assert [(row["size"], row["model"]) for row in rows(out / "faces.csv")] == [
        ("130", "none"),
        ("14", "14"),
        ("56", "56"),
    ]
    for size in (14, 56):
        restored = np.asarray(Image.open(out / "faces" / f"{size}.png")).astype(int)
        assert np.abs(restored - Bicubic().restore(faces[size][None])[0]).max() <= 2
    assert not (out / "photos").exists()
    assert (out / "sheet-1.png").exists()


def test_a_photo_on_standard_input(weights: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.fromarray(astronaut(64)).save(stream, "PNG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream.getvalue())))
    run("restore", "-", "-o", tmp_path / "out", "--weights", *weights)
    assert [row["photo"] for row in rows(tmp_path / "out" / "faces.csv")] == ["-"]
    assert (tmp_path / "out" / "photos" / "stdin.png").exists()


def variants() -> Iterator[tuple[str, Image.Image, dict[str, Any]]]:
    """Yield the same photo in the forms that photos have: a name, the image, how to save it."""
    rgb = Image.fromarray(astronaut(128))
    yield "plain.png", rgb, {}
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.jpg", rgb.rotate(90, expand=True), {"exif": exif, "quality": 95}
    yield "cmyk.jpg", rgb.convert("CMYK"), {"quality": 95}
    yield "grey16.png", Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257), {}
    yield "profile.png", rgb, {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    yield "palette.gif", rgb, {}
    yield "tiff.tif", rgb, {}
    yield "avif.avif", rgb, {"quality": 90}
    if HEIC_IS_READ:
        yield "phone.heic", rgb, {"quality": 90}


VARIANTS = list(variants())


@pytest.mark.parametrize(("name", "image", "how"), VARIANTS, ids=[name for name, _, _ in VARIANTS])
def test_the_forms_that_photos_have(
    name: str, image: Image.Image, how: dict[str, Any], weights: list[Path], tmp_path: Path
) -> None:
    image.save(tmp_path / name, **how)
    run("restore", tmp_path / name, "-o", tmp_path / "out", "--weights", *weights, "--scale", 1)
    [row] = rows(tmp_path / "out" / "faces.csv")
    assert float(row["x"]) == pytest.approx(45, abs=4)
    [photo] = (tmp_path / "out" / "photos").iterdir()
    written = read_photo(photo.read_bytes()).astype(int)
    assert np.abs(written - read_photo((tmp_path / name).read_bytes())).mean() < 3


def test_transparency_is_kept(weights: list[Path], tmp_path: Path) -> None:
    alpha = np.full((128, 128), 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.dstack([astronaut(128), alpha])).save(tmp_path / "logo.png")
    run("restore", tmp_path / "logo.png", "-o", tmp_path / "out", "--weights", *weights, "--scale", 2)
    written = Image.open(tmp_path / "out" / "photos" / "logo.png")
    assert written.mode == "RGBA"
    kept = np.asarray(written)[..., 3]
    assert not kept[:36].any()
    assert kept[44:].min() == 255


def test_a_color_profile_is_applied() -> None:
    rgb = np.full((4, 4, 3), (200, 60, 90), np.uint8)
    standard = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = standard.replace(b"rXYZ", b"gone").replace(b"bXYZ", b"rXYZ").replace(b"gone", b"bXYZ")

    def read(profile: bytes | None) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(rgb).save(stream, "PNG", icc_profile=profile)
        return read_photo(stream.getvalue())

    for same in (None, standard, b"no profile"):
        np.testing.assert_allclose(read(same), rgb, atol=1)
    np.testing.assert_allclose(read(swapped), rgb[..., ::-1], atol=1)


def test_no_face_at_all_is_an_error(weights: list[Path], tmp_path: Path) -> None:
    Image.new("RGB", (60, 60)).save(tmp_path / "dark.png")
    message = refusal("restore", tmp_path / "dark.png", "-o", tmp_path / "out", "--weights", *weights)
    assert message == f"ERROR: {tmp_path / 'out'}: no face is restored; {tmp_path / 'dark.png'}: no face found"


def test_bad_arguments_are_one_line_each(weights: list[Path], tmp_path: Path) -> None:
    photo, file = tmp_path / "photo.png", tmp_path / "file"
    Image.fromarray(astronaut(64)).save(photo)
    file.write_text("x")
    (tmp_path / "empty").mkdir()
    out = ("-o", tmp_path / "out", "--weights", *weights)
    assert "gone: there is no such file or folder" in refusal("restore", tmp_path / "gone", *out)
    assert "empty: holds no photo" in refusal("restore", tmp_path / "empty", *out)
    assert "file: is a file; give a folder" in refusal("restore", photo, "-o", file, "--weights", *weights)
    assert "unreadable: not an image" in refusal("restore", file, *out)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "photo.png").write_bytes(photo.read_bytes())
    assert "would have the same names as those of" in refusal("restore", photo, tmp_path / "two" / "photo.png", *out)
    assert "is neither a packaged set nor a file" in refusal(
        "restore", photo, "-o", tmp_path / "o", "--weights", "gone"
    )
    assert "is not a whole safetensors file" in refusal("restore", photo, "-o", tmp_path / "o", "--weights", file)


def test_a_photo_that_would_become_too_large(weights: list[Path], tmp_path: Path) -> None:
    Image.new("L", (9000, 9000)).save(tmp_path / "huge.png")
    message = refusal("restore", tmp_path / "huge.png", "-o", tmp_path / "out", "--scale", 4, "--weights", *weights)
    assert "too large for --scale 4: 1296 megapixels" in message
    Image.new("L", (20000, 10000)).save(tmp_path / "huge.png")
    message = refusal("restore", tmp_path / "huge.png", "-o", tmp_path / "out2", "--weights", *weights)
    assert "too large: over 178 megapixels" in message


def test_a_full_disk_is_said(weights: list[Path], tmp_path: Path) -> None:
    Image.fromarray(astronaut(400)).save(tmp_path / "photo.png")
    with small_disk(tmp_path / "disk", 64):
        message = refusal("restore", tmp_path / "photo.png", "-o", tmp_path / "disk" / "out", "--weights", *weights)
    assert "the disk is full" in message


def test_the_background_by_real_esrgan(weights: list[Path], tmp_path: Path) -> None:
    photo = astronaut(80)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    written: dict[str, np.ndarray] = {}
    for background in ("bicubic", "realesrgan"):
        out = tmp_path / background
        run("restore", tmp_path / "photo.png", "-o", out, "--background", background, "--weights", *weights)
        written[background] = np.asarray(Image.open(out / "photos" / "photo.png")).astype(int)
    difference = np.abs(written["realesrgan"] - written["bicubic"]).mean(axis=2)
    assert 1 < difference.mean() < 12
    [row] = rows(tmp_path / "bicubic" / "faces.csv")
    left, top, width, height = (int(2 * float(row[name])) for name in ("x", "y", "width", "height"))
    middle = difference[top + height // 3 : top + height // 2, left + width // 3 : left + width // 2]
    assert middle.mean() < 0.5  # the face is the same in both
