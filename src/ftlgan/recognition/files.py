"""Finds a recognizer's ONNX file by its entry in params.yaml, and checks it before use."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import onnx
from google.protobuf.message import DecodeError

from ftlgan.errors import WeightsError
from ftlgan.params import RecognizerFile
from ftlgan.recognition.folding import faces_input, shape_of
from ftlgan.recognition.packs import arcface_preprocessing, find_in_pack, say_license
from ftlgan.recognition.preprocessing import Channels, Preprocessing
from ftlgan.weights.cache import cache_folder
from ftlgan.weights.lookup import find_weights


@dataclass(frozen=True)
class FoundFile:
    """A checked recognizer file: it has one input for faces and an output with embeddings."""

    path: Path
    sha256: str
    preprocessing: Preprocessing
    output: str
    """The name of the output with the embeddings."""
    model: onnx.ModelProto
    label: str
    """Its name in messages."""
    settings: str | None = None
    """See `Recognizer.settings`."""


def find(name: str, file: RecognizerFile) -> FoundFile:
    """Find a recognizer's file. A URL or a pack of insightface is downloaded once per user.

    Args:
        name: its name in params.yaml.
        file: its entry in `recognizers` of params.yaml.

    Raises:
        DataError: if it can't be downloaded.
        ParamsError: if the name of the pack is invalid.
        WeightsError: if it is missing, has another digest, or is not a recognizer.
    """
    key = f"recognizers.{name}"
    if file.pack is not None:
        path = find_in_pack(key, file.pack, file.sha256)
        say_license(file.pack, f"{key}.license: {file.license}")
    else:
        seen = file.seen_from(os.environ.get("DVC_ROOT", ""))  # also from a copy of the project (exp run --temp)
        path = find_weights(key, seen.file, file.sha256, _cached(file.file), f"remove {name} from recognition")
    label = f"{key}: {path}"
    model = _read(path, label)
    preprocessing = arcface_preprocessing(model) if file.pack is not None else _preprocessing(file)
    _drop_unread_inputs(model, faces_input(model, label, preprocessing.size).name)
    output = _output(model, label, file.output)
    settings = f"{preprocessing} output {output}" if len(model.graph.output) > 1 else str(preprocessing)
    return FoundFile(path, file.sha256, preprocessing, output, model, label, settings)


def _cached(url: str) -> Path:
    """Return the path of the download from a URL. It includes a digest, because many files are called model.onnx.

    The digest is of the URL, not of the file, so that nothing is downloaded again when the user corrects `sha256`.
    """
    name = urlsplit(url).path.rpartition("/")[2]
    return cache_folder("recognizers") / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


def _read(path: Path, label: str) -> onnx.ModelProto:
    """Read a model with all its weights in one file, so that the file's digest covers them."""
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.graph.node:
        raise WeightsError(f"{label}: is not an ONNX file; get the right one")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise WeightsError(f"{label}: has its weights in another file; save it with onnx.save as one file")
    return model


def _drop_unread_inputs(model: onnx.ModelProto, faces: str) -> None:
    """Remove the inputs that onnxruntime would require but no node reads. Old files list their weights as inputs."""
    kept = {faces, *(tensor.name for tensor in model.graph.initializer)}
    inputs = [value for value in model.graph.input if value.name in kept]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _preprocessing(file: RecognizerFile) -> Preprocessing:
    """Return the preprocessing of an entry. Missing values are those of InsightFace."""
    default = Preprocessing()
    return Preprocessing(
        size=file.size or default.size,
        color=file.color or default.color,
        mean=_channels(file.mean or default.mean),
        std=_channels(file.std or default.std),
    )


def _channels(numbers: Sequence[float]) -> Channels:
    first, second, third = numbers
    return first, second, third


def _output(model: onnx.ModelProto, label: str, wanted: str | None) -> str:
    """Return the name of the output with the embeddings: `wanted`, or the only one with two dimensions.

    Outputs of unknown rank are also candidates: a file need not declare ranks.
    """
    ranks = {
        value.name: len(shape_of(value.type)) if value.type.tensor_type.HasField("shape") else None
        for value in model.graph.output
    }
    names = ", ".join(ranks)
    if wanted is not None and wanted not in ranks:
        raise WeightsError(f"{label}: has no output {wanted!r}; set output to one of {names}")
    candidates = [name for name, rank in ranks.items() if rank in (2, None) and wanted in (name, None)]
    if not candidates:
        raise WeightsError(
            f"{label}: {wanted or names} does not have the two dimensions (N, D) of embeddings; use another"
        )
    if len(candidates) > 1:
        raise WeightsError(f"{label}: several outputs may be embeddings; set output to one of {', '.join(candidates)}")
    return candidates[0]
