"""Images a second of each method, on the same machine in the same run: `python tests/benchmarks/restoration.py`.

A method whose official weights are not here runs with random ones, which take as long. `--device cuda` for a GPU;
`--res 14 28` for some resolutions only.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from ftlgan import restoration
from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import PRESETS, Generator
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.restoration.gfpgan import Gfpgan
from ftlgan.restoration.realesrgan import FACES_PER_GPU_CALL, RealEsrgan, torch_enlarger

ROUNDS = 5
Restore = Callable[[np.ndarray], np.ndarray]


def gfpgan(device: str) -> Restore:
    from spandrel.architectures.GFPGAN import GFPGAN

    return Gfpgan(GFPGAN().to(device).eval(), device).restore


def realesrgan_by_torch(device: str) -> Restore:
    from spandrel.architectures.ESRGAN import ESRGAN

    return RealEsrgan(torch_enlarger(ESRGAN().to(device).eval(), device), FACES_PER_GPU_CALL).restore


def ftlgan(preset: str, res: int, device: str) -> Restore:
    generator = Generator(res, **PRESETS[preset]).to(device).eval()

    def restore(lr: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return to_faces(generator(to_tensor(lr, device)))

    return restore


def images_per_second(restore: Restore, lr: np.ndarray) -> float:
    """The median of some rounds, after one that is not counted."""
    restore(lr[:1])
    seconds: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        restore(lr)
        seconds.append(time.perf_counter() - started)
    return len(lr) / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--res", type=int, nargs="+", default=[14, 28, 56])
    parser.add_argument("--faces", type=int, default=8, help="of a batch; GFPGAN gets a quarter")
    arguments = parser.parse_args()
    device: str = arguments.device
    prepare_device(device, seed=0)
    methods: dict[str, Callable[[int], Restore]] = {
        "bicubic": lambda res: restoration.load("bicubic").restore,
        "Real-ESRGAN, ncnn on the CPU": lambda res: restoration.load("realesrgan").restore,
        f"Real-ESRGAN, torch on {device}": lambda res: realesrgan_by_torch(device),
        f"GFPGAN on {device}": lambda res: gfpgan(device),
        f"FTLGAN, attention, on {device}": lambda res: ftlgan("attention", res, device),
        f"FTLGAN, small, on {device}": lambda res: ftlgan("small", res, device),
        f"FTLGAN, paper, on {device}": lambda res: ftlgan("paper", res, device),
    }
    print(f"images a second, {torch.get_num_threads()} threads")
    print("| method |" + "".join(f" {res} px |" for res in arguments.res))
    print("|---|" + "---|" * len(arguments.res))
    for name, build in methods.items():
        rates: list[float] = []
        for res in arguments.res:
            count = max(1, arguments.faces // 4) if name.startswith("GFPGAN") else arguments.faces
            lr = np.random.default_rng(0).integers(0, 256, (count, res, res, 3), dtype=np.uint8)
            rates.append(images_per_second(build(res), lr))
        print(f"| {name} |" + "".join(f" {rate:.3g} |" for rate in rates), flush=True)


if __name__ == "__main__":
    main()
