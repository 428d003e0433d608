"""Reads the pickles of insightface's verification sets without running code in them.

A pickle can call any Python function. Here calls are recorded instead of made, and only the names that numpy and Python
2 need to store arrays and bytes are admitted. This module interprets the recorded calls.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError

ADMITTED = {
    ("_codecs", "encode"): "encode",  # how Python 3 stores bytes for Python 2
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    **{
        (f"numpy.{core}.{module}", name): name
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
}
"""The names that a pickle may use."""
NUMBERS = {"b1": np.dtype(bool), "u1": np.dtype("u1"), "i4": np.dtype("<i4"), "i8": np.dtype("<i8")}
"""The supported types of arrays by numpy's name: encoded images are bytes, and answers are booleans or 1 and 0."""


class UnreadableError(Exception):
    """A pickle has content that a verification set can't have. The message names it."""


class Call:
    """A recorded call."""

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Record a name of `ADMITTED` and the arguments."""
        self.name, self.arguments = name, arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        """Record the state that the pickle would give to the result of the call."""
        self.state = state


class _Name:
    """A placeholder for an admitted name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Call:
        return Call(self.name, arguments)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> _Name:
        if (module_name, global_name) not in ADMITTED:
            raise UnreadableError(f"names {module_name}.{global_name}, which may run any code and was not run")
        return _Name(ADMITTED[module_name, global_name])


def load(path: Path) -> Any:
    """Load a pickle of lists, tuples, numbers, text and bytes, with a `Call` for each call in it.

    Strings of Python 2 become bytes.

    Raises:
        DataError: if the file is missing, is truncated or not a pickle, or uses a name that is not in `ADMITTED`.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give a verification set of insightface, such as lfw.bin")
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="bytes").load()
    except UnreadableError as error:
        raise DataError(f"{path}: {error}; get the set from a source that you trust") from None
    except OSError:
        raise
    except Exception as error:  # a damaged pickle may raise any error
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: is truncated or not a pickle ({said}); get the set again") from None


def bytes_of(value: Any) -> bytes:
    """Return bytes that are stored as bytes, as a string, or as a numpy array.

    Raises:
        UnreadableError: if the value is something else.
    """
    raw = _raw(value)
    if raw is not None:
        return raw
    numbers = array_of(value)
    if numbers.dtype != np.uint8:
        raise UnreadableError(f"is an array of {numbers.dtype}, not of bytes")
    return numbers.tobytes()


def array_of(value: Any) -> np.ndarray:
    """Return a stored numpy array (of any shape) or scalar as an array (N,).

    Raises:
        UnreadableError: if the value is something else, or has a type that is not in `NUMBERS`.
    """
    if isinstance(value, Call):
        match value.name, value.arguments, value.state:
            case "_reconstruct", _, (*_, kind, bool(), content):
                return _numbers(kind, content)
            case ("_frombuffer", (content, kind, *_), _) | ("scalar", (kind, content), _):
                return _numbers(kind, content)
            case _:
                pass
    raise UnreadableError(f"is {_shown(value)}")


def _numbers(kind: Any, content: Any) -> np.ndarray:
    match kind:
        case Call(name="dtype", arguments=(str() as name, *_)):
            pass
        case Call(name="dtype", arguments=(bytes() as encoded, *_)):
            name = encoded.decode("latin1")
        case _:
            raise UnreadableError("is an array of an unknown type")
    raw = _raw(content)
    if name not in NUMBERS or raw is None or len(raw) % NUMBERS[name].itemsize:
        raise UnreadableError(f"is an array of {name[:20]!a}, not of bytes")
    return np.frombuffer(raw, NUMBERS[name])


def _raw(value: Any) -> bytes | None:
    """Return bytes that are not stored as an array; None if the value is something else."""
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case Call(name="encode", arguments=(str() as text, "latin1")) if text.isascii() or max(text) <= "\xff":
            return text.encode("latin1")
        case _:
            return None


def _shown(value: Any) -> str:
    """Describe a value briefly."""
    match value:
        case Call():
            return f"a call of {value.name}"
        case list() | tuple() | dict() | set():
            return f"a {type(value).__name__} of {len(value)}"
        case _:
            return f"{value!a:.40}"
