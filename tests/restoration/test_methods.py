"""Adding a method takes one file and one name."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from ftlgan import restoration
from ftlgan.errors import ParamsError
from ftlgan.params import METHODS


def test_a_file_is_a_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoration, "METHODS", (*METHODS, "nearest"))
    monkeypatch.setattr(restoration, "__path__", [*restoration.__path__, str(Path(__file__).parent)])
    lr = np.random.default_rng(0).integers(0, 256, (2, 14, 14, 3), dtype=np.uint8)
    restored = restoration.load("nearest").restore(lr)
    assert restored.shape == (2, 112, 112, 3)
    np.testing.assert_array_equal(restored[:, ::8, ::8], lr)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_called_a_method_can_be_loaded(method: str) -> None:
    assert callable(importlib.import_module(f"ftlgan.restoration.{method}").load)


@pytest.mark.parametrize(
    "method", ["srgan", "command", "trained", "ftlgan", "../bicubic", "bicubic.load", "", "__init__"]
)
def test_an_unknown_method_is_one_line_that_names_the_known(method: str) -> None:
    with pytest.raises(ParamsError) as error:
        restoration.load(method)
    assert str(error.value) == f"methods: {method!r} is unknown: use one of {', '.join(METHODS)}"
    assert {"bicubic", "gfpgan", "realesrgan"} <= set(METHODS)
