"""Files of recognizers: found where params.yaml says, downloaded once, and anything else is one line."""

import io
import shutil
import threading
import zipfile
from collections.abc import Callable, Generator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnx
import pytest
from insightface.model_zoo import model_zoo
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.utils import storage
from onnx import helper
from onnx.external_data_helper import set_external_data
from onnx_models import assemble, build, export, save, scaling_itself

from ftlgan.errors import DataError, FtlganError, ParamsError, WeightsError
from ftlgan.params import RecognizerFile
from ftlgan.recognition import recognizers
from ftlgan.recognition.files import find
from ftlgan.recognition.packs import RECOGNIZERS
from ftlgan.recognition.preprocessing import Preprocessing
from ftlgan.weights.packaged import sha256_of

FLAT = [helper.make_node("Flatten", ["faces"], ["embeddings"])]


@cache
def mobilefacenet() -> onnx.ModelProto:
    return export(build("mobilefacenet"))


def detector() -> onnx.ModelProto:
    """What insightface takes for a detector: nine outputs."""
    model = assemble([helper.make_node("Identity", ["faces"], [f"output{index}"]) for index in range(9)])
    outputs = [helper.make_tensor_value_info(f"output{index}", onnx.TensorProto.FLOAT, None) for index in range(9)]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return home


class Server(ThreadingHTTPServer):
    """Serves `files`, by their paths, and counts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path.partition("?")[0])
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    """A server where insightface looks for its packs."""
    with Server() as server:
        monkeypatch.setattr(storage, "MODEL_ZOO_RELEASE_DOWNLOAD_URL", f"{server.url}/")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def refusal(file: RecognizerFile, kind: type[FtlganError] = WeightsError) -> str:
    with pytest.raises(kind) as error:
        recognizers.load("mine", file)
    assert "\n" not in str(error.value)
    return str(error.value)


def in_pack(model: onnx.ModelProto, home: Path, pack: str = "buffalo_l") -> RecognizerFile:
    """Make a pack where insightface keeps it, of a recognizer and of what comes before and after it."""
    folder = home / ".insightface" / "models" / pack
    for name in ("det_10g.onnx", "z.onnx"):
        save(detector(), folder / name)
    return save(model, folder / "w600k_r50.onnx", file=f"insightface:{pack}")


def zipped(contents: dict[str, onnx.ModelProto]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, model in contents.items():
            archive.writestr(name, model.SerializeToString())
    return file.getvalue()


def test_a_path_is_seen_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(mobilefacenet(), tmp_path / "models" / "mine.onnx", file="models/mine.onnx")
    monkeypatch.chdir(tmp_path)
    found = find("mine", file)
    assert found.path == Path("models/mine.onnx")
    assert found.sha256 == sha256_of(found.path)
    assert found.model == mobilefacenet()
    assert found.output == "embeddings"
    assert found.preprocessing == Preprocessing()


def test_an_entry_says_what_the_file_takes(tmp_path: Path) -> None:
    file = save(assemble(FLAT, size=64), tmp_path / "a.onnx", size=64, color="bgr", mean=[104, 117, 123], std=58)
    assert find("mine", file).preprocessing == Preprocessing(64, "bgr", (104, 117, 123), (58, 58, 58))


def test_an_address_is_downloaded_once_whatever_else_is_called_like_it(tmp_path: Path, server: Server) -> None:
    entries: list[RecognizerFile] = []
    for index, model in enumerate((mobilefacenet(), assemble(FLAT))):
        server.files[f"/{index}/model.onnx"] = model.SerializeToString()
        url = f"{server.url}/{index}/model.onnx?download=true"
        entries.append(save(model, tmp_path / "here.onnx", file=url))
    assert [find("mine", file).model for file in entries * 2] == [mobilefacenet(), assemble(FLAT)] * 2
    assert len(server.asked) == 2


def test_nothing_is_downloaded_again_for_a_digest_that_is_corrected(tmp_path: Path, server: Server) -> None:
    server.files["/model.onnx"] = mobilefacenet().SerializeToString()
    file = save(mobilefacenet(), tmp_path / "here.onnx", file=f"{server.url}/model.onnx")
    assert f"has SHA-256 {file.sha256}" in refusal(file.model_copy(update={"sha256": "0" * 64}), DataError)
    assert find("mine", file).model == mobilefacenet()
    assert len(server.asked) == 1


def test_without_a_network_an_address_says_what_to_download_and_where_to_put_it(tmp_path: Path, server: Server) -> None:
    server.files["/model.onnx"] = mobilefacenet().SerializeToString()
    file = save(mobilefacenet(), tmp_path / "here.onnx", file=f"{server.url}/other/model.onnx")
    message = refusal(file, DataError)
    assert file.file in message
    assert file.sha256 in message
    place = Path(message.partition("put it at ")[2].partition(" by hand")[0])
    place.write_bytes(server.files["/model.onnx"])
    assert find("mine", file).path == place


@pytest.mark.parametrize(
    ("model", "preprocessing"),
    [
        (mobilefacenet, Preprocessing()),
        (lambda: scaling_itself(mobilefacenet()), Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))),
    ],
    ids=["scaled before", "scales pixels itself"],
)
def test_embeddings_by_a_pack_are_those_of_insightface(
    model: Callable[[], onnx.ModelProto], preprocessing: Preprocessing, home: Path, faces: np.ndarray
) -> None:
    file = in_pack(model(), home)
    found = find("mine", file)
    assert found.preprocessing == preprocessing
    theirs = model_zoo.get_model(str(found.path), providers=["CPUExecutionProvider"])
    assert isinstance(theirs, ArcFaceONNX)
    expected = np.asarray(theirs.get_feat([np.ascontiguousarray(face[..., ::-1]) for face in faces]))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(recognizers.load("mine", file).embed(faces), expected, atol=1e-6)
    assert np.abs(expected - expected[:1])[1:].max() > 1e-2


@pytest.mark.parametrize("folder", ["", "antelopev2/"], ids=["flat", "with a folder of its own"])
def test_a_pack_is_downloaded_once_by_insightface(folder: str, server: Server, home: Path, tmp_path: Path) -> None:
    contents = {f"{folder}glintr100.onnx": mobilefacenet(), f"{folder}scrfd_10g_bnkps.onnx": detector()}
    server.files["/antelopev2.zip"] = zipped(contents)
    file = save(mobilefacenet(), tmp_path / "here.onnx", file="insightface:antelopev2")
    models = home / ".insightface" / "models"
    for _ in range(2):
        assert find("mine", file).path == models / "antelopev2" / folder / "glintr100.onnx"
    assert server.asked == ["/antelopev2.zip"]
    assert storage.ensure_available("models", "antelopev2") == str(models / "antelopev2")  # insightface finds it, too
    assert [path.name for path in models.iterdir()] == ["antelopev2"]


class Killed(BaseException):
    pass


def unpack_half(archive: zipfile.ZipFile, path: str) -> None:
    archive.extract(archive.namelist()[0], path)
    raise Killed


def test_what_an_interrupted_run_leaves_is_never_taken_for_a_pack(
    server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = zipped({"det_10g.onnx": detector(), "w600k_r50.onnx": mobilefacenet()})
    file = save(mobilefacenet(), tmp_path / "here.onnx", file="insightface:buffalo_l")
    server.files["/buffalo_l.zip"] = whole[: len(whole) // 2]
    assert "buffalo_l.zip: can't be downloaded (BadZipFile)" in refusal(file, DataError)
    server.files["/buffalo_l.zip"] = whole
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(zipfile.ZipFile, "extractall", unpack_half)
        patch.setattr(shutil, "rmtree", lambda *_args, **_keys: None)  # a process that is killed tidies nothing
        find("mine", file)
    assert find("mine", file).model == mobilefacenet()
    assert sorted(path.name for path in (home / ".insightface" / "models").iterdir()) == ["buffalo_l"]


@pytest.mark.parametrize("reason", ["the server refuses", "ConnectionError"])
def test_without_a_network_a_pack_says_what_to_download_and_where_to_put_it(
    reason: str, server: Server, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "ConnectionError":
        monkeypatch.setattr(storage, "MODEL_ZOO_RELEASE_DOWNLOAD_URL", "http://127.0.0.1:9/")
    file = save(mobilefacenet(), tmp_path / "here.onnx", file="insightface:buffalo_s")
    message = refusal(file, DataError)
    assert message.startswith(f"{storage.MODEL_ZOO_RELEASE_DOWNLOAD_URL}buffalo_s.zip: can't be downloaded ({reason})")
    assert f"by hand into {home}/.insightface/models/buffalo_s (" in message
    assert file.sha256 in message


def test_the_license_of_a_pack_is_said_once(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    find("mine", save(mobilefacenet(), tmp_path / "mine.onnx"))
    assert not capsys.readouterr().err
    file = in_pack(mobilefacenet(), home)
    find("mine", file)
    said = capsys.readouterr()
    assert said.err.startswith("buffalo_l: non-commercial research only")
    assert said.err.count("\n") == 1
    assert "recognizers.mine.license: made by a test" in said.err
    find("mine", file)
    assert not capsys.readouterr().err
    find("mine", in_pack(mobilefacenet(), home, "buffalo_s"))
    assert "buffalo_s: non-commercial" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pack", "sha256", "said"),
    [
        ("buffalo_l", "0" * 64, f"buffalo_l, has {RECOGNIZERS['buffalo_l'][1]}; set recognizers.mine.sha256 to it"),
        ("buffalo_l", RECOGNIZERS["buffalo_l"][1], "w600k_r50.onnx should have it; delete the folder"),
        ("buffalo_m", "0" * 64, "it has det_10g.onnx with "),
    ],
)
def test_a_digest_that_no_file_of_a_pack_has(home: Path, pack: str, sha256: str, said: str) -> None:
    file = in_pack(mobilefacenet(), home, pack)
    message = refusal(file.model_copy(update={"sha256": sha256}))
    assert message.startswith(f"{home}/.insightface/models/{pack}: no file there has SHA-256 {sha256}; ")
    assert said in message
    assert pack == "buffalo_l" or f"w600k_r50.onnx with {file.sha256}" in message


def test_the_detector_of_a_pack_is_no_recognizer(home: Path) -> None:
    file = in_pack(mobilefacenet(), home)
    digest = sha256_of(home / ".insightface" / "models" / "buffalo_l" / "det_10g.onnx")
    assert "several outputs may be embeddings" in refusal(file.model_copy(update={"sha256": digest}))


@pytest.mark.parametrize("pack", ["", "..", "../buffalo_l", ".hidden"])
def test_what_is_no_name_of_a_pack(home: Path, pack: str) -> None:
    file = in_pack(mobilefacenet(), home).model_copy(update={"file": f"insightface:{pack}"})
    assert "recognizers.mine.file: " in refusal(file, ParamsError)


@pytest.mark.parametrize("content", [b"", b"\x07" * 1000, b"PK\x03\x04" + bytes(100), b"<html>Not found</html>"])
def test_random_bytes_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(content)
    message = refusal(RecognizerFile(file=str(path), sha256=sha256_of(path), license="none"))
    assert message.startswith(f"recognizers.mine: {path}: is not an ONNX file")


def test_another_digest_is_refused_with_both(tmp_path: Path) -> None:
    file = save(mobilefacenet(), tmp_path / "mine.onnx", sha256="0" * 64)
    digest = sha256_of(tmp_path / "mine.onnx")
    message = refusal(file)
    assert message.startswith(f"{file.file}: has SHA-256 {digest}, expected {file.sha256}")
    assert "set recognizers.mine.sha256" in message


def test_a_file_that_is_not_there_is_named_with_its_key_and_digest(tmp_path: Path) -> None:
    file = save(mobilefacenet(), tmp_path / "mine.onnx")
    (tmp_path / "mine.onnx").unlink()
    message = refusal(file)
    assert message.startswith(f"recognizers.mine.file: {file.file}: there is no such file")
    assert file.sha256 in message


def with_input(*shape: int | str, kind: int = onnx.TensorProto.FLOAT) -> onnx.ModelProto:
    model = assemble(FLAT)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("faces", kind, shape))
    return model


def with_output(**shapes: list[int | str] | None) -> onnx.ModelProto:
    """A file with outputs of the given names and shapes, all with the same values."""
    model = assemble([helper.make_node("Flatten", ["faces"], [name]) for name in shapes])
    del model.graph.output[:]
    for name, shape in shapes.items():
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return model


def with_weights_elsewhere() -> onnx.ModelProto:
    model = assemble([*FLAT], {"weights": np.zeros(3, np.float32)})
    set_external_data(model.graph.initializer[0], "weights.bin")
    return model


def mean(*, of_two_dimensions: bool) -> onnx.ModelProto:
    nodes = [helper.make_node("ReduceMean", ["faces"], ["mean"], axes=[1, 2, 3])]
    last = "Flatten" if of_two_dimensions else "Squeeze"
    return assemble([*nodes, helper.make_node(last, ["mean"], ["embeddings"])])


def with_second_input() -> onnx.ModelProto:
    model = assemble(
        [helper.make_node("Add", ["faces", "more"], ["x"]), helper.make_node("Flatten", ["x"], ["embeddings"])]
    )
    model.graph.input.append(helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, [1]))
    return model


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], dict[str, object], str]] = {
    "another size": (lambda: assemble(FLAT), {"size": 160}, r"takes \[0, 3, 112, 112\], not faces of .*; set size"),
    "three dimensions": (lambda: with_input(3, 112, 112), {}, r"takes \[3, 112, 112\]"),
    "channels last": (lambda: with_input("N", 112, 112, 3), {}, r"takes \[0, 112, 112, 3\]"),
    "half precision": (lambda: with_input("N", 3, 112, 112, kind=onnx.TensorProto.FLOAT16), {}, "takes FLOAT16"),
    "two inputs": (with_second_input, {}, "has one input, but this file has faces, more"),
    "two outputs": (lambda: with_output(a=["N", 3], b=["N", 3]), {}, "set output to one of a, b"),
    "unknown output": (lambda: with_output(a=["N", 3]), {"output": "fc1"}, "has no output 'fc1'; set .* one of a"),
    "output of four dimensions": (lambda: with_output(a=[1, 2, 3, 4]), {}, r"a does not have the two dimensions"),
    "named output of four": (lambda: with_output(a=[1, 2], b=[1, 2, 3, 4]), {"output": "b"}, "b does not have"),
    "one dimension": (lambda: mean(of_two_dimensions=False), {}, r"output 'embeddings' has shape \(\) for a face"),
    "one number": (lambda: mean(of_two_dimensions=True), {}, r"output 'embeddings' has shape \(1, 1\) for a face"),
    "weights elsewhere": (with_weights_elsewhere, {}, "has its weights in another file"),
    "unknown operation": (
        lambda: assemble([helper.make_node("Guess", ["faces"], ["embeddings"], domain="elsewhere")]),
        {},
        "onnxruntime can't run it",
    ),
    "batch of 8": (lambda: with_input(8, 3, 112, 112), {}, "takes 8 faces at a time; export"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_recognizer_is_one_line_that_names_the_file(case: str, tmp_path: Path) -> None:
    make, given, said = REFUSED[case]
    file = save(make(), tmp_path / "mine.onnx", **given)
    with pytest.raises(WeightsError, match=rf"^recognizers.mine: {file.file}: .*{said}") as error:
        recognizers.load("mine", file)
    assert "\n" not in str(error.value)
    assert "; " in str(error.value)  # and the way out


def test_inputs_that_are_weights_or_that_nothing_reads_are_none(tmp_path: Path, faces: np.ndarray) -> None:
    model = assemble(
        [helper.make_node("Mul", ["faces", "scale"], ["x"]), helper.make_node("Flatten", ["x"], ["embeddings"])],
        {"scale": np.array(2, np.float32)},
    )
    plain = recognizers.load("mine", save(model, tmp_path / "plain.onnx")).embed(faces)
    for name in ("scale", "unread"):
        model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, []))
    np.testing.assert_array_equal(recognizers.load("mine", save(model, tmp_path / "b.onnx")).embed(faces), plain)


def test_the_only_output_of_two_dimensions_is_taken(tmp_path: Path) -> None:
    file = save(with_output(features=[1, 2, 3, 4], b=["N", 3]), tmp_path / "mine.onnx")
    assert find("mine", file).output == "b"
