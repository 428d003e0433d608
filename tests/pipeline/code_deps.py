"""The code that each stage of dvc.yaml depends on: every module of ours that its script can import, in functions too.

`python tests/pipeline/code_deps.py` rewrites the lists in dvc.yaml.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ftlgan.params import METHODS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
COMMAND = "python tests/pipeline/code_deps.py"

CANNOT_CHANGE_AN_OUTPUT = {
    "ftlgan": "imports what a program asks it for, and no stage does",
    "ftlgan.errors": "an error leaves no output",
    "ftlgan.params": "checks values, and DVC tracks the values themselves",
    "ftlgan.params.dataset": "says which values there may be",
    "ftlgan.params.files": "says which values there may be",
    "ftlgan.params.reading": "checks values, and DVC tracks the values themselves",
    "ftlgan.params.sections": "says which values there may be",
    "ftlgan.params.values": "says which values there may be",
    "ftlgan.progress": "draws on the terminal",
    "ftlgan.repository": "reads what git and DVC know",
    "ftlgan.tracking": "writes to MLflow alone",
    "ftlgan.training.checkpoint": "a training goes on from it to the same bytes",
    "ftlgan.weights": "a docstring",
    "ftlgan.weights.cache": "says where files are kept, not what they are",
    "ftlgan.weights.download": "checks what it brings by its SHA-256",
}
"""Modules that DVC need not watch, and why."""

METHOD = "src/ftlgan/restoration/${item.method}.py"
"""How dvc.yaml names the module of a method, for the stage that imports it by its name."""


def read_stages() -> dict[str, Any]:
    """Return the stages of dvc.yaml."""
    return YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]


def expected_code_deps(stage: dict[str, Any]) -> list[str]:
    """Return the code that a stage of dvc.yaml depends on, as paths from the project's root."""
    found = code_deps(ROOT / stage["cmd"].split()[1])
    if "restoration.load(" in (ROOT / stage["cmd"].split()[1]).read_text():
        for method in METHODS:
            module = METHOD.replace("${item.method}", method)
            found |= code_deps(ROOT / module) - {module} | {METHOD}
    return sorted(found)


def code_deps(script: Path) -> set[str]:
    """Return a script and the modules of its closure that can change an output, as paths from the project's root."""
    closure = {name for name in _closure(script) if name not in CANNOT_CHANGE_AN_OUTPUT}
    return {str(script.relative_to(ROOT)), *(str(path.relative_to(ROOT)) for path in map(_path, closure) if path)}


def rewritten(text: str) -> str:
    """Return dvc.yaml with the right code in the deps of each stage; all else stays as it is."""
    for name, stage in read_stages().items():
        start = re.search(rf"^  {name}:\n", text, re.MULTILINE)
        assert start, name
        end = re.compile(r"^(  \w|\w)", re.MULTILINE).search(text, start.end())
        block = text[start.end() : end.start() if end else None]
        deps = re.search(r"^    deps:\n((?:      .*\n)*)", block, re.MULTILINE)
        assert deps, name
        data = [line for line in deps[1].splitlines(keepends=True) if not re.match(r" *- (src|stages)/", line)]
        lines = [*data, *(f"      - {path}\n" for path in expected_code_deps(stage))]
        new = block[: deps.start(1)] + "".join(lines) + block[deps.end(1) :]
        text = text[: start.end()] + new + text[start.end() + len(block) :]
    return text


def _closure(script: Path) -> set[str]:
    """Return the names of the modules that a script can import, directly or through others."""
    found: set[str] = set()
    waiting = list(_imports(script))
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if path and name not in found:
            found.add(name)
            # A module that cannot change an output cannot do so by what it imports.
            waiting += [] if name in CANNOT_CHANGE_AN_OUTPUT else _imports(path)
    return found


def _imports(path: Path) -> Iterator[str]:
    """Yield the names of our modules that a file imports, with the packages around them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "ftlgan" and _path(name):
                parts = name.split(".")
                yield from (".".join(parts[:i]) for i in range(1, len(parts) + 1))


def _path(module: str) -> Path | None:
    """Return the file of a module, or None where the name is not a module (a function, a class)."""
    base = SRC.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


if __name__ == "__main__":
    (ROOT / "dvc.yaml").write_text(rewritten((ROOT / "dvc.yaml").read_text()))
