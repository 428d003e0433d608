"""`ftlgan embed`, on real photos: what it writes is what the pipeline would, and `ftlgan verify` takes it."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from ftlgan import cli
from ftlgan.alignment import Aligner
from ftlgan.faces import embeddings_of, encode_png, recognizer_of
from ftlgan.params import load_params
from ftlgan.recognition import command, recognizers
from ftlgan.recognition.onnx_file import OnnxRecognizer

PEOPLE, EACH = 3, 3
FACES_PER_PART = 4
KILLED = f"""
import os
from ftlgan import cli
from ftlgan.recognition import command
from ftlgan.recognition.onnx_file import OnnxRecognizer

command.FACES_PER_PART = command.FACES_PER_CALL = {FACES_PER_PART}
embed, calls = OnnxRecognizer.embed, []

def embed_or_die(self, faces):
    calls.append(len(faces))
    if len(calls) == 3:
        os.kill(os.getpid(), 9)
    return embed(self, faces)

OnnxRecognizer.embed = embed_or_die
cli.main()
"""
"""The program, with small parts, that is killed while it embeds the third."""


def run(name: str, *arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ftlgan", name, *map(str, arguments)])
        cli.main()


def embed(*arguments: object, recognizer: str = "sface") -> None:
    run("embed", *arguments, "--recognizer", recognizer)


def refusal(*arguments: object, recognizer: str = "sface") -> str:
    """The one line of an error."""
    with pytest.raises(SystemExit) as end:
        embed(*arguments, recognizer=recognizer)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, without params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "FACES_PER_PART", FACES_PER_PART)
    monkeypatch.setattr(command, "FACES_PER_CALL", FACES_PER_PART)
    return tmp_path


@pytest.fixture
def album(photos: Path, place: Path) -> Path:
    """Three people with three photos each, to change."""
    for person in sorted(photos.iterdir())[:PEOPLE]:
        for path in sorted(person.iterdir())[:EACH]:
            (place / "album" / person.name).mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place / "album" / person.name / path.name)
    return place / "album"


@pytest.fixture
def flat(album: Path, place: Path) -> Path:
    """The same photos in one folder, called `PERSON-PHOTO`."""
    (place / "flat").mkdir()
    for path in album.rglob("*.jpg"):
        path.rename(place / "flat" / f"{path.parent.name}-{path.name}")
    return place / "flat"


def write_table(path: Path, faces: np.ndarray, **columns: object) -> Path:
    names = {"face_id": [f"f{k}" for k in range(len(faces))], "identity": [f"p{k // 2}" for k in range(len(faces))]}
    rows = {"image": [encode_png(face) for face in faces], **names, **columns}
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({name: values for name, values in rows.items() if values is not None}), path)
    return path


def rejects(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["face_id", "identity", "reason"]
    return rows


def test_photos_are_aligned_and_embedded_as_the_pipeline_does(album: Path, place: Path) -> None:
    embed(album, "-o", "e.parquet")
    table = pq.read_table(place / "e.parquet")
    paths = sorted(album.rglob("*.jpg"))
    assert table.schema.names == ["face_id", "identity", "embedding"]
    assert table.column("face_id").to_pylist() == [str(path.relative_to(album)) for path in paths]
    assert table.column("identity").to_pylist() == [path.parent.name for path in paths]
    sface, aligner = recognizers.load("sface"), Aligner(0.7, 30)
    assert recognizer_of(table) == {"recognizer": "sface", "sha256": sface.sha256}
    crops = np.stack([aligner(path.read_bytes()).image for path in paths])
    np.testing.assert_array_equal(embeddings_of(table), sface.embed(crops))
    assert rejects(place / "e.rejects.csv") == []
    assert sorted(path.name for path in place.iterdir()) == ["album", "e.parquet", "e.rejects.csv"]


def test_verify_takes_the_embeddings(album: Path, capsys: pytest.CaptureFixture[str]) -> None:
    embed(album, "-o", "e.parquet")
    run("verify", "e.parquet", "--replicates", "100")
    said = capsys.readouterr().out
    assert "9 photos of 3 people" in said
    assert "9 genuine, 27 impostor" in said
    assert "recognizer         sface" in said


def test_embeddings_of_two_recognizers_are_not_compared(album: Path) -> None:
    embed(album, "-o", "sface.parquet")
    embed(album, "-o", "dlib.parquet", recognizer="dlib")
    with pytest.raises(SystemExit) as end:
        run("verify", "sface.parquet", "--references", "dlib.parquet")
    assert isinstance(end.value.code, str)
    assert "embed both with one recognizer" in end.value.code
    assert "\n" not in end.value.code


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(
    album: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album / "person-0000" / "0000.jpg").write_bytes(b"no photo")
    embed(album, "-o", "whole.parquet")
    arguments = ["embed", str(album), "--recognizer", "sface", "-o", "e.parquet"]
    died = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    assert len(list((place / "e.parts").glob("part-*.parquet"))) == 2
    assert not (place / "e.parquet").exists()
    embedded: list[int] = []
    plain = OnnxRecognizer.embed
    monkeypatch.setattr(OnnxRecognizer, "embed", lambda self, faces: embedded.append(len(faces)) or plain(self, faces))
    embed(album, "-o", "e.parquet")
    assert embedded == [PEOPLE * EACH - 2 * FACES_PER_PART]
    assert (place / "e.parquet").read_bytes() == (place / "whole.parquet").read_bytes()
    assert (place / "e.rejects.csv").read_bytes() == (place / "whole.rejects.csv").read_bytes()
    assert not (place / "e.parts").exists()


@pytest.mark.parametrize("change", ["photos or faces", "recognizer", "options"])
def test_parts_of_something_else_are_not_used(
    album: Path, place: Path, change: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        calls: list[int] = []
        plain = OnnxRecognizer.embed

        def interrupted(self: OnnxRecognizer, faces: np.ndarray) -> np.ndarray:
            calls.append(len(faces))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return plain(self, faces)

        patch.setattr(OnnxRecognizer, "embed", interrupted)
        with pytest.raises(SystemExit):
            embed(album, "-o", "e.parquet")
    assert (place / "e.parts" / "part-00000.parquet").exists()
    if change == "photos or faces":
        shutil.copy(album / "person-0001" / "0001.jpg", album / "person-0000" / "0000.jpg")
    recognizer = "dlib" if change == "recognizer" else "sface"
    options = ("--aligned",) if change == "options" else ()
    capsys.readouterr()
    embed(album, "-o", "e.parquet", *options, recognizer=recognizer)
    assert f"e.parts: is from another run, with other {change}; starting again" in capsys.readouterr().err
    embed(album, "-o", "new.parquet", *options, recognizer=recognizer)
    assert (place / "e.parquet").read_bytes() == (place / "new.parquet").read_bytes()


def test_photos_of_nobody_knows_whom_are_verified_by_a_list_of_pairs(
    flat: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embed(flat, "-o", "e.parquet")
    names = pq.read_table(place / "e.parquet").column("face_id").to_pylist()
    assert pq.read_schema(place / "e.parquet").names == ["face_id", "embedding"]
    pairs = [(a, b, int(a[:11] == b[:11])) for k, a in enumerate(names) for b in names[k + 1 :]]
    (place / "pairs.csv").write_text("\n".join(["probe,reference,genuine", *(f"{a},{b},{g}" for a, b, g in pairs)]))
    run("verify", "e.parquet", "--pairs", "pairs.csv")
    said = capsys.readouterr().out
    assert "e.parquet: 9 photos\n" in said
    assert "9 genuine, 27 impostor" in said
    assert "no intervals: the identities are unknown; give the table a column identity" in said


def test_a_list_gives_the_same_metrics_with_people_and_without(
    place: Path, aligned_faces: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(a, b, int(a // 2 == b // 2)) for a in range(6) for b in range(a)]
    (place / "pairs.csv").write_text("probe,reference,genuine\n" + "".join(f"f{a},f{b},{g}\n" for a, b, g in pairs))

    def metrics(**columns: object) -> list[list[str]]:
        embed(write_table(place / "t.parquet", aligned_faces, **columns), "-o", "e.parquet")
        (place / "e.parquet").rename(place / "t.parquet")
        capsys.readouterr()
        run("verify", "t.parquet", "--pairs", "pairs.csv", "--replicates", "100")
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        return [line[:2] for line in lines if line and line[0] in ("d'", "AUC", "EER")]

    with_people = metrics()
    assert len(with_people) == 3
    assert metrics(identity=None) == with_people


def test_aligned_faces_are_taken_as_they_are(place: Path, aligned_faces: np.ndarray) -> None:
    for k, face in enumerate(aligned_faces):
        path = place / "crops" / f"p{k // 2}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(face[:100] if k == 5 else face))
    embed(place / "crops", "-o", "e.parquet", "--aligned")
    table = pq.read_table(place / "e.parquet")
    np.testing.assert_array_equal(embeddings_of(table), recognizers.load("sface").embed(aligned_faces[:5]))
    ((name, who, reason),) = rejects(place / "e.rejects.csv")
    assert (name, who) == ("p2/5.png", "p2")
    assert reason.startswith("not square")


def test_a_table_keeps_its_names_and_splits(place: Path, aligned_faces: np.ndarray) -> None:
    splits = ["train"] * 4 + ["test"] * 2
    write_table(place / "faces" / "part-00000.parquet", aligned_faces[:4], split=splits[:4])
    write_table(place / "faces" / "part-00001.parquet", aligned_faces[4:], face_id=["f4", "f5"], split=splits[4:])
    embed(place / "faces", "-o", "e.parquet")
    table = pq.read_table(place / "e.parquet")
    assert table.column("face_id").to_pylist() == [f"f{k}" for k in range(6)]
    assert table.column("split").to_pylist() == splits
    np.testing.assert_array_equal(embeddings_of(table), recognizers.load("sface").embed(aligned_faces))


def test_a_table_without_people_and_with_a_damaged_image(place: Path, aligned_faces: np.ndarray) -> None:
    images = [b"damaged", *(encode_png(face) for face in aligned_faces[1:])]
    embed(write_table(place / "t.parquet", aligned_faces, identity=None, image=images), "-o", "e.parquet")
    assert pq.read_table(place / "e.parquet").column("face_id").to_pylist() == ["f1", "f2", "f3", "f4", "f5"]
    assert rejects(place / "e.rejects.csv") == [["f0", "", "unreadable: not an image"]]


def test_nothing_is_lost_silently(album: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person = album / "person-0001"
    (person / "0000.jpg").write_bytes(b"no photo")
    (person / "0001.jpg").write_bytes(encode_png(np.full((200, 200, 3), 90, np.uint8)))
    (person / "0002.jpg").unlink()
    (person / "0002.jpg").symlink_to("/proc/self/mem")  # a file that can't be read, also by root
    embed(album, "-o", "e.parquet")
    found = rejects(place / "e.rejects.csv")
    assert [row[:2] for row in found] == [[f"person-0001/000{k}.jpg", "person-0001"] for k in range(3)]
    assert found[0][2] == "unreadable: not an image"
    assert found[1][2].startswith("no face")
    assert found[2][2] == "unreadable: Input/output error"
    assert pq.read_table(place / "e.parquet").num_rows == PEOPLE * EACH - 3
    assert "6 embeddings by sface; 3 rejects (2 unreadable, 1 no face" in capsys.readouterr().out


def test_an_embedding_that_is_not_finite_is_a_reject(
    place: Path, aligned_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = OnnxRecognizer.embed
    blank = aligned_faces[0].copy()

    def without_direction(self: OnnxRecognizer, faces: np.ndarray) -> np.ndarray:
        alike = (faces == blank).all(axis=(1, 2, 3))
        return np.where(alike[:, None], np.nan, plain(self, faces)).astype(np.float32)

    monkeypatch.setattr(OnnxRecognizer, "embed", without_direction)
    embed(write_table(place / "t.parquet", aligned_faces), "-o", "e.parquet")
    assert pq.read_table(place / "e.parquet").num_rows == 5
    assert "not finite" in rejects(place / "e.rejects.csv")[0][2]


def test_no_face_at_all_is_an_error_that_names_the_list(place: Path) -> None:
    (place / "photos").mkdir()
    (place / "photos" / "a.jpg").write_bytes(b"no photo")
    assert "none of 1 gives an embedding; e.rejects.csv has the reasons" in refusal("photos", "-o", "e.parquet")
    assert rejects(place / "e.rejects.csv") == [["a.jpg", "", "unreadable: not an image"]]
    assert sorted(path.name for path in place.iterdir()) == ["e.rejects.csv", "photos"]


def test_another_recognizers_file_and_other_files_are_not_overwritten(place: Path, aligned_faces: np.ndarray) -> None:
    table = write_table(place / "t.parquet", aligned_faces)
    embed(table, "-o", "e.parquet")
    first = (place / "e.parquet").read_bytes()
    said = refusal(table, "-o", "e.parquet", recognizer="dlib")
    assert "e.parquet: has embeddings by another recognizer, sface" in said
    assert "remove it, or choose another output" in said
    embed(table, "-o", "e.parquet")
    assert (place / "e.parquet").read_bytes() == first
    for content in (b"mine", table.read_bytes()):
        (place / "mine.parquet").write_bytes(content)
        assert "did not write it; remove it, or choose another output" in refusal(table, "-o", "mine.parquet")
        assert (place / "mine.parquet").read_bytes() == content


@pytest.mark.parametrize("name", ["e.rejects.csv", "e.parts/thesis.txt", "e.parts"])
def test_other_files_beside_the_output_are_left_alone(place: Path, aligned_faces: np.ndarray, name: str) -> None:
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text("mine")
    said = refusal(write_table(place / "t.parquet", aligned_faces), "-o", "e.parquet")
    assert str(Path(name).parts[0]) in said
    assert (place / name).read_text() == "mine"
    assert not (place / "e.parquet").exists()


def test_one_run_at_a_time(place: Path, aligned_faces: np.ndarray) -> None:
    (place / "e.parts").mkdir()
    with FileLock(place / "e.parts" / ".lock"):
        assert "is in use by another `ftlgan embed`" in refusal(
            write_table(place / "t.parquet", aligned_faces), "-o", "e.parquet"
        )


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("nowhere", "e.parquet", "nowhere: there is no such file or folder"),
        ("empty", "e.parquet", "empty: has no photos"),
        ("t.csv", "e.parquet", "t.csv: is not a Parquet table"),
        ("mixed", "e.parquet", "mixed: has photos next to the folder p"),
        ("empty", "e.csv", "must end in .parquet"),
        ("empty", "empty/e.parquet", "is inside the input folder"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(
    place: Path, aligned_faces: np.ndarray, source: str, output: str, message: str
) -> None:
    (place / "empty").mkdir()
    (place / "t.csv").write_text("face_id\n")
    (place / "mixed" / "p").mkdir(parents=True)
    for name in ("a.png", "p/b.png"):
        (place / "mixed" / name).write_bytes(encode_png(aligned_faces[0]))
    assert message in refusal(source, "-o", output)
    assert not (place / "e.parts").exists()


def test_an_unknown_recognizer_is_refused_with_those_that_are_known(place: Path) -> None:
    said = refusal("photos", "-o", "e.parquet", recognizer="arcface")
    assert "--recognizer arcface: is not in what is built in" in said
    assert "use one of sface, dlib" in said


PARAMS = Path(__file__).parents[2] / "params.yaml"
MINE = """  mine:
    file: mine.onnx
    sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    license: my own
  sface: """


def test_a_recognizer_of_params_is_loaded_from_its_file(
    place: Path, aligned_faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "params.yaml").write_text(PARAMS.read_text().replace("  sface: ", MINE, 1))
    assert "is not in recognizers of params.yaml; use one of sface, dlib, mine" in refusal(
        "photos", "-o", "e.parquet", recognizer="other"
    )
    asked: list[tuple] = []
    sface = recognizers.load("sface")
    monkeypatch.setattr(recognizers, "load", lambda *arguments: asked.append(arguments) or sface)
    embed(write_table(place / "t.parquet", aligned_faces), "-o", "e.parquet", recognizer="mine")
    ((name, file),) = asked
    assert (name, file.file, file.license) == ("mine", "mine.onnx", "my own")


def test_the_section_align_of_params_is_used(place: Path, aligned_faces: np.ndarray) -> None:
    (place / "params.yaml").write_text(PARAMS.read_text().replace("aligned: false", "aligned: true", 1))
    (place / "crops").mkdir()
    (place / "crops" / "a.png").write_bytes(encode_png(aligned_faces[0]))
    embed("crops", "-o", "e.parquet")
    np.testing.assert_array_equal(
        embeddings_of(pq.read_table("e.parquet")), recognizers.load("sface").embed(aligned_faces[:1])
    )


def test_outside_a_project_faces_are_aligned_by_the_defaults() -> None:
    assert load_params(PARAMS).align == command.ALIGN
