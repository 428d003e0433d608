"""A recognizer's ONNX file, found as params.yaml names it, and checked before anything computes with it."""

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
    """A file that has the form of a recognizer: one input of faces, and an output of embeddings."""

    path: Path
    sha256: str
    preprocessing: Preprocessing
    output: str
    """The name of the output with the embeddings."""
    model: onnx.ModelProto
    label: str
    """What messages call it."""
    settings: str | None = None
    """See `Recognizer.settings`."""


def find(name: str, file: RecognizerFile) -> FoundFile:
    """Find a recognizer's file, downloaded once a user where it is an address or a pack of insightface.

    Args:
        name: as params.yaml names it.
        file: its entry there.

    Raises:
        DataError: if it can't be downloaded.
        ParamsError: if no pack can have the given name.
        WeightsError: if it is missing, has another digest, or is no recognizer.
    """
    key = f"recognizers.{name}"
    if file.pack is not None:
        path = find_in_pack(key, file.pack, file.sha256)
        say_license(file.pack, f"{key}.license: {file.license}")
    else:
        seen = file.seen_from(os.environ.get("DVC_ROOT", ""))  # from a copy of the project, too (exp run --temp)
        path = find_weights(key, seen.file, file.sha256, _cached(file.file), f"take {name} out of recognition")
    label = f"{key}: {path}"
    model = _read(path, label)
    preprocessing = arcface_preprocessing(model) if file.pack is not None else _preprocessing(file)
    _drop_unread_inputs(model, faces_input(model, label, preprocessing.size).name)
    output = _output(model, label, file.output)
    settings = f"{preprocessing} output {output}" if len(model.graph.output) > 1 else str(preprocessing)
    return FoundFile(path, file.sha256, preprocessing, output, model, label, settings)


def _cached(url: str) -> Path:
    """Say where the download of an address goes: many files are called model.onnx, so that its digest tells them apart.

    The digest is the address's, not the file's: when the user corrects `sha256`, nothing is downloaded again.
    """
    name = urlsplit(url).path.rpartition("/")[2]
    return cache_folder("recognizers") / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{name}"


def _read(path: Path, label: str) -> onnx.ModelProto:
    """Read a model whose weights are all in its own file, so that its digest is theirs."""
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError:
        model = onnx.ModelProto()
    if not model.graph.node:
        raise WeightsError(f"{label}: is no ONNX file; get the right one")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise WeightsError(f"{label}: has its weights in another file; save it with onnx.save as one file")
    return model


def _drop_unread_inputs(model: onnx.ModelProto, faces: str) -> None:
    """Leave a model the input of faces; onnxruntime would ask for the others. Old files list their weights there."""
    kept = {faces, *(tensor.name for tensor in model.graph.initializer)}
    inputs = [value for value in model.graph.input if value.name in kept]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def _preprocessing(file: RecognizerFile) -> Preprocessing:
    """Read an entry; what it does not give is as in InsightFace."""
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
    """Return the name of the output with the embeddings: the one that is asked for, or the only one of two dimensions.

    A file need not say how many dimensions an output has.
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
            f"{label}: {wanted or names} has not two dimensions, (N, D), as embeddings have; use another"
        )
    if len(candidates) > 1:
        raise WeightsError(f"{label}: several outputs may be embeddings; set output to one of {', '.join(candidates)}")
    return candidates[0]
