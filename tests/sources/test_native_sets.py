"""Sets of small faces in their authors' layouts, made up: who is in which table, and what is refused."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import refusal, run
from documentation import DOCS, blocks
from PIL import Image
from scipy.io import savemat

from ftlgan.errors import DataError
from ftlgan.sources.native_sets import open_native_set


def photo(path: Path, seed: int = 0, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def cells(*names: str) -> np.ndarray:
    """A column of texts, as MATLAB keeps a cell array."""
    found = np.empty((len(names), 1), object)
    found[:, 0] = names
    return found


def pairs(*names: tuple[str, str]) -> np.ndarray:
    return np.concatenate([cells(*side) for side in zip(*names, strict=True)], axis=1)


@pytest.fixture
def tinyface(tmp_path: Path) -> Path:
    """Three people with two photos in the gallery and one or two probes, and two distractors."""
    place = tmp_path / "tinyface/Testing_Set"
    gallery = [f"{who}_{number}.jpg" for who in (11, 12, 13) for number in (1, 2)]
    probes = ["11_3.jpg", "12_3.jpg", "12_4.jpg", "13_3.jpg"]
    for subset, names in (("Gallery_Match", gallery), ("Probe", probes), ("Gallery_Distractor", ["a.jpg", "b.jpg"])):
        for number, name in enumerate(names):
            photo(place / subset / name, 100 * len(names) + number)
    for file, kind, names, people in (
        ("gallery_match_img_ID_pairs", "gallery", gallery, [1, 1, 2, 2, 3, 3]),
        ("probe_img_ID_pairs", "probe", probes, [1, 2, 2, 3]),
    ):
        savemat(place / f"{file}.mat", {f"{kind}_set": cells(*names), f"{kind}_ids": np.array(people)[:, None]})
    return place


@pytest.fixture
def survface(tmp_path: Path) -> Path:
    place = tmp_path / "QMUL-SurvFace"
    for number, name in enumerate(("7_cam1_1", "7_cam2_1", "8_cam1_1", "9_cam4_1")):
        photo(place / "Face_Identification_Test_Set/gallery" / f"{name}.jpg", number)
    for number, name in enumerate(("7_cam3_9", "8_cam3_9")):
        photo(place / "Face_Identification_Test_Set/mated_probe" / f"{name}.jpg", 10 + number)
    photo(place / "Face_Identification_Test_Set/unmated_probe/55_cam1_1.jpg", 20)
    return place


def test_tinyface_lists_who_is_on_its_photos_and_each_distractor_is_a_person(tinyface: Path) -> None:
    for folder in (tinyface, tinyface.parent, tinyface.parent.parent):
        found = open_native_set(folder)
        assert found.name == "TinyFace" and found.large is None
        assert [(who, path.name) for who, path in found.tables["probes"]] == [
            *(("1", "11_3.jpg"), ("2", "12_3.jpg"), ("2", "12_4.jpg"), ("3", "13_3.jpg")),
        ]
        people = [who for who, _ in found.tables["gallery"]]
        assert people == [*"112233", "distractor-a", "distractor-b"]


def test_the_lists_of_tinyface_may_lie_beside_the_photos(tinyface: Path) -> None:
    beside = tinyface.parent / "Face_Identification_Evaluation"
    beside.mkdir()
    for path in list(tinyface.glob("*.mat")):
        path.rename(beside / path.name)
    assert len(open_native_set(tinyface).tables["gallery"]) == 8
    (beside / "probe_img_ID_pairs.mat").unlink()
    with pytest.raises(DataError, match=r"Testing_Set: has no probe_img_ID_pairs.mat, which lists the people"):
        open_native_set(tinyface)


def test_survface_names_its_people_in_the_photos(survface: Path) -> None:
    found = open_native_set(survface)
    assert {table: [who for who, _ in photos] for table, photos in found.tables.items()} == {
        "gallery": ["7", "7", "8", "9"],
        "probes": ["7", "8"],
        "non_mated": ["55"],
    }
    photo(survface / "Face_Identification_Test_Set/unmated_probe/8_cam1_7.jpg")
    with pytest.raises(DataError, match=r"8_cam1_7.jpg: 8 is also in the gallery"):
        open_native_set(survface)


def test_survface_verification_has_pairs(tmp_path: Path) -> None:
    place = tmp_path / "Face_Verification_Test_Set"
    for number, name in enumerate(("1_cam1_1", "1_cam2_1", "2_cam1_1", "2_cam1_2", "3_cam1_1")):
        photo(place / "verification_images" / f"{name}.jpg", number)
    positive = pairs(("1_cam1_1.jpg", "1_cam2_1.jpg"), ("2_cam1_1.jpg", "2_cam1_2.jpg"))
    negative = pairs(("1_cam1_1.jpg", "2_cam1_1.jpg"), ("2_cam1_2.jpg", "1_cam2_1.jpg"))
    for kind, listed in (("positive", positive), ("negative", negative)):
        savemat(place / f"{kind}_pairs_names.mat", {f"{kind}_pairs_names": listed})
    found = open_native_set(tmp_path)
    assert found.pairs == [
        *(("1_cam1_1", "1_cam2_1", True), ("2_cam1_1", "2_cam1_2", True)),
        *(("1_cam1_1", "2_cam1_1", False), ("2_cam1_2", "1_cam2_1", False)),
    ]
    run("unpack", tmp_path, "-o", tmp_path / "out", "--aligned")
    names = pq.read_table(tmp_path / "out/faces", columns=["face_id"])["face_id"].to_pylist()
    assert names == ["1/1_cam1_1", "1/1_cam2_1", "2/2_cam1_1", "2/2_cam1_2"], "those of the pairs"
    with (tmp_path / "out/pairs.csv").open(newline="") as file:
        assert next(csv.DictReader(file)) == {"probe": "1/1_cam1_1", "reference": "1/1_cam2_1", "genuine": "1"}
    for wrong, said in (
        (pairs(("1_cam1_1.jpg", "2_cam1_1.jpg")), "1_cam1_1.jpg and 2_cam1_1.jpg are not of one person by their names"),
        (
            np.array([["1_cam1_1.jpg"], ["1_cam2_1.jpg"], ["2_cam1_1.jpg"]], object),
            "names 3 photos, which are not pairs",
        ),
    ):
        savemat(place / "positive_pairs_names.mat", {"positive_pairs_names": wrong})
        with pytest.raises(DataError, match=rf"positive_pairs_names.mat: {said}"):
            open_native_set(tmp_path)
    savemat(place / "positive_pairs_names.mat", {"positive_pairs_names": positive})
    (place / "negative_pairs_names.mat").rename(tmp_path / "aside.mat")
    with pytest.raises(DataError, match=r"negative_pairs_names.mat: is missing; get the set again"):
        open_native_set(tmp_path)
    (tmp_path / "aside.mat").rename(place / "negative_pairs_names.mat")
    (place / "verification_images/2_cam1_2.jpg").unlink()
    with pytest.raises(DataError, match=r"positive_pairs_names.mat: names '2_cam1_2.jpg', which is not in .*images"):
        open_native_set(tmp_path)


def test_scface_has_large_photos_in_its_gallery_and_probes_of_five_cameras(tmp_path: Path) -> None:
    for who in ("001", "002"):
        photo(tmp_path / f"mugshot_frontal_original_all/{who}_frontal.jpg", side=200)
        for camera in ("cam1_1", "cam5_3", "cam6_1", "cam8"):
            photo(tmp_path / f"surveillance_cameras_all/{who}_{camera}.jpg")
    found = open_native_set(tmp_path)
    assert (found.name, found.large) == ("SCface", "gallery")
    assert [(who, path.stem) for who, path in found.tables["probes"]] == [
        *(("001", "001_cam1_1"), ("001", "001_cam5_3"), ("002", "002_cam1_1"), ("002", "002_cam5_3")),
    ], "not those of infrared light"
    (tmp_path / "mugshot_frontal_original_all/002_frontal.jpg").unlink()
    with pytest.raises(DataError, match=r"mugshot_frontal_original_all: has no photo 002_frontal.jpg"):
        open_native_set(tmp_path)
    (tmp_path / "mugshot_frontal_original_all/001_frontal.jpg").unlink()
    with pytest.raises(DataError, match=r"mugshot_frontal_original_all: has no photos PERSON_frontal.jpg; get"):
        open_native_set(tmp_path)
    photo(tmp_path / "mugshot_frontal_original_all/001_frontal.jpg", side=200)
    for path in (tmp_path / "surveillance_cameras_all").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"surveillance_cameras_all: has no photos PERSON_camC_D.jpg; get"):
        open_native_set(tmp_path)


def test_the_probes_of_scface_are_divided_by_distance_as_the_guide_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{who}/{who}_cam{camera}_{distance}" for who in ("001", "002") for camera in "12" for distance in "123"]
    table = pa.table({"face_id": names}).replace_schema_metadata({"recognizer": "sface"})
    pq.write_table(table, "probes.parquet")
    (code,) = [block.text for block in blocks(DOCS / "guides/small-sets.md") if block.language == "python"]
    exec(code, {})
    for distance in "123":
        found = pq.read_table(f"probes-{distance}.parquet")
        assert found["face_id"].to_pylist() == [name for name in names if name.endswith(f"_{distance}")]
        assert found.schema.metadata[b"recognizer"] == b"sface"


@pytest.mark.parametrize("damage", [b"", b"no MATLAB file", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_a_damaged_list_is_one_line(tinyface: Path, damage: bytes) -> None:
    (tinyface / "probe_img_ID_pairs.mat").write_bytes(damage)
    with pytest.raises(DataError, match=r"(is not a readable MATLAB file|has no variable).*again") as error:
        open_native_set(tinyface)
    assert "\n" not in str(error.value)


def test_a_list_that_names_a_photo_elsewhere_is_refused(tinyface: Path) -> None:
    photo(tinyface / "Probe/../elsewhere.jpg")
    savemat(tinyface / "probe_img_ID_pairs.mat", {"probe_set": cells("../elsewhere.jpg"), "probe_ids": np.array([[1]])})
    with pytest.raises(DataError, match=r"names '../elsewhere.jpg', which is not in .*Probe"):
        open_native_set(tinyface)


def test_what_is_no_such_set_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a known set of small faces; give the folder of TinyFace's"):
        open_native_set(tmp_path)


def test_small_faces_are_unpacked_restored_embedded_and_searched_for(
    tinyface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("unpack", tinyface, "-o", tmp_path / "tiny", "--aligned")
    for table in ("gallery", "probes"):
        run("degrade", tmp_path / "tiny" / table, "--res", "14", "-o", tmp_path / f"{table}-14")
        run("embed", tmp_path / f"{table}-14", "--recognizer", "sface", "-o", tmp_path / f"{table}.parquet")
    run(
        "identify",
        tmp_path / "gallery.parquet",
        tmp_path / "probes.parquet",
        "--missing",
        "skip",
        "--replicates",
        "100",
    )
    printed = capsys.readouterr().out
    assert "closed set         4 searches among 5 people" in printed
    assert "rank-1 " in printed
    faces = pq.read_table(tmp_path / "tiny/probes", columns=["face_id", "identity"]).to_pylist()
    assert [tuple(face.values()) for face in faces] == [
        *(("1/11_3", "1"), ("2/12_3", "2"), ("2/12_4", "2"), ("3/13_3", "3")),
    ]


def test_photos_without_a_face_are_listed_and_none_at_all_is_one_line(tinyface: Path, tmp_path: Path) -> None:
    said = refusal("unpack", tinyface, "-o", tmp_path / "tiny")
    assert (
        "none of the 8 photos of gallery is usable (the first: " in said
        and "; lower --detection-score, or give" in said
    )
    assert not (tmp_path / "tiny").exists()
    (tinyface / "Probe/11_3.jpg").write_bytes(b"no photo")
    run("unpack", tinyface, "-o", tmp_path / "tiny", "--aligned")
    with (tmp_path / "tiny/rejects.csv").open(newline="") as file:
        (reject,) = csv.DictReader(file)
    assert (reject["table"], reject["face_id"]) == ("probes", "1/11_3") and "unreadable" in reject["reason"]
    said = refusal("unpack", tinyface, "-o", tmp_path / "again", "--detection-score", 2)
    assert "--detection-score 2: a confidence is between 0 and 1" in said


def listed(place: Path, kind: str, names: list[str], people: object) -> None:
    """Write a list of TinyFace."""
    file = {"gallery": "gallery_match_img_ID_pairs.mat", "probe": "probe_img_ID_pairs.mat"}[kind]
    savemat(place / file, {f"{kind}_set": cells(*names), f"{kind}_ids": people})


def test_a_number_is_one_person_whether_matlab_wrote_it_as_a_float_or_not(tinyface: Path) -> None:
    probes = ["11_3.jpg", "12_3.jpg", "12_4.jpg", "13_3.jpg"]
    for people in (np.array([1.0, 2.0, 2.0, 3.0]), np.array([1, 2, 2, 3], np.float32), cells("1", " 2", "2 ", "3")):
        listed(tinyface, "probe", probes, people)
        assert [who for who, _ in open_native_set(tinyface).tables["probes"]] == ["1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (np.array([1, 2, np.nan, 3]), r"12_4.jpg: the person on it is called 'nan', which is not a name"),
        (cells("1", "2", "", "3"), r"probe_img_ID_pairs.mat: entry 3 of probe_ids has 0 values instead of one"),
        (cells("1", "2", "2.0", "3"), r"Testing_Set: the people '2' and '2.0' look like one; spell the name one way"),
        (np.array([1, 2, 77, 78]), r"12_4.jpg: the gallery has no photo of this person, 77 \(2 such people in all\)"),
    ],
)
def test_a_list_of_people_that_will_not_do_is_one_line(tinyface: Path, people: object, said: str) -> None:
    listed(tinyface, "probe", ["11_3.jpg", "12_3.jpg", "12_4.jpg", "13_3.jpg"], people)
    with pytest.raises(DataError, match=said) as error:
        open_native_set(tinyface)
    assert "\n" not in str(error.value)


def test_photos_that_would_have_one_name_are_refused(tinyface: Path, survface: Path) -> None:
    photo(survface / "Face_Identification_Test_Set/mated_probe/8_cam3_9.png", 30)
    with pytest.raises(DataError, match=r"8_cam3_9.png: has the name of 8_cam3_9.jpg, apart from its suffix; remove"):
        open_native_set(survface)
    listed(tinyface, "probe", ["11_3.jpg", "11_3.jpg"], np.array([1, 2]))
    with pytest.raises(DataError, match=r"11_3.jpg: is listed twice, as a photo of 1 and of 2; get the set again"):
        open_native_set(tinyface)
    listed(tinyface, "probe", [], np.empty((0, 1)))
    with pytest.raises(DataError, match=r"Testing_Set: TinyFace has no photos in probes here; get the set again"):
        open_native_set(tinyface)


def test_a_probe_with_the_name_of_a_photo_in_the_gallery_has_a_name_of_its_own(survface: Path) -> None:
    """Otherwise, `ftlgan identify` would take it for that photo, and never compare the two."""
    photo(survface / "Face_Identification_Test_Set/mated_probe/8_cam1_1.jpg", 30)
    found = open_native_set(survface)
    assert [found.face_ids[path] for _, path in found.tables["gallery"]][2] == "8/8_cam1_1"
    assert [found.face_ids[path] for _, path in found.tables["probes"]] == [
        *("7/7_cam3_9", "8/probes/8_cam1_1", "8/8_cam3_9"),
    ]


def test_a_gallery_without_photos_is_one_line(survface: Path) -> None:
    for path in (survface / "Face_Identification_Test_Set/gallery").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"QMUL-SurvFace: QMUL-SurvFace, identification has no photos in gallery here"):
        open_native_set(survface)


def test_what_is_left_out_is_counted_and_the_advice_is_for_the_options_that_were_given(
    tinyface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        photo(tinyface / f"Gallery_Match/13_{number}.jpg", number)
        Image.new("RGB", (20, 30)).save(tinyface / f"Gallery_Match/13_{number}.jpg")
    (tinyface / "Probe/12_3.jpg").write_bytes(b"no photo")
    run("unpack", tinyface, "-o", tmp_path / "tiny", "--aligned")
    assert capsys.readouterr().out.splitlines() == [
        "TinyFace",
        f"{tmp_path}/tiny: 6 faces of 4 people in gallery; left out, see rejects.csv: 2 of 8 photos, 1 of 5 people",
        f"{tmp_path}/tiny: 3 faces of 3 people in probes; left out, see rejects.csv: 1 of 4 photos",
        "no face in gallery for 1 of 3 people in probes, such as 3; give ftlgan identify the option --missing skip to "
        "leave their probes out",
    ]
    with (tmp_path / "tiny/rejects.csv").open(newline="") as file:
        reason = next(csv.DictReader(file))["reason"]
    assert reason == "not square: 20x30 px, but aligned faces are square (--aligned)"
    for path in (tinyface / "Probe").iterdir():
        path.write_bytes(b"no photo")
    said = refusal("unpack", tinyface, "-o", tmp_path / "other", "--aligned")
    assert "none of the 4 photos of probes is usable (the first: 1/11_3, unreadable" in said
    assert said.endswith("; omit --aligned to detect the faces")


def test_a_set_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for options in ((), ("--aligned",)):
        said = refusal("unpack", tmp_path / "nope", "-o", tmp_path / "out", *options)
        assert f"{tmp_path}/nope: there is no such file or folder; give a verification set such as lfw.bin" in said
