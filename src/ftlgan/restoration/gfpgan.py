"""GFPGAN v1.4: a restorer of faces that has StyleGAN2 as its prior, with its authors' weights, to be downloaded.

Its authors put it under Apache-2.0, but for parts that they name: StyleGAN2's terms (NVIDIA) are non-commercial.

It expects a face at its place on the FFHQ template, 512x512, so ours goes there: enlarged bicubically to 381x381, which
lays the five points of the ArcFace template on those of FFHQ by least squares, on the grey that the authors' own code
puts around a face at the edge of a photo. What comes back is cut out and reduced. Enlarging and reducing are ours to
choose; so is that the noise is that of the weights, where the authors draw it anew: the same face, the same bytes.

Source: Wang, Li, Zhang and Shan, "Towards real-world blind face restoration with generative facial prior" (2021).
"""

import numpy as np
import torch
from PIL import Image
from torch import nn

from ftlgan.errors import ParamsError
from ftlgan.faces import HR
from ftlgan.networks.images import to_faces, to_tensor
from ftlgan.params import PretrainedWeights
from ftlgan.weights.pretrained import load_pretrained

SIZE = 512
"""Width and height of a face on the FFHQ template, pixels."""
SIDE, LEFT, TOP = 381, 66, 63
"""Where ours lies in it."""
GREY = (132, 133, 135)
"""RGB."""


class Gfpgan:
    """GFPGAN.

    Args:
        network: RGB in [-1, 1], (N, 3, 512, 512) -> a tuple that begins with the same, restored.
        device: `cpu` or `cuda`, where the network is.
    """

    faces_per_call = 1
    """A face takes 1 GB of memory."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self.network, self.device = network, device

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        return np.stack([cut_out(self._run(place_on_template(face))) for face in lr])

    def _run(self, face: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            image = self.network(to_tensor(face[None], self.device) * 2 - 1, return_rgb=False, randomize_noise=False)[0]
            return to_faces((image + 1) / 2)[0]


def load(weights: PretrainedWeights | None, device: str) -> Gfpgan:
    """See `ftlgan.restoration.load`."""
    if weights is None:
        raise ParamsError("weights.gfpgan: is missing; say where the weights are: file and sha256")
    return Gfpgan(load_pretrained("gfpgan", weights, "GFPGAN", 1, device), device)


def place_on_template(face: np.ndarray) -> np.ndarray:
    """A face on the ArcFace template, uint8 RGB (res, res, 3) -> on the FFHQ template, (512, 512, 3)."""
    canvas = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    enlarged = Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    canvas[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = np.asarray(enlarged)
    return canvas


def cut_out(face: np.ndarray) -> np.ndarray:
    """A face on the FFHQ template, uint8 RGB (512, 512, 3) -> on the ArcFace template, (112, 112, 3)."""
    region = (LEFT, TOP, LEFT + SIDE, TOP + SIDE)
    return np.asarray(Image.fromarray(face).resize((HR, HR), Image.Resampling.BICUBIC, box=region))
