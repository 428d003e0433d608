"""The import closure of a stage script: every module of ours that running it can import, also inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"

CANNOT_CHANGE_AN_OUTPUT = {
    "ftlgan": "a docstring",
    "ftlgan.download": "what it brings is checked by its SHA-256",
    "ftlgan.errors": "an error leaves no output",
    "ftlgan.params": "checks values, and DVC tracks the values themselves",
    "ftlgan.cache": "says where things are kept, not what they are",
    "ftlgan.progress": "draws on the terminal",
    "ftlgan.tracking": "writes to MLflow alone",
}
"""Modules that DVC need not watch, and why."""


def code_deps(script: Path) -> set[str]:
    """The script and the modules of its closure that can change an output, as paths from the project's root."""
    closure = {name for name in _closure(script) if name not in CANNOT_CHANGE_AN_OUTPUT}
    return {str(script.relative_to(ROOT)), *(str(_path(name).relative_to(ROOT)) for name in closure)}


def _closure(script: Path) -> set[str]:
    found: set[str] = set()
    waiting = list(_imports(script))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            # A module that cannot change an output cannot do so by what it imports.
            waiting += [] if name in CANNOT_CHANGE_AN_OUTPUT else _imports(_path(name))
    return found


def _imports(path: Path) -> Iterator[str]:
    """Names of our modules that a file imports, with the packages around them."""
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
    """The file of a module, or None where the name is not a module (a function, a class)."""
    base = SRC.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


if __name__ == "__main__":
    for script in sorted((ROOT / "stages").glob("*.py")):
        print(script.stem, *sorted(code_deps(script)), sep="\n      - ")
