"""params.yaml -> `Params`. Errors are one line with the key, the value and the allowed values."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ftlgan.errors import ParamsError
from ftlgan.params.sections import Params

RENAMED = {
    "augmentation.realistic": "degradation.realistic",
    "dataset.strangers": "dataset.synthetic_people",
    "recognition.teacher": "recognition.teachers (a list, of which losses.MODEL.teacher names one or more)",
}
"""The new names of params that had another name in an earlier version."""


Name = TypeVar("Name", bound=str)


def chosen(arguments: Sequence[str], *known: Sequence[Name]) -> list[Name]:
    """Check the arguments of a stage's script, and return them.

    Args:
        arguments: the arguments.
        known: the known names, a sequence for each argument.

    Raises:
        ParamsError: if an argument is not a known name, or there are too few or too many.
    """
    if len(arguments) != len(known) or any(name not in names for name, names in zip(arguments, known, strict=True)):
        expected = ", then ".join(f"one of {', '.join(names)}" for names in known)
        raise ParamsError(f"expected {expected}, not {' '.join(arguments) or 'nothing'}")
    return [next(name for name in names if name == argument) for argument, names in zip(arguments, known, strict=True)]


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml, as YAML 1.2 like DVC, so that `5e-4` is a number.

    Raises:
        ParamsError: if the file or a value is invalid; the message gives the key, the value and the allowed values.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise ParamsError(f"{path}: there is no such file here; run from the root of the project") from None
    except YAMLError as error:
        raise ParamsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    return check_params(tree, str(path))


def check_params(tree: Any, name: str = "params.yaml") -> Params:
    """Check the parsed tree of params.yaml, and return it as `Params`; see `load_params`."""
    names = {name for name, _ in leaves(tree)} if isinstance(tree, Mapping) else set[str]()
    if renamed := sorted(names & RENAMED.keys()):
        raise ParamsError(f"{name}: {renamed[0]}: is now called {RENAMED[renamed[0]]}; rename the key")
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=True)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ParamsError(f"{name}: {_one_line(problems[0])}{more}") from None


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings by dotted names: `{"train": {"steps": 800}}` yields `train.steps`, 800."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _one_line(problem: ErrorDetails) -> str:
    """Describe a problem by the key, the value and the allowed values."""
    place, value, kind = problem["loc"], problem["input"], problem["type"]
    key = ".".join(str(part) for part in place)
    if kind == "missing":
        return f"{key}: is missing; known here: {_known_keys(place[:-1])}"
    if kind == "extra_forbidden":
        return f"{key}: unknown key (value {value!r}); known here: {_known_keys(place[:-1])}"
    if kind == "model_type":
        found = "is empty" if value is None else f"is {value!r}"
        return f"{key or 'the file'}: {found}; expected the keys {_known_keys(place)}"
    if kind == "value_error":
        message = problem["msg"].removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    return f"{key}: {value!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _known_keys(location: tuple[int | str, ...]) -> str:
    model: Any = Params
    for part in location:
        # A mapping by name (losses, weights) has the same keys under every name.
        model = model.model_fields[str(part)].annotation if isinstance(model, type) else get_args(model)[1]
        if get_origin(model) in (Union, UnionType):  # the entry may be null
            model = get_args(model)[0]
    if not isinstance(model, type):
        return "any name of lower-case letters, digits, - and _"
    return ", ".join(field.alias or name for name, field in model.model_fields.items())
