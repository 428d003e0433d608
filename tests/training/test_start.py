"""A training that begins from the weights of another one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import ATTENTION, DENSE, PARAMS, small_generator

from ftlgan.errors import WeightsError
from ftlgan.networks.generator import PRESETS, Generator, Size, generator_size
from ftlgan.networks.weights import save_generator
from ftlgan.params import WeightsFile
from ftlgan.training.start import network_of, refuse_seen_people, start_from
from ftlgan.weights.models import packaged_models, people_of
from ftlgan.weights.packaged import sha256_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Generator, WeightsFile]:
    """A generator whose weights have been moved, and its file."""
    torch.manual_seed(1)
    generator = small_generator()
    torch.nn.init.normal_(generator.tail.weight)
    path = tmp_path / "generator.safetensors"
    save_generator(path, generator, {"res": 14, **DENSE})
    return generator, WeightsFile(file=str(path), sha256=sha256_of(path))


def test_the_weights_are_those_of_the_file(trained: tuple[Generator, WeightsFile]) -> None:
    before, start = trained
    torch.manual_seed(2)
    generator = small_generator()
    start_from(generator, start, 14)
    assert all(map(torch.equal, generator.state_dict().values(), before.state_dict().values()))
    assert all(weight.requires_grad for weight in generator.parameters())


@pytest.mark.parametrize("res", [14, 28, 56])
def test_the_packaged_weights_fit_the_default_network(res: int, capsys: pytest.CaptureFixture[str]) -> None:
    generator = Generator(res, **generator_size(PARAMS.generator, res, network_of("packaged", res)))
    start_from(generator, "packaged", res)
    kept = load_file(packaged_models("lfw")[res])
    assert all(torch.equal(weight, kept[name].float()) for name, weight in generator.state_dict().items())
    assert "for research" in capsys.readouterr().err


def test_a_resolution_without_packaged_weights_is_one_line() -> None:
    with pytest.raises(WeightsError, match=r"^train\.start: packaged: there is none for 7 px, only for 14, 28, 56;"):
        start_from(Generator(7, **DENSE), "packaged", 7)


@pytest.mark.parametrize(
    ("generator", "res", "said"),
    [
        ({**DENSE, "features": 16}, 14, "is for another network; set generator to trunk=dense, features="),
        ({**DENSE, "positions": True}, 14, "is for another network"),
        (ATTENTION, 14, "is for another network"),
        (
            DENSE,
            28,
            r"restores faces of 14 px, but res is 28; name a file for 28 px; or set train\.start to null$",
        ),
    ],
)
def test_the_start_of_another_network_or_resolution_is_one_line(
    trained: tuple[Generator, WeightsFile], generator: Size, res: int, said: str
) -> None:
    with pytest.raises(WeightsError, match=said) as error:
        start_from(Generator(res, **generator), trained[1], res)
    assert "\n" not in str(error.value)


def test_a_start_that_is_not_there_or_not_the_same_is_one_line(trained: tuple[Generator, WeightsFile]) -> None:
    path = Path(trained[1].file)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(WeightsError, match=r"has SHA-256 .*, expected .* set train.start.sha256"):
        start_from(small_generator(), trained[1], 14)
    path.unlink()
    with pytest.raises(
        WeightsError, match=r"train\.start\.file: .*: there is no such file; .* set train\.start to null"
    ):
        start_from(small_generator(), trained[1], 14)


def test_packaged_weights_for_another_preset_name_theirs() -> None:
    with pytest.raises(WeightsError, match=r"is for another network; set generator to preset=attention, or"):
        start_from(Generator(14, **PRESETS["small"]), "packaged", 14)


def test_a_damaged_start_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"is not a whole safetensors file; or set train\.start to null$"):
        start_from(small_generator(), WeightsFile(file=str(path), sha256=sha256_of(path)), 14)


@pytest.mark.parametrize(
    "wrong", [{"features": "a"}, {"features": 100, "trunk": "attention"}, {"trunk": "x"}, {"trunk": None}]
)
def test_a_start_that_describes_no_network_is_one_line(tmp_path: Path, wrong: dict[str, object]) -> None:
    path = tmp_path / "generator.safetensors"
    described = {"res": 14, **DENSE, **wrong}
    save_generator(path, small_generator(), {name: value for name, value in described.items() if value is not None})
    start = WeightsFile(file=str(path), sha256=sha256_of(path))
    with pytest.raises(WeightsError, match=r"^train\.start: .*generator\.safetensors: its .*set train\.start to null$"):
        network_of(start, 14)


def test_packaged_weights_are_not_tested_on_people_whom_they_have_seen() -> None:
    unseen = {"Aaron_Peirsol", "p0"} - people_of("lfw")
    refuse_seen_people([*unseen, *unseen])
    listed = (ROOT / "docs/results/lfw-people.txt").read_text().splitlines()
    tested = {name for line in (ROOT / "docs/results/lfw/pairs.txt").read_text().splitlines() for name in line.split()}
    assert people_of("lfw") == {name for name in listed if not name.startswith("#")} - tested
    assert len(people_of("lfw")) == 910
    assert not people_of("free")
    known = min(people_of("lfw"))
    with pytest.raises(
        WeightsError, match=rf"^train\.start: packaged: .* 1 of the 2 test people, the first is {known};"
    ):
        refuse_seen_people([known, "p0", known])
