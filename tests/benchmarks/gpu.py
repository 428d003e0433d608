"""Images a second of a training step on a GPU, and its share of what the GPU can do: `python tests/benchmarks/gpu.py`.

`--preset attention positions small paper`, `--res 14 28 56`, `--batch 8 32 128`, `--precision float32 tf32 bfloat16`,
`--compile`. By the default loss. The ceiling is a large matrix product, measured in the same run; operations are
counted as a step needs them: generator, and teacher for the restored face, forward and backward; teacher for its twin,
forward.
"""

import argparse
import gc
import itertools
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode
from training import CONFIG, changed, faces_of_noise, ours

from ftlgan.errors import one_line_errors
from ftlgan.faces import HR
from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import PRESETS, Generator
from ftlgan.params import Precision, Training
from ftlgan.recognition import teacher
from ftlgan.training.batches import Batches

SIDE, ROUNDS, STEPS = 8192, 10, 30
DEFAULT_LOSS = changed(CONFIG, losses={"perceptual": 10.0})


def ceiling() -> float:
    """Operations a second of a large product of random matrices in bfloat16, a median."""
    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    found: list[float] = []
    for _ in range(ROUNDS + 1):
        started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        started.record()
        torch.matmul(a, b)
        ended.record()
        torch.cuda.synchronize()
        found.append(2 * SIDE**3 / (started.elapsed_time(ended) / 1000))
    return statistics.median(found[1:])


def operations(preset: str, res: int) -> int:
    """What a step has to compute for one face."""

    def forward(network: torch.nn.Module, size: int) -> int:
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.zeros(1, 3, size, size))
        return counter.get_total_flops()

    recognizer = teacher.load("sface")
    assert isinstance(recognizer, torch.nn.Module)
    return 3 * forward(Generator(res, **PRESETS[preset]), res) + (2 + 1) * forward(recognizer, HR)


def seconds_of_data(res: int, config: Training) -> float:
    """To draw a batch, which a processor does while the GPU takes the step before."""
    found: list[float] = []
    with Batches(faces_of_noise(res), config, config.train.batch) as batches:
        for step in range(1, 1 + ROUNDS):
            started = time.perf_counter()
            batches._draw(step)  # `batches[step]` would begin the next one meanwhile
            found.append(time.perf_counter() - started)
    return statistics.median(found)


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", nargs="+", default=["attention", "positions", "small", "paper"])
    parser.add_argument("--res", type=int, nargs="+", default=[14, 28, 56])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32, 128], help="at most 128")
    parser.add_argument("--precision", nargs="+", default=["bfloat16"], choices=["float32", "tf32", "bfloat16"])
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    prepare_device("cuda", seed=0)
    best = ceiling()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {SIDE}^3 in bfloat16: {best / 1e12:.0f} TFLOP/s")
    print("| preset | px | precision | batch | images/s | TFLOP/s | of the bfloat16 ceiling | data, of a step | GB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for preset, res in itertools.product(arguments.preset, arguments.res):
        needed = operations(preset, res)
        for name, batch in itertools.product(arguments.precision, arguments.batch):
            precision: Precision = name
            prepare_device("cuda", seed=0, precision=precision)
            settings = {"steps": STEPS, "batch": batch, "precision": precision, "device": "cuda"}
            config = changed(DEFAULT_LOSS, train={**settings, "compile": arguments.compile})
            gc.collect()  # recordings of the round before
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            rates = ours(faces_of_noise(res), Generator(res, **PRESETS[preset]).to("cuda"), config)
            rate = statistics.median(rates[STEPS // 3 :])
            data = seconds_of_data(res, config) / (batch / rate)
            print(
                f"| {preset} | {res} | {name} | {batch} | {rate:.0f} | {rate * needed / 1e12:.1f} |"
                f" {rate * needed / best:.1%} | {data:.0%} | {torch.cuda.max_memory_reserved() / 2**30:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
