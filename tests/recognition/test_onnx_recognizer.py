"""Files of recognizers as judges and as teachers: by an entry of params.yaml alone, and both the same."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from onnx_models import ARCHITECTURES, Batch, assemble, build, export, run, save
from ruamel.yaml import YAML
from torch import Tensor, nn

from ftlgan import cli
from ftlgan.errors import DataError, ParamsError, WeightsError
from ftlgan.faces import FACES, encode_png, read_table, recognizer_of, write_faces
from ftlgan.params import BUILT_IN
from ftlgan.recognition import onnx_file, recognizers, teacher, unit_length
from ftlgan.recognition.embedding import embed_faces
from ftlgan.recognition.onnx_file import BATCH, OnnxRecognizer, prepare
from ftlgan.recognition.preprocessing import Preprocessing

PARAMS = Path(__file__).parents[2] / "params.yaml"
CHANNELS = {"mean": [104, 117, 123], "std": [57, 58.5, 59]}


@cache
def exported(name: str, batch: Batch = "dynamic", size: int = 112) -> onnx.ModelProto:
    return export(build(name), batch=batch, size=size)


def judge(model: onnx.ModelProto, folder: Path, **given: object) -> OnnxRecognizer:
    recognizer = recognizers.load("mine", save(model, folder / "mine.onnx", **given))
    assert isinstance(recognizer, OnnxRecognizer)
    return recognizer


def by_hand(model: onnx.ModelProto, pixels: np.ndarray) -> np.ndarray:
    """Embeddings of what the file takes, (N, S, S, 3)."""
    outputs = run(model, np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32))
    return outputs / np.linalg.norm(outputs, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "given",
    [{}, CHANNELS, {"color": "bgr", "mean": [104, 117, 123], "std": 58.5}],
    ids=["as insightface", "a number a channel", "bgr"],
)
@pytest.mark.parametrize(("name", "size"), [("mobilefacenet", 112), ("edgenext", 160)])
def test_a_file_embeds_as_its_entry_says_and_teaches_the_same(
    name: str, size: int, given: dict[str, object], tmp_path: Path, faces: np.ndarray
) -> None:
    model = exported(name, size=size)
    file = save(model, tmp_path / "mine.onnx", size=size, **given)
    resized = np.stack([cv2.resize(face.astype(np.float32), (size, size)) for face in faces])
    channels = slice(None, None, -1) if given.get("color") == "bgr" else slice(None)
    expected = by_hand(model, (resized[..., channels] - given.get("mean", 127.5)) / given.get("std", 127.5))  # pyright: ignore[reportOperatorIssue] - numbers
    found = recognizers.load("mine", file).embed(faces)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    taught = teacher.load("mine", file)(torch.tensor(faces).permute(0, 3, 1, 2) / 255).numpy()
    np.testing.assert_allclose(taught, found, atol=1e-4)
    assert np.abs(expected - expected[:1])[1:].max() > 1e-2


def test_pixels_are_to_the_bit_those_of_insightface(faces: np.ndarray) -> None:
    flipped = [np.ascontiguousarray(face[..., ::-1]) for face in faces]
    blobs = cv2.dnn.blobFromImages(flipped, 1 / 127.5, (112, 112), (127.5, 127.5, 127.5), swapRB=True)
    np.testing.assert_array_equal(prepare(faces, Preprocessing()), blobs)


@pytest.mark.parametrize("batch", ["dynamic", "fixed"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_embedding_depends_neither_on_its_neighbours_nor_on_their_number(
    name: str, batch: Batch, tmp_path: Path, faces: np.ndarray
) -> None:
    recognizer = judge(exported(name, batch), tmp_path)
    one_by_one = batch == "fixed" or name == "vit"  # its class token is exported for one face, whatever the file says
    assert recognizer._batch == (1 if one_by_one else BATCH)
    many = np.concatenate([faces, faces[::-1], faces, faces[:3]])  # more than one batch
    embeddings = recognizer.embed(many)
    alone = {face.tobytes(): recognizer.embed(face[None])[0] for face in faces}
    np.testing.assert_allclose(embeddings, [alone[face.tobytes()] for face in many], atol=1e-6, rtol=0)
    np.testing.assert_array_equal(judge(exported(name, batch), tmp_path).embed(many), embeddings)
    assert embeddings.shape == (len(many), recognizer.dimension)
    assert embeddings.dtype == np.float32
    assert recognizer.embed(faces[:0]).shape == (0, recognizer.dimension)


class OfTheBatch(nn.Module):
    """Normalises faces by each other."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - 0.9 * x.mean(0, keepdim=True)).flatten(1)


class OfOne(nn.Module):
    """Reshapes to one face, whatever the file says of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(1, 3 * 112 * 112)


@pytest.mark.parametrize("mixing", [OfTheBatch, OfOne])
def test_a_file_that_would_mix_faces_gets_them_one_by_one(
    mixing: type[nn.Module], tmp_path: Path, faces: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    model = export(mixing().eval())
    found = judge(model, tmp_path).embed(faces[3:])
    np.testing.assert_allclose(found, by_hand(model, faces[3:] / 127.5 - 1), atol=1e-6)
    assert not capfd.readouterr().err


@pytest.mark.parametrize("output", ["flat", "embeddings"])
def test_the_output_is_chosen_by_its_name(output: str, tmp_path: Path, faces: np.ndarray) -> None:
    flat, last = helper.make_node("Flatten", ["faces"], ["flat"]), helper.make_node("Sigmoid", ["flat"], ["embeddings"])
    model = assemble([flat, last])
    model.graph.output.append(helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["N", "D"]))
    file = save(model, tmp_path / "mine.onnx", output=output)
    pixels = (faces.transpose(0, 3, 1, 2) / 127.5 - 1).reshape(len(faces), -1)
    expected = unit_length(pixels if output == "flat" else 1 / (1 + np.exp(-pixels)))
    recognizer = recognizers.load("mine", file)
    np.testing.assert_allclose(recognizer.embed(faces), expected, atol=1e-6)
    taught = teacher.load("mine", file)(torch.tensor(faces).permute(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(taught.numpy(), expected, atol=1e-6)
    assert recognizer.settings == f"112 rgb mean 127.5 std 127.5 output {output}"


def tampered(name: str, change: Callable[[np.ndarray], np.ndarray]) -> onnx.ModelProto:
    """A model with another weight: that of its embedding's bias, or of what is before it."""
    model = onnx.ModelProto()
    model.CopyFrom(exported(name))
    *_, tensor = (tensor for tensor in model.graph.initializer if numpy_helper.to_array(tensor).ndim == 1)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    return model


def test_numbers_that_are_not_finite_are_refused_in_both_roles(tmp_path: Path) -> None:
    model = tampered("mobilefacenet", lambda weights: np.full_like(weights, np.nan))
    file = save(model, tmp_path / "mine.onnx")
    for load in (recognizers.load, teacher.load):
        with pytest.raises(WeightsError, match=r"mine\.onnx: gives numbers that are not finite; get the file again"):
            load("mine", file)


def of_mean_colours(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> onnx.ModelProto:
    """A model from `x`, the mean colours of faces, (N, 3), to `embeddings`."""
    mean = helper.make_node("ReduceMean", ["faces"], ["x"], axes=[2, 3], keepdims=0)
    return assemble([mean, *nodes], constants)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([helper.make_node("Mul", ["x", "zero"], ["embeddings"])], "gives every face the same embedding"),
        (
            [
                helper.make_node("RandomNormalLike", ["x"], ["noise"]),
                helper.make_node("Add", ["x", "noise"], ["embeddings"]),
            ],
            "gives the same face a different embedding each time",
        ),
    ],
)
def test_what_recognises_nobody_is_refused(nodes: list[onnx.NodeProto], said: str, tmp_path: Path) -> None:
    model = of_mean_colours(nodes, zero=np.zeros(1, np.float32))
    with pytest.raises(WeightsError, match=f"mine.onnx: {said}"):
        judge(model, tmp_path)


def test_an_output_that_reads_no_face_is_refused_as_teacher(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["other"]), helper.make_node("Identity", ["zero"], ["embeddings"])]
    file = save(of_mean_colours(nodes, zero=np.zeros((1, 2), np.float32)), tmp_path / "mine.onnx")
    with pytest.raises(WeightsError, match="output 'embeddings' is the same for every face"):
        teacher.load("mine", file)


def test_a_face_without_an_embedding_is_named(tmp_path: Path, faces: np.ndarray) -> None:
    """Black has no colour, and so no embedding of unit length."""
    recognizer = judge(of_mean_colours([helper.make_node("Identity", ["x"], ["embeddings"])]), tmp_path, mean=0, std=1)
    names = [f"face {number}" for number in range(len(faces))]
    rows = [
        {"face_id": name, "identity": name, "split": "test", "image": encode_png(face)}
        for name, face in zip(names, faces, strict=True)
    ]
    write_faces(tmp_path / "faces", FACES, rows)
    with pytest.raises(DataError, match="faces: face 1: mine gives no finite embedding; remove the photo"):
        embed_faces(recognizer, tmp_path / "faces", tmp_path / "embeddings")


def test_faces_of_another_shape_are_refused(tmp_path: Path, faces: np.ndarray) -> None:
    with pytest.raises(DataError, match="float32 of shape"):
        judge(exported("vit"), tmp_path).embed(faces.astype(np.float32))


def embedded(name: str, folder: Path, faces: np.ndarray, **given: object) -> dict[str, str]:
    """Embed a table of faces, and return what the table of embeddings says of its recognizer."""
    rows = [{"face_id": "0", "identity": "a", "split": "test", "image": encode_png(faces[0])}]
    write_faces(folder / "faces", FACES, rows)
    file = None if name in BUILT_IN else save(exported("mobilefacenet"), folder / "mine.onnx", **given)
    embed_faces(recognizers.load(name, file), folder / "faces", folder / name)
    return recognizer_of(read_table(folder / name / "part-00000.parquet"))


def test_a_table_says_how_a_file_was_used_and_nothing_more_of_what_is_built_in(
    tmp_path: Path, faces: np.ndarray
) -> None:
    tables = [
        embedded("mine", tmp_path, faces, **given) for given in ({}, {"mean": 127.5}, {"color": "bgr", **CHANNELS})
    ]
    assert [table["preprocessing"] for table in tables] == [
        "112 rgb mean 127.5 std 127.5",
        "112 rgb mean 127.5 std 127.5",
        "112 bgr mean 104,117,123 std 57,58.5,59",
    ]
    assert tables[0].keys() == {"recognizer", "sha256", "preprocessing"}
    for name in BUILT_IN:
        assert embedded(name, tmp_path, faces).keys() == {"recognizer", "sha256"}


def test_tables_of_two_preparations_of_a_file_are_told_apart(
    tmp_path: Path, faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `ftlgan embed`, and by `ftlgan verify`."""

    def ftlgan(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["ftlgan", *arguments])
        cli.main()

    monkeypatch.chdir(tmp_path)
    rows = [{"face_id": f"{k}", "identity": f"{k % 2}", "split": "test"} for k in range(4)]
    write_faces(Path("faces"), FACES, ({**row, "image": encode_png(faces[k])} for k, row in enumerate(rows)))
    entry = save(exported("mobilefacenet"), Path("mine.onnx")).model_dump(include={"file", "sha256", "license"})
    params = YAML(typ="safe", pure=True).load(PARAMS)
    for name, std in (("plain", 127.5), ("steep", 64.0)):
        params["recognizers"]["mine"] = entry | {"std": std}
        YAML().dump(params, Path("params.yaml"))
        ftlgan("embed", "faces", "--recognizer", "mine", "-o", f"{name}.parquet")
        assert recognizer_of(read_table(Path(f"{name}.parquet")))["preprocessing"].endswith(f"std {std:g}")
    with pytest.raises(SystemExit, match="embed both with one recognizer"):
        ftlgan("verify", "plain.parquet", "--references", "steep.parquet")
    with pytest.raises(SystemExit, match=r"input 112 rgb mean 127\.5 std 127\.5, another recognizer"):
        ftlgan("embed", "faces", "--recognizer", "mine", "-o", "plain.parquet")


def test_a_gpu_is_used_where_onnxruntime_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    assert onnx_file.fastest_providers() == (onnx_file.CUDA, "CPUExecutionProvider")
    available.pop(0)
    assert onnx_file.fastest_providers() == ("CPUExecutionProvider",)


def test_dlib_is_refused_as_a_teacher_by_its_name() -> None:
    with pytest.raises(ParamsError, match=r"^recognizer 'dlib' has no differentiable form") as error:
        teacher.load("dlib")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "without"),
    [("recognizers", ["torch"]), ("teacher", ["ftlgan.recognition.onnx_file", "ftlgan.recognition.dlib"])],
)
def test_judges_start_without_torch_and_teachers_without_judges(
    module: str, without: list[str], tmp_path: Path
) -> None:
    file = save(exported("mobilefacenet"), tmp_path / "mine.onnx")
    load = f"{module}.load('mine', RecognizerFile(**{file.model_dump()}))"
    imports = f"from ftlgan.params import RecognizerFile; from ftlgan.recognition import {module}"
    script = f"import sys; {imports}; {load}; sys.exit(bool(set({without}) & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", script], check=True)
