"""Photo -> aligned face: the right face, the right way up, and a reason where there is none."""

import io
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from insightface.utils.face_align import arcface_dst, estimate_norm
from PIL import Image
from processors import run_here_and_on_older

from ftlgan.alignment import (
    ONLY_PHOTO,
    AlignedFace,
    Aligner,
    SmallAligner,
    aligned_rows,
    crop,
    small_rows,
    take_aligned,
)
from ftlgan.degradation import downsample
from ftlgan.detection import FaceDetector
from ftlgan.errors import DataError
from ftlgan.faces import ALIGNED, SPLITS, decode_face
from ftlgan.params import Align
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.template import face_size, to_template

Save = Callable[..., bytes]


ALIGN = """
import pickle, sys
from pathlib import Path
from ftlgan.alignment import Aligner

aligner = Aligner(detection_score=0.7, face_width=30)
faces = [aligner(Path(photo).read_bytes()) for photo in sys.argv[1:]]
sys.stdout.buffer.write(pickle.dumps([(face.image, face.landmarks, face.detection_score) for face in faces]))
"""

CONFIG = Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=False)


def encode(image: np.ndarray, format_: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner(detection_score=0.7, face_width=30)


@pytest.fixture(scope="module")
def image(photo: bytes) -> np.ndarray:
    return read_photo(photo)


def test_a_face_is_put_on_the_template(aligner: Aligner, image: np.ndarray) -> None:
    face = aligner(encode(image))
    assert face.image.shape == (112, 112, 3)
    assert face.image.dtype == np.uint8
    assert 0.7 <= face.detection_score <= 1
    # The landmarks of the aligned face are where the template has them.
    again = FaceDetector(0.7).main_face(cv2.copyMakeBorder(face.image, 56, 56, 56, 56, cv2.BORDER_REPLICATE))
    errors = np.linalg.norm(again.landmarks - 56 - arcface_dst, axis=1)
    assert errors.mean() < 6  # a turned face never fits a frontal template to the pixel


def test_a_face_is_the_same_to_the_byte_on_another_processor(photos: Path) -> None:
    here, older = run_here_and_on_older(ALIGN, *map(str, sorted(photos.glob("*/0000.jpg"))[:4]))
    assert len(pickle.loads(here)) == 4
    assert here == older


@pytest.mark.filterwarnings("ignore::FutureWarning")  # insightface calls scikit-image by a name that is on its way out
def test_the_similarity_is_that_of_insightface() -> None:
    rng = np.random.default_rng(0)
    for angle in np.linspace(-3, 3, 13):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        seen = rng.uniform(0.2, 5) * arcface_dst @ turn + rng.normal(0, 30, 2) + rng.normal(0, 2, (5, 2))
        landmarks = seen.astype(np.float32)
        np.testing.assert_allclose(to_template(landmarks), estimate_norm(landmarks, 112), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(aligner: Aligner, image: np.ndarray, orientation: int) -> None:
    stored = {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.swapaxes(0, 1),
        6: np.rot90(image),
        7: image[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(image, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_photo(encode(np.ascontiguousarray(stored), exif=exif)), image)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_photo_gives_the_same_face(aligner: Aligner, image: np.ndarray, turns: int) -> None:
    upright, turned = aligner(encode(image)), aligner(encode(np.ascontiguousarray(np.rot90(image, turns))))
    np.testing.assert_array_equal(turned.image, upright.image)
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    x, y = upright.landmarks.T
    places = {1: (y, right - x), 2: (right - x, bottom - y), 3: (bottom - y, x)}
    np.testing.assert_allclose(turned.landmarks, np.stack(places[turns], axis=1), atol=0.01)


def exif_bytes(*tags: tuple[int, int, int, bytes]) -> bytes:
    """EXIF with tags as (number, type, count, value or offset)."""
    entries = b"".join(struct.pack("<HHI", *tag[:3]) + tag[3][:4].ljust(4, b"\0") for tag in tags)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(12)


@pytest.mark.parametrize(
    "tag",
    [
        (282, 2, 4, b"300"),  # XResolution as text
        (282, 5, 1, struct.pack("<I", 99999)),  # a value that lies after the end
        (34665, 4, 1, struct.pack("<I", 8)),  # a folder of tags that is itself
        (34665, 2, 3, b"no"),
        (0x9999, 77, 2**31, b"\xff" * 4),  # a type that there is not
        (259, 12, 1, b"\0" * 4),
    ],
)
def test_exif_that_nobody_needs_is_not_read(image: np.ndarray, tag: tuple[int, int, int, bytes]) -> None:
    exif = exif_bytes((274, 3, 1, struct.pack("<H", 6)), tag)
    stored = np.ascontiguousarray(np.rot90(image))
    upright = np.rot90(read_photo(encode(stored, "jpeg", quality=95)), -1)
    np.testing.assert_array_equal(read_photo(encode(stored, "jpeg", quality=95, exif=exif)), upright)


@pytest.mark.parametrize("kind", [(2, 2, b"x"), (5, 1, b"\xff" * 4), (3, 1, b"\x2a"), (7, 4, b"abcd"), (3, 0, b"")])
def test_an_orientation_that_is_none_leaves_the_photo_as_stored(
    image: np.ndarray, kind: tuple[int, int, bytes]
) -> None:
    photo = encode(image, "jpeg", quality=95, exif=exif_bytes((274, *kind)))
    np.testing.assert_array_equal(read_photo(photo), read_photo(encode(image, "jpeg", quality=95)))


@pytest.mark.parametrize(
    "error", [KeyError("x"), struct.error("short"), ZeroDivisionError(), MemoryError(), IndexError()]
)
def test_whatever_a_decoder_raises_is_a_reason(
    image: np.ndarray, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    photo = encode(image)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(NoFaceError, match=r"^(unreadable|too large): \w"):
        read_photo(photo)


@pytest.mark.parametrize(
    ("dtype", "white"),
    [
        ("float32", 1.0),
        ("float32", 255.0),
        ("float32", 65535.0),
        ("int32", 255),
        ("int32", 65535),
        ("int32", 2**31 - 1),
    ],
)
def test_deep_greys_are_scaled(image: np.ndarray, dtype: str, white: float) -> None:
    grey = np.asarray(Image.fromarray(image).convert("L"))
    deep = (grey / 255.0 * white).astype(dtype)
    assert np.abs(read_photo(encode(deep, "tiff"))[..., 0].astype(int) - grey).max() <= 1


def test_a_tiff_of_an_unknown_kind_is_not_called_no_image() -> None:
    written, whole = cv2.imencode(".tiff", np.zeros((8, 8, 3), np.float32))
    assert written
    with pytest.raises(NoFaceError, match="a TIFF file that is damaged or of a kind that Pillow does not read"):
        read_photo(whole.tobytes())


@pytest.mark.parametrize("side", [14, 28, 56, 112, 160])
def test_aligned_faces_are_taken_as_they_are(image: np.ndarray, side: int) -> None:
    face = np.asarray(Image.fromarray(image).resize((side, side)))
    taken = take_aligned(encode(face))
    expected = face if side == 112 else np.asarray(Image.fromarray(face).resize((112, 112), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(taken.image, expected)
    np.testing.assert_allclose(taken.landmarks, arcface_dst * side / 112, rtol=1e-5)
    assert taken.detection_score == 1


def test_an_aligned_face_is_square() -> None:
    with pytest.raises(NoFaceError, match="not square: 96x112 px"):
        take_aligned(encode(np.zeros((112, 96, 3), np.uint8)))


def test_rows_of_aligned_faces_need_no_detection(people: list[dict[str, Any]]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    rows = [{**row, "image": encode(noise)} for row in people]
    taken = list(aligned_rows(rows, Align(detection_score=0.7, face_width=200, aligned=True, small_aligned=False), []))
    assert len(taken) == len(rows)
    np.testing.assert_array_equal(decode_face(taken[0]["image"]), noise)


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16", "PA", "RGBa"]
FORMATS = ["jpeg", "png", "webp", "tiff", "bmp", "gif", "ppm", "avif", "jpeg2000", "tga", "ico", "mpo", "dds", "pcx"]


def made_up_photo(image: np.ndarray, chance: random.Random) -> bytes:
    """A photo of a random format, mode, size, orientation and EXIF, whole, cut off or damaged."""
    picture = Image.fromarray(image).resize(
        (chance.choice([1, 40, 250, 250, 300]), chance.choice([2, 250, 250, 300, 700]))
    )
    picture = picture.rotate(chance.choice([0, 0, 90, 180, 30]))
    tags = [
        (
            chance.choice([274, 282, 283, 259, 34665, 34853, 700, 37500, chance.randrange(65536)]),
            chance.randrange(15),
            chance.choice([0, 1, 1, 2, 5, 2**31]),
            chance.randbytes(4),
        )
        for _ in range(chance.randrange(4))
    ]
    orientation = struct.pack("<H", chance.randrange(10))
    options: dict[str, Any] = {"exif": exif_bytes((274, 3, 1, orientation), *tags)} if tags else {}
    buffer = io.BytesIO()
    try:
        picture.convert(chance.choice(MODES)).save(buffer, chance.choice(FORMATS), **options)
    except Exception:  # not every format holds every mode: then a JPEG
        buffer = io.BytesIO()
        picture.save(buffer, "jpeg", **options)
    photo = bytearray(buffer.getvalue())
    match chance.randrange(4):
        case 0:
            del photo[chance.randrange(len(photo)) :]
        case 1:
            for _ in range(chance.randrange(1, 20)):
                photo[chance.randrange(min(len(photo), chance.choice([64, 1024, len(photo)])))] = chance.randrange(256)
        case _:
            pass
    return bytes(photo)


@pytest.mark.slow
def test_200_made_up_photos_are_aligned_or_rejected_with_a_reason(
    image: np.ndarray, people: list[dict[str, Any]]
) -> None:
    chance = random.Random(0)
    rows = [row("anybody", str(i), made_up_photo(image, chance)) for i in range(200)] + people
    rejects: list[dict[str, Any]] = []
    used = list(aligned_rows(rows, CONFIG, rejects))
    assert len(used) + len(rejects) == len(rows)
    assert len(used) > 20
    assert all(reject["reason"].strip() and "\n" not in reject["reason"] for reject in rejects)


@pytest.mark.parametrize(
    ("format_", "options"), [("png", {}), ("jpeg", {"quality": 95}), ("webp", {"quality": 95}), ("tiff", {})]
)
def test_every_format_is_read(aligner: Aligner, image: np.ndarray, format_: str, options: dict[str, Any]) -> None:
    assert np.abs(read_photo(encode(image, format_, **options)).astype(int) - image).mean() < 4


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(image: np.ndarray, mode: str) -> None:
    buffer = io.BytesIO()
    source = Image.fromarray(image)
    picture = (
        Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else source.convert(mode)
    )
    picture.save(buffer, "tiff")
    photo = read_photo(buffer.getvalue())
    assert photo.shape == image.shape
    assert np.abs(photo.astype(int).mean(axis=2) - image.mean(axis=2)).mean() < 12


def test_landmarks_are_in_the_pixels_of_the_photo_however_large(aligner: Aligner, image: np.ndarray) -> None:
    """The detector sees at most 640 pixels: both photos look alike to it."""
    detected, large = (cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) for side in (640, 1920))
    once, thrice = aligner(encode(detected)), aligner(encode(large))
    assert np.abs(thrice.landmarks / 3 - once.landmarks).max() < 4
    assert np.abs(thrice.image.astype(int) - once.image).mean() < 6


def test_a_large_face_is_not_aliased() -> None:
    """A fine checkerboard becomes gray, not moire."""
    board = (np.indices((1120, 1120)).sum(axis=0) // 3 % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    face = crop(board, arcface_dst * 10)
    assert face[8:-8, 8:-8].std() < 20


def test_of_several_faces_the_one_nearest_the_centre_is_taken(aligner: Aligner, image: np.ndarray) -> None:
    width = image.shape[1]
    three = np.concatenate([image, image, image], axis=1)
    assert width < aligner(encode(three)).landmarks[:, 0].mean() < 2 * width


def test_a_much_larger_face_outweighs_the_centre(aligner: Aligner, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    canvas = np.full((height, int(width * 1.6), 3), 127, np.uint8)
    canvas[:, :width] = image
    small = cv2.resize(image, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    canvas[: small.shape[0], width : width + small.shape[1]] = small
    assert Aligner(0.7, 10)(encode(canvas)).landmarks[:, 0].mean() < width


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda image: b"a text, not a photo", "unreadable: not an image"),
        (lambda image: b"", "unreadable: not an image"),
        (lambda image: encode(image, "jpeg")[:2000], "unreadable: image file is truncated"),
        (lambda image: encode(image)[:5000], "unreadable: "),
        (lambda image: encode(np.full((250, 250, 3), 127, np.uint8)), "no face found"),
        (lambda image: encode(np.full((1, 1, 3), 127, np.uint8)), "no face found"),
        (lambda image: encode(np.full((1, 4000, 3), 127, np.uint8)), "no face found"),
        (lambda image: encode(np.zeros((20000, 20000), bool)), "too large: over 178 megapixels"),
        (
            lambda image: encode(cv2.resize(image, None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)),
            "face too small: ",
        ),
    ],
)
def test_what_gives_no_face_gives_a_reason(
    aligner: Aligner, image: np.ndarray, make: Callable[[np.ndarray], bytes], reason: str
) -> None:
    with pytest.raises(NoFaceError) as error:
        aligner(make(image))
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def row(identity: str, name: str, photo: bytes, split: str = "train") -> dict[str, Any]:
    return {"face_id": f"{identity}/{name}", "identity": identity, "split": split, "image": photo}


@pytest.fixture(scope="module")
def people(photo: bytes) -> list[dict[str, Any]]:
    """Two people with two photos each in every split."""
    return [row(f"{split} {i}", str(j), photo, split) for split in SPLITS for i in range(2) for j in range(2)]


def test_rows_keep_their_order_and_rejects_their_reason(photo: bytes, people: list[dict[str, Any]]) -> None:
    rows = [row("a", str(i), photo if i % 3 else b"nothing") for i in range(30)] + people
    rejects: list[dict[str, Any]] = []
    aligned = list(aligned_rows(rows, CONFIG, rejects))
    assert [r["face_id"] for r in aligned] == [r["face_id"] for r in rows if r["image"] == photo]
    assert [set(r) for r in aligned] == [set(ALIGNED.names)] * 32
    assert decode_face(aligned[0]["image"]).shape == (112, 112, 3)
    assert [r["face_id"] for r in rejects] == [r["face_id"] for r in rows if r["image"] != photo]
    assert {r["reason"] for r in rejects} == {"unreadable: not an image"}


@pytest.mark.parametrize("split", SPLITS)
def test_who_is_left_with_one_photo_trains_and_is_rejected_elsewhere(
    photo: bytes, people: list[dict[str, Any]], split: str
) -> None:
    rejects: list[dict[str, Any]] = []
    rows = [row("alone", "0", photo, split), row("alone", "1", b"", split), *people]
    aligned = list(aligned_rows(rows, CONFIG, rejects))
    reasons = {r["face_id"]: r["reason"] for r in rejects}
    assert reasons.pop("alone/1") == "unreadable: not an image"
    assert reasons == ({} if split == "train" else {"alone/0": ONLY_PHOTO})
    assert ("alone" in {r["identity"] for r in aligned}) == (split == "train")


def test_who_is_left_with_one_photo_is_tested_where_pairs_are_listed(
    photo: bytes, people: list[dict[str, Any]]
) -> None:
    rejects: list[dict[str, Any]] = []
    rows = [row("alone", "0", photo, "test"), row("none", "0", photo, "val"), *people]
    aligned = {r["identity"] for r in aligned_rows(rows, CONFIG, rejects, ["val"])}
    assert "alone" in aligned and "none" not in aligned
    assert [r["face_id"] for r in rejects] == ["none/0"]


def test_photos_of_nobody_known_are_taken_one_by_one_and_are_no_people(
    photo: bytes, people: list[dict[str, Any]]
) -> None:
    nobody = [row("unlabelled", str(i), photo if i else b"") | {"identity": None} for i in range(4)]
    rejects: list[dict[str, Any]] = []
    aligned = list(aligned_rows([*people, *nobody], CONFIG, rejects))
    assert [r["face_id"] for r in aligned[-3:]] == ["unlabelled/1", "unlabelled/2", "unlabelled/3"]
    assert {r["identity"] for r in aligned[-3:]} == {None}
    assert rejects == [{"face_id": "unlabelled/0", "identity": None, "reason": "unreadable: not an image"}]
    with pytest.raises(DataError, match="align: 1 train people are left"):
        list(aligned_rows([r for r in people + nobody if r["identity"] != "train 0"], CONFIG, []))


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_with_too_few_people_left_is_one_line(people: list[dict[str, Any]], split: str) -> None:
    spoilt = [{**r, "image": b""} if r["identity"] == f"{split} 1" else r for r in people]
    said = rf"1 {split} people are left after 2 rejects \(the first: {split} 1/0, unreadable: not an image\); 2 are"
    with pytest.raises(DataError, match=said):
        list(aligned_rows(spoilt, CONFIG, []))


def test_the_same_photo_gives_the_same_face(photo: bytes) -> None:
    one, two = Aligner(0.7, 30)(photo), Aligner(0.7, 30)(photo)
    assert isinstance(one, AlignedFace)
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.landmarks, two.landmarks)


def shrunk(photo: bytes, side: int) -> bytes:
    """A photo whose longer side has so many pixels, as PNG."""
    image = Image.fromarray(read_photo(photo))
    scale = side / max(image.size)
    buffer = io.BytesIO()
    image.resize([round(length * scale) for length in image.size], Image.Resampling.BOX).save(buffer, "png")
    return buffer.getvalue()


def test_a_small_face_is_found_in_the_photo_enlarged_and_its_landmarks_are_of_the_photo(photo: bytes) -> None:
    true = Aligner(0.7, 30)(photo)
    scale = 40 / max(read_photo(photo).shape[:2])
    small = shrunk(photo, 40)
    with pytest.raises(NoFaceError):
        Aligner(0.7, 30)(small)
    found = SmallAligner(0.7)(small)
    assert found.image.shape == (112, 112, 3)
    expected = (true.landmarks + 0.5) * scale - 0.5
    eyes = np.linalg.norm(expected[1] - expected[0])
    assert np.linalg.norm(found.landmarks - expected, axis=1).mean() < 0.15 * eyes


@pytest.mark.parametrize("turns", [0, 1])
def test_a_small_face_may_keep_its_own_size(photo: bytes, turns: int) -> None:
    image = np.rot90(read_photo(shrunk(photo, 60)), turns)
    own, large = (SmallAligner(0.7, side)(encode(np.ascontiguousarray(image))) for side in (None, 112))
    assert own.image.shape == (round(face_size(own.landmarks)),) * 2 + (3,)
    assert np.array_equal(own.landmarks, large.landmarks)
    reduced = downsample(large.image, own.image.shape[:2], "bicubic")
    assert np.corrcoef(own.image.ravel(), reduced.ravel())[0, 1] > 0.97


def test_a_face_that_is_not_small_is_rejected(photo: bytes) -> None:
    with pytest.raises(NoFaceError, match=r"face not small: \d{3} px, small is below 112; .* dataset\.path"):
        SmallAligner(0.7, None)(photo)


def test_small_faces_that_are_aligned_already_are_taken_as_they_are(photo: bytes) -> None:
    face = np.random.default_rng(0).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    config = Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=True)
    row = {"face_id": "small/a/1.png", "identity": "a", "split": "train", "image": encode(face)}
    rejects: list[dict[str, object]] = []
    others = [{**row, "image": encode(image)} for image in (face[:9], face[:7, :7])]
    (aligned,) = small_rows([row, *others], config, rejects)
    assert np.array_equal(decode_face(aligned["image"]), face)
    assert [reject["reason"] for reject in rejects] == [
        "not square: 14x9 px, but aligned faces are square (align.small_aligned is true)",
        "face too small: 7x7 px, the least is 8",
    ]
