"""The packages are layers: each imports only from those below it, so that there are no circles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src/ftlgan"
LAYERS = [
    *("cli", "app", "tool", "comparison", "evaluation", "training", "restoration", "recognition", "losses"),
    *("conditions", "unpack", "alignment", "detection", "template", "degradation", "triplets", "sources"),
    *("verification", "networks", "weights", "tracking", "stale_outputs", "repository", "faces", "photos", "params"),
    *("locking", "engine", "new_folder", "look", "errors", "progress", "processes"),
]
"""By what happens to a face, the upper ones first."""


def imported(path: Path) -> Iterator[str]:
    """The packages and top-level modules of ours that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "ftlgan" else [node.module]
            )
            yield from (name.split(".")[1] for name in names if name.startswith("ftlgan."))


def test_every_package_has_its_layer() -> None:
    found = {path.name.removesuffix(".py") for path in SRC.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert found - {"__init__", "__pycache__"} == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_from_lower_ones_alone(layer: str) -> None:
    files = (SRC / layer).rglob("*.py") if (SRC / layer).is_dir() else [SRC / f"{layer}.py"]
    lower = LAYERS[LAYERS.index(layer) :]
    upwards = [
        f"{file.relative_to(SRC)} imports {name}" for file in files for name in imported(file) if name not in lower
    ]
    assert upwards == []
