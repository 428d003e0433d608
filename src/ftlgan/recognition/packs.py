"""InsightFace's packs of models, downloaded by insightface itself into its folder, ~/.insightface/models.

Their weights are for non-commercial research only (github.com/deepinsight/insightface, License). A message says so on
first use.
"""

import re
import shutil
import sys
import zipfile
import zlib
from contextlib import redirect_stdout
from pathlib import Path

import onnx

from ftlgan.errors import DataError, ParamsError, WeightsError, writing
from ftlgan.recognition.folding import shape_of
from ftlgan.recognition.preprocessing import Preprocessing
from ftlgan.weights.cache import cache_folder, locked
from ftlgan.weights.packaged import sha256_of

RECOGNIZERS = {
    "buffalo_l": ("w600k_r50.onnx", "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
    "buffalo_s": ("w600k_mbf.onnx", "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f"),
    "antelopev2": ("glintr100.onnx", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
}
"""The recognizer file of each known pack, and its SHA-256."""
SCALING = (("Sub", "_minus"), ("Mul", "_mul"))
"""The prefixes of the names of nodes that subtract, and of nodes that multiply."""


def find_in_pack(key: str, pack: str, sha256: str) -> Path:
    """Find the recognizer in a pack, which insightface downloads if it is missing.

    FaceAnalysis takes the first file of a pack that looks like a recognizer. Here the digest identifies it.

    Args:
        key: the entry of params.yaml that names the pack, for messages.
        pack: name of the pack.
        sha256: digest of the recognizer in it.

    Raises:
        DataError: if it can't be downloaded.
        ParamsError: if the name of the pack is invalid.
        WeightsError: if no file in it has the digest.
    """
    if not re.fullmatch(r"\w[\w.-]*", pack):
        raise ParamsError(f"{key}.file: {pack!r} is not the name of a pack; give one, e.g. {', '.join(RECOGNIZERS)}")
    folder = Path.home() / ".insightface" / "models" / pack
    with locked(cache_folder("recognizers")):
        if not folder.exists():
            _download(key, pack, folder, sha256)
    files = sorted(folder.rglob("*.onnx"))  # the ZIP file of antelopev2 contains another folder
    for file in files:
        if sha256_of(file) == sha256:
            return file
    recognizer, known = RECOGNIZERS.get(pack, ("", ""))
    if sha256 == known:
        remedy = f"{recognizer} should have it; delete the folder, which is damaged, and run again"
    elif known:
        remedy = f"{recognizer}, the recognizer of {pack}, has {known}; set {key}.sha256 to it"
    else:
        found = ", ".join(f"{file.name} with {sha256_of(file)}" for file in files) or "nothing"
        remedy = f"it has {found}; set {key}.sha256 to that of the recognizer, or delete the folder and run again"
    raise WeightsError(f"{folder}: no file there has SHA-256 {sha256}; {remedy}")


def _download(key: str, pack: str, folder: Path, sha256: str) -> None:
    """Let insightface download and unpack a pack into a hidden folder, and move it when it is complete.

    Without this, insightface would use the incomplete pack of an interrupted run.
    """
    from insightface.utils import storage

    url = storage.model_zoo_download_url(f"{pack}.zip")
    aside = folder.with_name(f".{pack}.ftlgan")
    with writing(aside):
        shutil.rmtree(aside, ignore_errors=True)  # from a killed run
        aside.mkdir(parents=True)
        try:
            with redirect_stdout(sys.stderr):
                unpacked = storage.ensure_available("models", pack, root=str(aside))
            Path(unpacked).rename(folder)
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:  # a disk error; those of requests have no number
                raise
            reason = "the server refuses" if isinstance(error, RuntimeError) else type(error).__name__
            raise DataError(
                f"{url}: can't be downloaded ({reason}); run again with a network, or unpack it by hand into {folder} "
                f"(the recognizer is the file with SHA-256 {sha256}), or remove {key.rpartition('.')[2]} from "
                "recognition"
            ) from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def say_license(pack: str, params: str) -> None:
    """Tell each user once that the weights of a pack are for non-commercial research only.

    Args:
        pack: name of the pack.
        params: the license in params.yaml, for the message.

    Raises:
        DataError: if the file that marks the message as shown can't be written.
    """
    said = cache_folder("recognizers") / f"{pack}.license-said"
    if not said.exists():
        print(
            f"{pack}: non-commercial research only, unless InsightFace has licensed it to you otherwise ({params})",
            file=sys.stderr,
        )
        with writing(said):
            said.touch()


def arcface_preprocessing(model: onnx.ModelProto) -> Preprocessing:
    """Return insightface's preprocessing for a recognizer, by the rule of `ArcFaceONNX` in model_zoo/arcface_onnx.py.

    A file that starts with a subtraction and a multiplication scales the pixels itself. Files from MXNet do this.
    """
    first = [node.name for node in model.graph.node[:8]]
    subtracts, multiplies = (any(name.startswith(prefixes) for name in first) for prefixes in SCALING)
    weights = {tensor.name for tensor in model.graph.initializer}
    shapes = [shape_of(value.type) for value in model.graph.input if value.name not in weights]
    size = shapes[0][2] if shapes and len(shapes[0]) == 4 and shapes[0][2] else Preprocessing.size
    if subtracts and multiplies:
        return Preprocessing(size, mean=(0, 0, 0), std=(1, 1, 1))
    return Preprocessing(size)
