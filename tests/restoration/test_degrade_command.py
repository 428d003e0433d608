"""`ftlgan degrade`: it makes what the functions of the pipeline make; `ftlgan embed` and `verify` take it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import refusal, run

from ftlgan import restoration
from ftlgan.conditions import shrink
from ftlgan.degradation import degrade, shrink_by_held_out_chain, stream_of
from ftlgan.faces import FACES, HR, decode_face, encode_png
from ftlgan.networks.generator import Generator, Size
from ftlgan.networks.weights import save_generator
from ftlgan.restoration.trained import Trained

COUNT = 11
NAMES = [f"set/{number}" for number in range(COUNT)]
IDENTITIES = [f"p{number // 2}" for number in range(COUNT)]
SIZE = Size(trunk="dense", features=8, blocks=1, growth=4, positions=False)
PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Smooth images with an edge that stand for aligned faces: uint8, (11, 112, 112, 3)."""
    y, x = np.mgrid[:HR, :HR]
    images = [np.stack([x + 9 * k, 2 * y, (x > 5 * k) * 200 + y // 4], axis=-1) for k in range(COUNT)]
    return np.stack(images).astype(np.uint8)


@pytest.fixture
def table(faces: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table in the working directory, where there is no params.yaml."""
    monkeypatch.chdir(tmp_path)
    return write(Path("faces"), faces)


def write(folder: Path, faces: np.ndarray, **columns: object) -> Path:
    rows = {
        "face_id": NAMES,
        "identity": IDENTITIES,
        "split": ["test"] * COUNT,
        "image": [encode_png(face) for face in faces],
    }
    folder.mkdir()
    known = {name: values for name, values in (rows | columns).items() if values is not None}
    pq.write_table(pa.table(known), folder / "part-00000.parquet")
    return folder


def restored(folder: str) -> np.ndarray:
    table = pq.read_table(f"{folder}/part-00000.parquet")
    assert table["face_id"].to_pylist() == NAMES
    return np.stack([decode_face(image) for image in table["image"].to_pylist()])


Naive = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@pytest.mark.parametrize(
    ("condition", "res", "naive"),
    [
        ("bicubic", 14, lambda face, rng: degrade(face, 14)),
        ("box", 28, lambda face, rng: degrade(face, 28, "box")),
        ("realistic", 14, lambda face, rng: degrade(face, 14, "realistic", rng)),
        ("held-out", 56, lambda face, rng: shrink_by_held_out_chain(face, 0.5, rng)),
    ],
)
def test_faces_go_through_the_condition_and_are_restored(
    table: Path, faces: np.ndarray, condition: str, res: int, naive: Naive
) -> None:
    run("degrade", table, "-o", "out", "--res", res, "--condition", condition, "--seed", 3)
    small = np.stack([naive(face, stream_of(3, name)) for face, name in zip(faces, NAMES, strict=True)])
    np.testing.assert_array_equal(restored("out"), restoration.load("bicubic").restore(small))
    assert pq.read_schema("out/part-00000.parquet").equals(FACES)
    assert pq.read_table("out/part-00000.parquet")["identity"].to_pylist() == IDENTITIES


def test_a_generator_restores_by_its_file(table: Path, faces: np.ndarray) -> None:
    torch.manual_seed(0)
    save_generator(Path("mine.safetensors"), Generator(14, **SIZE), {"res": 14, **SIZE})
    run("degrade", table, "-o", "out", "--res", 14, "--method", "mine.safetensors")
    small = np.stack([shrink(face, name, 14, "bicubic", 0) for face, name in zip(faces, NAMES, strict=True)])
    naive = np.concatenate([Trained(Path("mine.safetensors"), 14).restore(small[k : k + 8]) for k in (0, 8)])
    np.testing.assert_array_equal(restored("out"), naive)
    assert "mine.safetensors: restores faces of 14 px, but res is 28" in refusal(
        "degrade", table, "-o", "other", "--res", 28, "--method", "mine.safetensors"
    )


def test_a_method_restores_by_the_weights_of_params_or_by_those_in_a_package(table: Path) -> None:
    run("degrade", table, "-o", "packaged", "--res", 14, "--method", "realesrgan")
    Path("params.yaml").write_text(PARAMS.read_text())
    run("degrade", table, "-o", "project", "--res", 14, "--method", "realesrgan")
    np.testing.assert_array_equal(restored("packaged"), restored("project"))
    changed = PARAMS.read_text().replace("file: packaged", "file: nowhere.pth")
    assert changed != PARAMS.read_text()
    Path("params.yaml").write_text(changed)
    assert "nowhere.pth" in refusal("degrade", table, "-o", "other", "--res", 14, "--method", "realesrgan")


@pytest.mark.parametrize("columns", [{}, {"identity": pa.nulls(COUNT, pa.string())}, {"identity": None, "split": None}])
def test_pairs_are_judged_from_small_to_large_and_small_to_small(
    faces: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: dict[str, object],
) -> None:
    monkeypatch.chdir(tmp_path)
    table = write(Path("faces"), faces, **columns)
    pairs = [(a, b, int(a // 2 == b // 2)) for a in range(COUNT) for b in range(a)]
    lines = [f"{NAMES[a]},{NAMES[b]},{k % 5},{genuine}" for k, (a, b, genuine) in enumerate(pairs)]
    Path("pairs.csv").write_text("\n".join(["probe,reference,fold,genuine", *lines]))
    run("degrade", table, "-o", "lr", "--res", 14)
    for name, source in (("hr", table), ("lr", "lr")):
        run("embed", source, "--recognizer", "sface", "-o", f"{name}.parquet")
    capsys.readouterr()
    for references in (["--references", "hr.parquet"], []):
        run("verify", "lr.parquet", "--pairs", "pairs.csv", "--replicates", 100, *references)
        said = capsys.readouterr().out
        assert "5 genuine, 50 impostor" in said
        assert "5 folds" in said
        assert ("no intervals: the identities are unknown" in said) == bool(columns)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "-o", "out"), "nowhere: there is no such file or folder"),
        (("empty", "-o", "out"), "empty: has no .parquet files; give a table of aligned faces"),
        (("faces", "-o", "faces"), "faces: already exists; remove it, or choose another folder"),
        (("faces", "-o", "out", "--method", "srgan"), "--method srgan: is neither a method nor a file; use"),
        (("faces", "-o", "out", "--method", "empty"), "--method empty: is neither"),
        (("faces", "-o", "out", "--method", "faces/part-00000.parquet"), "is not a whole safetensors file"),
        (("faces", "-o", "out", "--method", "gfpgan"), "weights.gfpgan: is missing; give the file and sha256"),
        (("damaged", "-o", "out"), "damaged: set/0 is unreadable: not an image; write the table again"),
        (("small", "-o", "out"), "set/0 has 56x56 px, not 112x112 as aligned faces"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_and_leaves_nothing(
    table: Path, faces: np.ndarray, arguments: tuple[str, ...], message: str
) -> None:
    Path("empty").mkdir()
    write(Path("damaged"), faces, image=[b"damaged", *(encode_png(face) for face in faces[1:])])
    write(Path("small"), faces[:, ::2, ::2])
    before = sorted(Path().rglob("*"))
    assert message in refusal("degrade", *arguments, "--res", 14)
    assert sorted(Path().rglob("*")) == before
