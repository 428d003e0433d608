"""On a GPU, where there is one: a training repeats to the bit, goes on after a kill, and does what a CPU does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small import ATTENTION, DENSE, Trained, faster, same, train

from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import PRESETS, Generator, Size
from ftlgan.networks.images import to_tensor
from ftlgan.params import Precision
from ftlgan.recognition import teacher
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.data import TrainingSet
from ftlgan.training.fingerprint import Fingerprint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def trained(data: TrainingSet, precision: Precision = "float32", **options: Any) -> Trained:
    return train(data, faster(device="cuda", precision=precision), **options)


@pytest.mark.parametrize("size", [DENSE, ATTENTION])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_two_trainings_give_the_same_bytes(data: TrainingSet, precision: Precision, size: Size) -> None:
    first, again = (trained(data, precision, size=size).generator for _ in range(2))
    assert same(first, again)


def test_losses_are_those_of_a_cpu(data: TrainingSet) -> None:
    on_cpu, on_gpu = train(data).history, trained(data).history
    for (_, cpu), (_, gpu) in zip(on_cpu, on_gpu, strict=True):
        assert cpu.keys() == gpu.keys()
        for name in cpu.keys() - {"images_per_s"}:
            assert gpu[name] == pytest.approx(cpu[name], rel=1e-2, abs=1e-4), name


def test_a_replayed_step_is_that_of_kernels_started_one_by_one(
    data: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaying = trained(data, "bfloat16", size=ATTENTION)
    not_replayed: list[object] = []

    def as_it_is(function: object, *_: object) -> object:
        not_replayed.append(function)
        return function

    monkeypatch.setattr("ftlgan.training.loop.cuda_graphed", as_it_is)
    one_by_one = trained(data, "bfloat16", size=ATTENTION)
    assert len(not_replayed) == 2  # generator and teacher
    for (_, a), (_, b) in zip(replaying.history, one_by_one.history, strict=True):
        assert a.keys() == b.keys()
        assert all(a[name] == pytest.approx(b[name], rel=1e-2, abs=1e-4) for name in a.keys() - {"images_per_s"})


def test_ended_halfway_it_goes_on_to_the_same_bytes(data: TrainingSet, tmp_path: Path) -> None:
    class EndedError(Exception):
        pass

    def end(step: int, _: dict[str, float]) -> None:
        if step == 5:
            raise EndedError

    checkpoint = Checkpoint(tmp_path, "model", Fingerprint({}, {}, None, {}))
    with pytest.raises(EndedError):
        trained(data, checkpoint=checkpoint, log=end)
    assert checkpoint.path.exists()
    assert same(trained(data, checkpoint=checkpoint).generator, trained(data).generator)


@pytest.mark.parametrize("preset", ["positions", "attention"])
@pytest.mark.parametrize("res", [14, 28, 56])
def test_restored_faces_and_embeddings_are_those_of_a_cpu(data: TrainingSet, res: int, preset: str) -> None:
    prepare_device("cuda", 0)
    generator, recognizer = Generator(res, **PRESETS[preset]).eval(), teacher.load("sface")
    torch.nn.init.normal_(generator.tail.weight, std=0.05)
    lr = data.train.hr[:][:, :: 112 // res, :: 112 // res]  # pyright: ignore[reportOptionalSubscript]
    with torch.inference_mode():
        on_cpu = generator(to_tensor(lr))
        embedded = recognizer(on_cpu)
        on_gpu = generator.to("cuda")(to_tensor(lr, "cuda"))
        assert torch.allclose(on_gpu.cpu(), on_cpu, atol=1e-4)
        assert torch.allclose(recognizer.to("cuda")(on_gpu).cpu(), embedded, atol=1e-3)
