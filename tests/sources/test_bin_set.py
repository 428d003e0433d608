"""`ftlgan unpack`: verification sets as insightface writes them, without running what they hold; and what they give."""

import contextlib
import csv
import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from commands import refusal, run
from PIL import Image
from sklearn.model_selection import KFold

from ftlgan.alignment import Aligner
from ftlgan.errors import DataError
from ftlgan.faces import FACES, HR, decode_face, embeddings_of
from ftlgan.photos import read_photo
from ftlgan.sources.bin_set import read_bin_set

PAIRS = 23


def jpeg(number: int, size: int = HR) -> np.ndarray:
    """An encoded image, as OpenCV and mxnet give it: uint8, (N,)."""
    y, x = np.mgrid[:size, :size]
    return cv2.imencode(".jpg", np.stack([x + number, y, 2 * number + x - y], axis=-1).astype(np.uint8))[1]


IMAGES = [jpeg(number) for number in range(2 * PAIRS)]
GENUINE = [pair % 3 == 0 for pair in range(PAIRS)]


def python2_string(content: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(content)) + content


def python2_array(content: bytes) -> bytes:
    """An array of uint8, as Python 2 and a numpy of its time pickle it."""
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return (
        start
        + b"(K\x01J"
        + struct.pack("<i", len(content))
        + b"\x85"
        + dtype
        + b"\x89"
        + python2_string(content)
        + b"tb"
    )


def python2(image: Callable[[bytes], bytes]) -> bytes:
    """The set as Python 2 writes it by protocol 2, where strings are bytes."""
    images = b"".join(image(found.tobytes()) for found in IMAGES)
    answers = b"".join(b"\x88" if genuine else b"\x89" for genuine in GENUINE)
    return b"\x80\x02](" + images + b"e](" + answers + b"e\x86."


FORMS: dict[str, bytes] = {
    **{
        f"bytes, protocol {protocol}": pickle.dumps(([image.tobytes() for image in IMAGES], GENUINE), protocol)
        for protocol in (0, 2, 4, pickle.HIGHEST_PROTOCOL)
    },
    **{
        f"arrays, protocol {protocol}": pickle.dumps((IMAGES, GENUINE), protocol)
        for protocol in (2, 4, pickle.HIGHEST_PROTOCOL)
    },
    "columns of old OpenCV": pickle.dumps(([image[:, None] for image in IMAGES], GENUINE)),
    "answers of numpy": pickle.dumps((IMAGES, list(np.array(GENUINE)))),
    "an array of answers": pickle.dumps((IMAGES, np.array(GENUINE))),
    "answers 1 and 0": pickle.dumps((IMAGES, list(map(int, GENUINE)))),
    "strings of Python 2": python2(python2_string),
    "arrays of Python 2": python2(python2_array),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_set_is_read_in_each_form_in_which_it_is_written(tmp_path: Path, form: str) -> None:
    (tmp_path / "set.bin").write_bytes(FORMS[form])
    found = read_bin_set(tmp_path / "set.bin")
    assert found.images == [image.tobytes() for image in IMAGES]
    assert found.genuine == GENUINE
    plain = pickle.loads(FORMS[form], encoding="bytes")  # as insightface reads it
    assert [bytes(image) for image in plain[0]] == found.images


class Calls:
    """What is unpickled by calling a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile(kind: str) -> bytes:
    """A pickle that makes the file `ran` where it is unpickled without care."""
    shell, code = Calls(os.system, "touch ran"), "open('ran', 'w')"  # pyright: ignore[reportDeprecated]
    contents: dict[str, Any] = {
        "os.system": ([shell], [True]),
        "eval": ([Calls(eval, code)], [True]),
        "in the answers": (IMAGES[:2], [shell]),
        "beside the lists": (IMAGES[:2], [True], shell),
        "in a scalar of numpy": ([Calls(np.dtype(object).type, shell)], [True]),
        "in an array of objects": ([np.array([shell])], [True]),
    }
    if kind in contents:
        return pickle.dumps(contents[kind])
    run = b"\x8c\x09touch ran\x85R"
    return (
        b"\x80\x04"
        + {
            "by a dotted name": b"]\x8c\x05numpy\x8c\x0ef2py.os.system\x93" + run + b"a]\x88a\x86.",
            "by a module of numpy": b"]cnumpy.testing\nrunstring\n\x8c\x10open('ran', 'w')}\x86Ra]\x88a\x86.",
            "in the state of an array": b"]cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
            b"(cos\nsystem\n" + run[:-1] + b"Rtba]\x88a\x86.",
            "as the function of an object": b"](cnumpy\ndtype\ncos\nsystem\n" + run + b"ea]\x88a\x86.",
        }[kind]
    )


HOSTILE = [
    *("os.system", "eval", "in the answers", "beside the lists", "in a scalar of numpy", "in an array of objects"),
    *("by a dotted name", "by a module of numpy", "in the state of an array", "as the function of an object"),
]


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_set_names_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.bin").write_bytes(hostile(kind))
    with pytest.raises(DataError, match=r"^set\.bin: names .*, which may run any code and was not run; get") as error:
        read_bin_set(Path("set.bin"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_hostile_sets_would_run_if_they_were_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in HOSTILE:
        with contextlib.suppress(Exception):  # some fail, but only after they ran
            pickle.loads(hostile(kind))
        assert (tmp_path / "ran").exists(), kind
        (tmp_path / "ran").unlink()


def encode(text: str, codec: str) -> Calls:
    return Calls(__import__("_codecs").encode, text, codec)


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is truncated or not a pickle (Ran out of input); get the set again"),
    "cut off": (FORMS["bytes, protocol 4"][:9000], "is truncated or not a pickle"),
    "an image": (IMAGES[0].tobytes(), "is truncated or not a pickle"),
    "text": (b"lfw.bin: 404 not found\n", "is truncated or not a pickle"),
    "a list": (pickle.dumps([1]), "has list, not a list of images"),
    "three lists": (pickle.dumps((IMAGES, [1.5], GENUINE)), "has tuple, not a list of images"),
    "no pairs": (pickle.dumps(([], [])), "has no pairs"),
    "an image too few": (
        pickle.dumps((IMAGES[1:], GENUINE)),
        "has 45 images and 23 pairs, not two images per",
    ),
    "a pair too many": (pickle.dumps((IMAGES, [*GENUINE, True])), "has 46 images and 24 pairs"),
    "a number for an image": (pickle.dumps(([7], [True])), "image 0 is 7; get the set again"),
    "text for an image": (pickle.dumps((["a.jpg"] * 2, [True])), "image 0 is 'a.jpg'; get the set again"),
    "pixels as floats": (pickle.dumps(([np.zeros(3)], [True])), "image 0 is an array of 'f8', not of bytes"),
    "pixels as integers": (pickle.dumps(([np.zeros(3, int)], [True])), "image 0 is an array of int64, not of bytes"),
    "another codec": (pickle.dumps(([encode("nopq", "rot13")], [True])), "image 0 is a call of encode; get"),
    "a function": (b"\x80\x02]cnumpy\ndtype\na]\x88a\x86.", "image 0 is"),
    "a name that is filled": (
        b"\x80\x02]cnumpy\ndtype\nN}U\x04nameK\x01s\x86ba]\x88a\x86.",
        "is truncated or not a pickle",
    ),
    "an array within itself": (
        b"\x80\x02]cnumpy.core.multiarray\n_reconstruct\n)Rq\x00(K\x01cnumpy\ndtype\nU\x02u1\x85R\x89h\x00tba]\x88a\x86.",
        "image 0 is an array of 'u1', not of bytes",
    ),
    "an answer of 2": (pickle.dumps((IMAGES[:2], [2])), "pair 0 has the answer 2, not True or False"),
    "an answer of text": (pickle.dumps((IMAGES[:2], ["yes"])), "pair 0 has the answer 'yes', not True or False"),
    "answers as floats": (pickle.dumps((IMAGES[:2], np.ones(1))), "genuine is an array of 'f8', not of bytes"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_verification_set_is_refused_in_a_line(tmp_path: Path, kind: str) -> None:
    content, message = BAD[kind]
    (tmp_path / "set.bin").write_bytes(content)
    said = refusal("unpack", tmp_path / "set.bin", "-o", tmp_path / "out")
    assert said.startswith(f"ERROR: {tmp_path / 'set.bin'}: ")
    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


@pytest.mark.parametrize("end", range(1, 60))
def test_wherever_a_set_is_cut_off_a_line_says_so(tmp_path: Path, end: int) -> None:
    for form in ("arrays, protocol 2", "arrays of Python 2", "bytes, protocol 4"):
        content = FORMS[form]
        (tmp_path / "set.bin").write_bytes(content[: len(content) * end // 60])
        with pytest.raises(DataError, match="is truncated or not a pickle"):
            read_bin_set(tmp_path / "set.bin")


def write(path: Path, images: list[np.ndarray], genuine: list[bool]) -> Path:
    path.write_bytes(pickle.dumps((images, genuine), pickle.HIGHEST_PROTOCOL))
    return path


def test_faces_are_as_they_are_and_folds_are_those_of_scikit_learn(tmp_path: Path) -> None:
    run("unpack", write(tmp_path / "lfw.bin", IMAGES, GENUINE), "-o", tmp_path / "lfw")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lfw", "lfw.bin"]
    table = pq.read_table(tmp_path / "lfw" / "faces" / "part-00000.parquet")
    assert table.schema.equals(FACES)
    assert table["face_id"].to_pylist()[:3] == ["lfw/00000a", "lfw/00000b", "lfw/00001a"]
    assert set(table["identity"].to_pylist()) == {None}
    assert set(table["split"].to_pylist()) == {"test"}
    for image, encoded in zip(table["image"].to_pylist(), IMAGES, strict=True):
        np.testing.assert_array_equal(decode_face(image), read_photo(encoded.tobytes()))
    with (tmp_path / "lfw" / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    assert [(pair["probe"], pair["reference"]) for pair in pairs] == [
        (f"lfw/{pair:05}a", f"lfw/{pair:05}b") for pair in range(PAIRS)
    ]
    assert [pair["genuine"] == "1" for pair in pairs] == GENUINE
    for fold, (_, held) in enumerate(KFold(10).split(pairs), 1):
        assert {pairs[k]["fold"] for k in held} == {str(fold)}


def test_faces_of_another_size_are_brought_to_112_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [jpeg(0), jpeg(1, 224), jpeg(2, 96), jpeg(3, 224)]
    run("unpack", write(tmp_path / "set.bin", images, [True, False]), "-o", tmp_path / "out")
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in said[:2]] == [
        "1 faces of 96x96 px were resized to 112x112 (antialiased bicubic)",
        "2 faces of 224x224 px were resized to 112x112 (antialiased bicubic)",
    ]
    table = pq.read_table(tmp_path / "out" / "faces" / "part-00000.parquet")
    with Image.open(io.BytesIO(images[1].tobytes())) as image:
        expected = np.asarray(image.resize((HR, HR), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(decode_face(table["image"][1].as_py()), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.frombuffer(b"no image", np.uint8), "image 1, set/00000b, is unreadable: not an image; get the set again"),
        (IMAGES[0][:2000], "image 1, set/00000b, is unreadable: "),
        (
            cv2.imencode(".jpg", np.zeros((112, 96, 3), np.uint8))[1],
            "image 1, set/00000b, has 96x112 px, but aligned faces",
        ),
    ],
)
def test_an_image_that_is_none_leaves_nothing(tmp_path: Path, image: np.ndarray, message: str) -> None:
    source = write(tmp_path / "set.bin", [IMAGES[0], image], [True])
    assert f"ERROR: {source}: {message}" in refusal("unpack", source, "-o", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


def test_nothing_is_overwritten_and_a_killed_run_is_done_again(tmp_path: Path) -> None:
    source = write(tmp_path / "set.bin", IMAGES, GENUINE)
    assert "nowhere.bin: there is no such file or folder; give a verification set" in refusal(
        "unpack", "nowhere.bin", "-o", tmp_path / "o"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        assert "already exists; remove it, or choose another folder" in refusal("unpack", source, "-o", tmp_path / name)
    (tmp_path / "out").mkdir()  # empty
    half = tmp_path / ".out.ftlgan-part" / "faces"  # what a killed run leaves
    half.mkdir(parents=True)
    (half / "part-00007.parquet").write_bytes(b"half")
    run("unpack", source, "-o", tmp_path / "out")
    assert not half.exists()
    assert [path.name for path in (tmp_path / "out" / "faces").iterdir()] == ["part-00000.parquet"]
    assert (tmp_path / "file").read_text() == "mine"


def test_the_accuracy_is_that_of_insightfaces_loop(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synthetic people; each fold is judged by the best threshold on the other nine."""
    align = Aligner(0.7, 30)
    people = [
        [cv2.imencode(".jpg", align(path.read_bytes()).image[..., ::-1])[1] for path in sorted(person.glob("*.jpg"))]
        for person in sorted(photos.iterdir())
    ]
    images: list[np.ndarray] = []
    for k in range(20):  # two genuine and two impostor pairs in each fold
        person, other = people[k % 12], people[(k + 1 + k // 12) % 12]
        images += [person[k // 12], person[2], person[k % 3], other[k % 2]]
    monkeypatch.chdir(tmp_path)
    run("unpack", write(tmp_path / "made.bin", images, [True, False] * 20), "-o", "made")
    run("embed", "made/faces", "--recognizer", "sface", "-o", "e.parquet")
    run("verify", "e.parquet", "--pairs", "made/pairs.csv", "--fmr", "0.5", "--json", "report.json")
    report = json.loads(Path("report.json").read_text())
    assert (report["genuine"], report["impostor"], report["probes"]["people"]) == (20, 20, None)
    embeddings = embeddings_of(pq.read_table("e.parquet")).astype(float)
    distances = ((embeddings[::2] - embeddings[1::2]) ** 2).sum(axis=1)
    genuine = np.array([True, False] * 20)
    accuracies: list[float] = []
    for others, held in KFold(10).split(distances):
        levels = np.sort(distances[others])
        best, chosen = -1.0, 0.0
        for threshold in [np.inf, *((levels[1:] + levels[:-1]) / 2)[::-1], -np.inf]:
            accuracy = float(np.mean((distances[others] < threshold) == genuine[others]))
            if accuracy > best:
                best, chosen = accuracy, threshold
        accuracies.append(float(np.mean((distances[held] < chosen) == genuine[held])))
    assert 0.6 < np.mean(accuracies) < 1, "else the choice of thresholds does not matter"
    assert report["accuracy"]["folds"] == 10
    assert report["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert report["accuracy"]["standard_error"] == pytest.approx(np.std(accuracies, ddof=1) / np.sqrt(10))
    assert report["metrics"]["auc"]["value"] == pytest.approx(
        np.mean(distances[genuine][:, None] < distances[~genuine][None])
    )
