"""Speed of recognizers from files, beside InsightFace and the naive training: `python tests/benchmarks/recognition.py`.

First, faces a second of a recognizer from an ONNX file, by `recognizers.load` and by InsightFace's
`ArcFaceONNX.get_feat`, in turn, on the same file: an IResNet-50 with random weights, which takes as long as a trained
one. Then a training step by each teacher, as it is here and in the naive form: anchor, positive and negative go
through the teacher, as plain PyTorch computes it. For the naive form of SFace, first `pip install --no-deps
onnx2torch`; without it, its row has no such number. Cores are taken away from this process to count threads, which
only Linux allows.

`--only embed` or `--only train` for one of the two; `--batches 1 16` is quicker; `--faces 640 --steps 9` is more exact.
"""

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import torch
import training
from torch import Tensor, nn

from ftlgan.networks.device import prepare_device
from ftlgan.params import RecognizerFile
from ftlgan.processes import available_cores
from ftlgan.recognition import recognizers, teacher, unit_length
from ftlgan.recognition.network import RecognizerNetwork
from ftlgan.recognition.preprocessing import Preprocessing
from ftlgan.recognition.teacher import Teacher

sys.path.append(str(Path(__file__).parents[1]))
from onnx_models import export, iresnet, mobilefacenet, randomized

DIMENSION = 512
MOST_CALLS = 8
Embed = Callable[[np.ndarray], np.ndarray]
"""Faces, RGB, uint8 (N, 112, 112, 3) -> embeddings (N, D)."""


def iresnet50() -> nn.Module:
    return randomized(lambda: iresnet(64, DIMENSION, (3, 4, 14, 3)))


def full_mobilefacenet() -> nn.Module:
    return randomized(lambda: mobilefacenet(64, DIMENSION))


def ours(path: Path) -> Embed:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return recognizers.load("file", RecognizerFile(file=str(path), sha256=sha256, license="none: random")).embed


def insightface(path: Path) -> Embed:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    model = ArcFaceONNX(str(path))
    return lambda faces: np.asarray(model.get_feat([face[..., ::-1] for face in faces]))


def seconds(embed: Embed, faces: np.ndarray) -> float:
    started = time.perf_counter()
    embed(faces)
    return time.perf_counter() - started


def in_turn(theirs: Embed, mine: Embed, faces: np.ndarray, k: int) -> tuple[float, float]:
    """Seconds of both, the first of which is another each time."""
    if k % 2:
        our = seconds(mine, faces)
        return seconds(theirs, faces), our
    return seconds(theirs, faces), seconds(mine, faces)


def compare_embedding(batches: list[int], threads: list[int], budget: int) -> None:
    """Print faces a second by InsightFace and by ours, in turn, and the median of the ratios of neighbours."""
    faces = np.random.default_rng(0).integers(0, 256, (max(batches), 112, 112, 3), dtype=np.uint8)
    cores = sorted(os.sched_getaffinity(0))
    print("IResNet-50, faces a second, medians of calls in turn")
    print("| threads | faces at once | calls | InsightFace | ours | ratio |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "iresnet50.onnx"
        onnx.save(export(iresnet50()), path)
        for count in threads:
            os.sched_setaffinity(0, cores[:count])  # of this thread, and of those that it starts
            theirs, mine = insightface(path), ours(path)
            difference = np.abs(unit_length(theirs(faces[:2])) - mine(faces[:2])).max()
            if difference > 1e-4:
                sys.exit(f"InsightFace and ours differ by {difference:g}: this compares two things")
            for batch in batches:
                calls = min(max(budget // batch, 1), MOST_CALLS)
                pairs = [in_turn(theirs, mine, faces[:batch], k) for k in range(calls)]
                a, b = (batch / statistics.median(side) for side in zip(*pairs, strict=True))
                ratio = statistics.median(their / our for their, our in pairs)
                print(f"| {count} | {batch} | {calls} | {a:.2f} | {b:.2f} | {ratio:.2f} |", flush=True)
    os.sched_setaffinity(0, cores)


def file_teacher(network: nn.Module) -> tuple[Teacher, training.Recognise]:
    """A network as a teacher from a file, and as PyTorch computes it."""
    plain = network.eval().requires_grad_(False)

    def recognise(faces: Tensor) -> Tensor:
        return plain((faces * 255 - 127.5) / 127.5)

    return RecognizerNetwork(export(network), Preprocessing(), "random.onnx"), recognise


def packaged_teacher() -> tuple[Teacher, training.Recognise | None]:
    """SFace, and as onnx2torch converts it."""
    return teacher.load("sface"), training.converted_sface() if find_spec("onnx2torch") else None


TEACHERS: dict[str, tuple[int, Callable[[], tuple[Teacher, training.Recognise | None]]]] = {
    "SFace": (128, packaged_teacher),
    "MobileFaceNet": (DIMENSION, lambda: file_teacher(full_mobilefacenet())),
    "IResNet-50": (DIMENSION, lambda: file_teacher(iresnet50())),
}
"""Each teacher's dimension, and what makes it and its naive form."""


def compare_training(batch: int, steps: int, rounds: int) -> None:
    """Print the time of a training step by each teacher, in the naive form and as it is here, in turn."""
    config = training.changed(training.CONFIG, train={"steps": steps, "batch": batch})
    print(f"\nmilliseconds of a step of {batch} triplets of {training.RES} px, {torch.get_num_threads()} threads,")
    print(f"medians of {steps} steps in each of {rounds} rounds in turn")
    print("| teacher | naive | ours | ratio |\n|---|---|---|---|")
    for name, (dimension, make) in TEACHERS.items():
        frozen, plain = make()
        data = training.faces_of_noise(dimension=dimension)
        naive: list[float] = []
        mine: list[float] = []
        for _ in range(rounds):
            if plain is not None:
                naive.append(1000 * batch / training.naive(data, plain, steps, batch))
            speeds = training.ours(data, training.generator(), config, frozen)
            mine.append(1000 * batch / statistics.median(speeds))
        if naive:
            ratio = statistics.median(a / b for a, b in zip(naive, mine, strict=True))
            print(
                f"| {name} | {statistics.median(naive):.0f} | {statistics.median(mine):.0f} | {ratio:.2f} |", flush=True
            )
        else:
            print(f"| {name} | - | {statistics.median(mine):.0f} | - |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["embed", "train"], help="one of the two comparisons")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64], help="faces that are embedded at once")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="cores that may embed")
    parser.add_argument("--faces", type=int, default=32, help="that each embeds for each number at once and of threads")
    parser.add_argument("--batch", type=int, default=4, help="triplets of a training step")
    parser.add_argument("--steps", type=int, default=2, help="training steps a round")
    parser.add_argument("--rounds", type=int, default=2, help="of training, the two forms in turn")
    arguments = parser.parse_args()
    prepare_device("cpu", seed=0)
    if arguments.only != "train":
        threads = [count for count in arguments.threads if count <= available_cores()]
        compare_embedding(arguments.batches, threads, arguments.faces)
    if arguments.only != "embed":
        compare_training(arguments.batch, arguments.steps, arguments.rounds)


if __name__ == "__main__":
    main()
