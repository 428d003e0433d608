"""RecordIO and WebDataset: faces as they were written, passed through unchanged, and what is said of damaged files."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from archives import MAGIC, jpeg, packed, record, write_recordio, write_tar
from PIL import Image

from ftlgan.alignment import aligned_rows
from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, RAW, decode_face, write_faces
from ftlgan.params import EVERYBODY, NO_PAIRS, NO_SMALL, NO_UNLABELLED, Align, Dataset
from ftlgan.photos import is_plain_face, read_photo
from ftlgan.sources import folder
from ftlgan.sources.fetch import fetch, raw_schema

FACES = {label: [jpeg(10 * label + i) for i in range(3)] for label in range(10)}
ALIGN = Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=False)


def dataset(path: Path, source: str = "recordio", **changes: Any) -> Dataset:
    given: dict[str, Any] = {"source": source, "path": str(path), "unlabelled": NO_UNLABELLED, "small": NO_SMALL}
    given |= {"pairs": NO_PAIRS, "only": EVERYBODY}
    given |= {"people": None, "photos": None, "synthetic_people": 0, "val": 0.2, "test": 0.3}
    return Dataset(**given | changes)


def fetched(path: Path, source: str = "recordio", **changes: Any) -> list[dict[str, Any]]:
    count, rows = fetch(dataset(path, source, **changes), 0)
    found = list(rows)
    assert count == len(found)
    return found


def aligned(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rejects: list[dict[str, Any]] = []
    return list(aligned_rows(rows, ALIGN, rejects)), rejects


@pytest.mark.parametrize("with_header", [True, False])
def test_records_are_read_with_the_person_in_each(tmp_path: Path, with_header: bool) -> None:
    write_recordio(tmp_path, FACES, with_header)
    rows = fetched(tmp_path)
    assert [row["image"] for row in rows] == [image for own in FACES.values() for image in own]
    assert [row["identity"] for row in rows] == [f"{label:08}" for label in FACES for _ in range(3)]
    assert rows[0]["face_id"] == ("00000000/00000001" if with_header else "00000000/00000000")
    assert all(len({row["split"] for row in rows if row["identity"] == who}) == 1 for who in ("00000003",))


def test_people_whose_records_do_not_follow_one_another_come_together(tmp_path: Path) -> None:
    images = [(label, own[i]) for i in range(3) for label, own in FACES.items()]
    contents = [packed((float(label), 1.0), image) for label, image in images]
    starts = np.cumsum([0, *(len(record(content)) for content in contents)])
    (tmp_path / "train.rec").write_bytes(b"".join(map(record, contents)))
    lines = [f"{key + 5}\t{start}\n" for key, start in enumerate(starts[:-1])]
    (tmp_path / "train.idx").write_text("".join(reversed(lines)))
    rows = fetched(tmp_path)
    assert [row["image"] for row in rows] == [image for own in FACES.values() for image in own]
    assert [row["face_id"] for row in rows[:3]] == ["00000000/00000005", "00000000/00000015", "00000000/00000025"]


def test_a_record_that_holds_the_magic_number_is_put_together_again(tmp_path: Path) -> None:
    header = packed(0.0)
    assert len(header) % 4 == 0
    tricky = b"\xff\xd8ab" + MAGIC + b"c" * 8 + MAGIC + MAGIC + b"de" + b"\xff\xd9"
    write_recordio(tmp_path, {**FACES, 0: [tricky, *FACES[0]]})
    assert [row["image"] for row in fetched(tmp_path)[:4]] == [tricky, *FACES[0]]


def test_people_and_photos_are_capped_as_those_of_a_folder(tmp_path: Path) -> None:
    write_recordio(tmp_path / "rec", FACES)
    for label, own in FACES.items():
        for i, image in enumerate(own):
            (tmp_path / f"album/{label:08}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"album/{label:08}/{3 * label + i + 1:08}").with_suffix(".jpg").write_bytes(image)
    every: list[dict[str, Any]] = [{"people": 7, "photos": 2}, {"people": None, "photos": None}]
    for caps in every:
        ours = fetched(tmp_path / "rec", **caps)
        theirs = fetched(tmp_path / "album", "folder", **caps)
        for name in ("identity", "split", "image"):
            assert [row[name] for row in ours] == [row[name] for row in theirs]


def test_faces_pass_through_align_unchanged(tmp_path: Path) -> None:
    write_recordio(tmp_path / "rec", FACES)
    write_faces(tmp_path / "raw", raw_schema(dataset(tmp_path / "rec")), fetched(tmp_path / "rec"))
    raw = pq.read_table(tmp_path / "raw")
    assert raw.schema.equals(RAW)
    faces, rejects = aligned(raw.to_pylist())
    write_faces(tmp_path / "aligned", ALIGNED, faces)
    table = pq.read_table(tmp_path / "aligned")
    assert not rejects
    assert table["image"].to_pylist() == [image for own in FACES.values() for image in own]
    assert set(table["detection_score"].to_pylist()) == {1}
    for encoded in table["image"].to_pylist():
        assert np.array_equal(decode_face(encoded), read_photo(encoded))


def test_what_is_damaged_or_no_aligned_face_is_rejected(tmp_path: Path) -> None:
    gif = io.BytesIO()
    Image.new("RGB", (112, 112)).save(gif, "gif")
    wrong = {0: jpeg(0, 96), 1: jpeg(1)[:-20], 2: b"no image", 3: gif.getvalue(), 4: jpeg(4)}
    offsets = write_recordio(tmp_path, {label: [wrong.get(label, own[0]), *own[1:]] for label, own in FACES.items()})
    content = bytearray((tmp_path / "train.rec").read_bytes())
    content[offsets[13]] ^= 1  # the magic number of the first of person 4
    (tmp_path / "train.rec").write_bytes(content)
    faces, rejects = aligned(fetched(tmp_path))
    reasons = {row["face_id"]: row["reason"] for row in rejects}
    assert reasons == {
        "00000001/00000004": "unreadable: image file is truncated",
        "00000002/00000007": "unreadable: not an image",
        "damaged/00000013": "unreadable: a damaged record",
    }
    image = {row["face_id"]: decode_face(row["image"]) for row in faces}
    assert image["00000000/00000001"].shape == (112, 112, 3), "of another size: brought to this one"
    assert np.array_equal(image["00000003/00000010"], read_photo(gif.getvalue()))
    assert len(faces) == 27


def test_without_the_first_record_those_of_people_are_still_no_photos(tmp_path: Path) -> None:
    whole = fetched(tmp_path) if write_recordio(tmp_path, FACES) else None
    content = bytearray((tmp_path / "train.rec").read_bytes())
    content[0] ^= 1
    (tmp_path / "train.rec").write_bytes(content)
    damaged = fetched(tmp_path)
    assert whole
    assert {row["face_id"] for row in damaged} - {row["face_id"] for row in whole} == {"damaged/00000000"}
    assert {row["face_id"] for row in whole} <= {row["face_id"] for row in damaged}


Damage = dict[str, bytes | None]


def spoilt(name: str, offsets: dict[int, int], files: dict[str, bytes]) -> Damage:
    """What to write in place of the files, None to remove one."""
    rec, idx = files["train.rec"], files["train.idx"]
    shifted = "".join(f"{key}\t{max(0, at - 4)}\n" for key, at in offsets.items()).encode()
    damages: dict[str, Damage] = {
        "no rec": {"train.rec": None},
        "no idx": {"train.idx": None},
        "half": {"train.rec": rec[: len(rec) // 2]},
        "another": {"train.idx": shifted},
        "longer": {"train.rec": rec + record(packed(3.0, b"one more"))},
        "text": {"train.idx": b"one\t0\n" + idx},
        "negative": {"train.idx": b"0\t-8\n"},
        "empty": {"train.idx": b""},
        "twice": {"train.idx": idx + idx.splitlines(keepends=True)[3]},
        "gap": {"train.idx": b"".join(line for row, line in enumerate(idx.splitlines(keepends=True)) if row != 3)},
        "no first": {"train.idx": idx.split(b"\n", 1)[1]},
        "size": {"property": b"10,128,128"},
        "header alone": {"train.rec": record(packed((1.0, 1.0))), "train.idx": b"0\t0\n"},
    }
    return damages[name]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no rec", "has no train.rec; source recordio needs train.rec and train.idx in one folder"),
        ("no idx", "has no train.idx"),
        ("half", r"train.idx: record \d+ begins at byte [\d,]+, but train.rec ends at [\d,]+: it is truncated"),
        ("another", r"train.idx: does not match train.rec: record \d+ does not begin at byte [\d,]+"),
        ("longer", r"train.idx: does not match train.rec, which has more data after record \d+"),
        ("twice", "train.idx: lists a record twice"),
        ("gap", r"train.idx: does not match train.rec, which has more data after record 2"),
        ("no first", "train.idx: does not list the first record of train.rec"),
        ("text", r"train.idx: is not an index, a number and an offset per line \(.*one"),
        ("negative", "train.idx: is not an index"),
        ("empty", "train.idx: is not an index"),
        ("size", r"property has '10,128,128'; expected the number of people and 112,112"),
        ("header alone", "train.rec has no faces"),
    ],
)
def test_files_that_do_not_belong_together_are_one_line(tmp_path: Path, name: str, said: str) -> None:
    offsets = write_recordio(tmp_path, FACES)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for file, content in spoilt(name, offsets, files).items():
        (tmp_path / file).unlink() if content is None else (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=said) as error:
        fetched(tmp_path)
    assert "\n" not in str(error.value)


def test_archives_give_the_photos_of_their_samples(tmp_path: Path) -> None:
    for shard in range(2):
        files: dict[str, bytes] = {}
        for label in range(5 * shard, 5 * shard + 5):
            for i, image in enumerate(FACES[label]):
                files |= {f"{label}{i}.jpg": image, f"{label}{i}.cls": f"{label}\n".encode(), f"{label}{i}.json": b"{}"}
        write_tar(tmp_path / f"faces-{shard:03}.tar", files)
    write_tar(tmp_path / "more.tar", {f"ann/{i}.png": image for i, image in enumerate(FACES[9])})
    rows = fetched(tmp_path, "webdataset")
    assert [row["image"] for row in rows if row["identity"] != "ann"] == [
        image for own in FACES.values() for image in own
    ]
    assert [row["face_id"] for row in rows[-3:]] == [f"ann/more/{i}.png" for i in range(3)]
    assert rows[0]["face_id"] == "0/faces-000/00.jpg"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "has no archives"),
        ({"a.tar": {"0.jpg": b"x"}}, r"a.tar: 0.jpg names no person; add 0.cls, or a folder"),
        ({"a.tar": {"0.cls": b"x"}}, "its archives have no photos"),
        ({"a.tar": None}, "a.tar: is not a complete tar archive"),
    ],
)
def test_archives_without_photos_are_one_line(
    tmp_path: Path, files: dict[str, dict[str, bytes] | None], said: str
) -> None:
    for name, content in files.items():
        if content is None:
            (tmp_path / name).write_bytes(b"no archive" * 100)
        else:
            write_tar(tmp_path / name, content)
    with pytest.raises(DataError, match=said):
        fetched(tmp_path, "webdataset")


@pytest.mark.parametrize(("source", "name"), [("recordio", "train.rec"), ("webdataset", "a.tar")])
def test_a_folder_of_archives_names_the_source_that_reads_them(tmp_path: Path, source: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"has archives; set dataset.source to {source}"):
        folder.people(tmp_path, None, None, 0)


def encoded(format_: str, size: tuple[int, int] = (112, 112), mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(stream, format_, **options)
    return stream.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("jpeg", exif=exif)


@pytest.mark.parametrize(
    ("image", "plain"),
    [
        (encoded("jpeg"), True),
        (encoded("jpeg", mode="L"), True),
        (encoded("jpeg", progressive=True, comment="a comment"), True),
        (encoded("png"), True),
        (encoded("jpeg") + b"\0\0", True),
        (with_exif(), False),
        (encoded("jpeg", mode="CMYK"), False),
        (encoded("png", mode="P"), False),
        (encoded("png", mode="RGBA"), False),
        (encoded("jpeg", (112, 96)), False),
        (encoded("png", (96, 112)), False),
        (encoded("jpeg")[:-1], False),
        (encoded("png")[:-1], False),
        (encoded("gif"), False),
        (b"", False),
        (b"\xff\xd8\xff\xd9", False),
        (b"\xff\xd8" + struct.pack(">BBH", 0xFF, 0xE0, 0) * 4 + b"\xff\xd9", False),
    ],
)
def test_a_plain_face_is_told_by_its_beginning_and_its_end(image: bytes, plain: bool) -> None:
    assert is_plain_face(image, 112) == plain
    if plain:
        assert np.array_equal(decode_face(image), read_photo(image))
