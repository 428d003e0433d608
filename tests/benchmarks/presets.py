"""Training and restoring by preset, on the CPU: faces a second and memory. `python tests/benchmarks/presets.py`.

`--preset attention positions small paper`, `--res 14 28 56`, `--precision float32 bfloat16` (of the training). The loss
and the number of faces in a step are those of params.yaml; 64 faces are restored at once. Each row is a process of its
own, whose peak memory is that of the training.
"""

import argparse
import itertools
import multiprocessing
import resource
import statistics
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from restoration import ftlgan, images_per_second
from training import PARAMS, changed, faces_of_noise, ours

from ftlgan.errors import one_line_errors
from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import PRESETS, Generator
from ftlgan.params import Precision

STEPS, RESTORED = 12, 64


def measure(preset: str, res: int, precision: Precision) -> tuple[int, float, float, float]:
    """Return the number of weights, the faces a second in training and in restoring, and the peak memory in MB."""
    prepare_device("cpu", 0)
    config = changed(
        PARAMS.training("ftlgan"),
        train={"steps": STEPS, "warmup": 1, "validate_every": 10**9, "device": "cpu", "precision": precision},
    )
    generator = Generator(res, **PRESETS[preset])
    trained = statistics.median(ours(faces_of_noise(res), generator, config))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    lr = np.random.default_rng(0).integers(0, 256, (RESTORED, res, res, 3), dtype=np.uint8)
    restored = images_per_second(ftlgan(preset, res, "cpu"), lr)
    return sum(weight.numel() for weight in generator.parameters()), trained, restored, peak


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--res", type=int, nargs="+", default=[14, 28, 56])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], choices=["float32", "bfloat16"])
    arguments = parser.parse_args()
    print("| preset | res | precision | weights | training, faces/s | peak memory, MB | restoring, faces/s |")
    print("|---|---|---|---|---|---|---|")
    for row in itertools.product(arguments.preset, arguments.res, arguments.precision):
        # A process for each row, because the peak of a process never falls.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
            weights, trained, restored, peak = alone.submit(measure, *row).result()
        values = f"{weights / 1e6:.1f} million | {trained:.1f} | {peak:,.0f} | {restored:.1f}"
        print(f"| {' | '.join(map(str, row))} | {values} |", flush=True)


if __name__ == "__main__":
    main()
