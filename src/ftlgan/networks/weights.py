"""The generator's weights as safetensors: loading unpickles nothing, and the metadata describes the network."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ftlgan.errors import WeightsError, writing
from ftlgan.networks.generator import Generator, Size

KEY = "ftlgan"
"""The only metadata key, which holds JSON: safetensors writes several keys in no fixed order, but bytes must repeat."""


def save_generator(path: Path, generator: Generator, description: dict[str, Any]) -> None:
    """Write the weights of a generator.

    Args:
        path: the file to write.
        generator: the network.
        description: the arguments from which `load_generator` builds the network (`res` and a `Size`), and anything
            else that identifies the training, e.g. the teacher's name and SHA-256.

    Raises:
        DataError: if the file can't be written, e.g. because the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in generator.state_dict().items()}
    with writing(path):
        try:
            save_file(tensors, path, {KEY: json.dumps(description, sort_keys=True)})
        except SafetensorError as error:
            raise OSError(f"can't be written ({error})") from None


def load_generator(path: Path, res: int, device: str = "cpu") -> Generator:
    """Build the generator that a file describes, ready for inference.

    Raises:
        WeightsError: if the file is missing, is not an FTLGAN generator, or restores another resolution than `res`.
    """
    try:
        with safe_open(path, "pt", device=device) as file:
            metadata = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise WeightsError(f"{path}: is missing; train it with `dvc repro train` or get it with `dvc pull`") from None
    except SafetensorError as error:
        raise WeightsError(f"{path}: is not a whole safetensors file ({error}); run `dvc repro -f train`") from None
    if metadata is None:
        raise WeightsError(f"{path}: holds no FTLGAN generator (no '{KEY}' in its metadata)")
    try:
        description = json.loads(metadata)
        its_res, size = description["res"], {name: description[name] for name in Size.__annotations__}
    except (ValueError, KeyError, TypeError):
        raise WeightsError(f"{path}: its metadata '{KEY}' does not describe a generator: {metadata[:60]!r}") from None
    if its_res != res:
        raise WeightsError(f"{path}: restores faces of {its_res} px, but res is {res}; train for res {res}")
    try:
        generator = Generator(res, **size)
        generator.load_state_dict(tensors)
    except (RuntimeError, TypeError, ValueError):
        raise WeightsError(f"{path}: its weights are not those of the network that it describes") from None
    return generator.to(torch.device(device)).eval().requires_grad_(False)
