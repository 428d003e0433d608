"""Weights on disk: they come back, say what they are, and are refused when they are not."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small_disk import small_disk

from ftlgan.errors import DataError, WeightsError
from ftlgan.networks.generator import Generator, Size
from ftlgan.networks.weights import load_generator, save_generator

SIZE: Size = {"trunk": "dense", "features": 8, "blocks": 1, "growth": 4, "positions": True}
ABOUT = {"res": 14, **SIZE, "teacher": "sface", "teacher_sha256": "ab12"}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Generator]:
    torch.manual_seed(0)
    generator = Generator(14, **SIZE)
    with torch.no_grad():
        generator.tail.weight.normal_()
    save_generator(tmp_path / "generator.safetensors", generator, ABOUT)
    return tmp_path / "generator.safetensors", generator


def test_a_generator_comes_back_as_it_was(saved: tuple[Path, Generator]) -> None:
    path, generator = saved
    lr = torch.rand(2, 3, 14, 14)
    torch.testing.assert_close(load_generator(path, 14)(lr), generator(lr), rtol=0, atol=0)


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "disk/generator.safetensors"
    with small_disk(path.parent, kib=8), pytest.raises(DataError, match=f"^{path}: .*No space left on device"):
        save_generator(path, Generator(14, **SIZE), ABOUT)


def test_the_same_weights_give_the_same_bytes(saved: tuple[Path, Generator], tmp_path: Path) -> None:
    path, generator = saved
    for i in range(5):
        save_generator(tmp_path / f"{i}", generator, dict(reversed(ABOUT.items())))
        assert (tmp_path / f"{i}").read_bytes() == path.read_bytes()


def test_the_file_says_what_it_is(saved: tuple[Path, Generator]) -> None:
    with safe_open(saved[0], "pt") as file:
        assert json.loads(file.metadata()["ftlgan"]) == ABOUT


def test_another_resolution_is_one_line(saved: tuple[Path, Generator]) -> None:
    with pytest.raises(WeightsError, match="restores faces of 14 px, but res is 28"):
        load_generator(saved[0], 28)


def test_random_bytes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "g").write_bytes(b"\x07" * 1000)
    with pytest.raises(WeightsError, match="is not a whole safetensors file"):
        load_generator(tmp_path / "g", 14)


def test_a_truncated_file_is_one_line(saved: tuple[Path, Generator]) -> None:
    saved[0].write_bytes(saved[0].read_bytes()[:-100])
    with pytest.raises(WeightsError, match="is not a whole safetensors file"):
        load_generator(saved[0], 14)


def test_a_file_of_somebody_else_is_one_line(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "g")
    with pytest.raises(WeightsError, match="holds no FTLGAN generator"):
        load_generator(tmp_path / "g", 14)


@pytest.mark.parametrize(
    "about", ["no json", "[1]", "null", '{"res": 14}', '{"res": 14, "features": 8, "blocks": "a"}']
)
def test_a_description_of_something_else_is_one_line(tmp_path: Path, about: str) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "g", {"ftlgan": about})
    with pytest.raises(WeightsError, match="does not describe a generator"):
        load_generator(tmp_path / "g", 14)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is missing; train it"):
        load_generator(tmp_path / "g", 14)
