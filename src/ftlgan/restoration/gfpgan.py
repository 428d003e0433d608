"""GFPGAN v1.4: a face restorer with StyleGAN2 as its prior, and with its authors' weights, which are downloaded.

Its license is Apache-2.0, except for parts that its authors name: StyleGAN2's terms (NVIDIA) are non-commercial.

It expects a face in its position on the FFHQ template, 512x512. So our face is enlarged bicubically to 381x381, which
maps the five points of the ArcFace template to those of FFHQ by least squares. Around it is the gray that the authors'
code puts around a face at the edge of a photo. The result is cropped and reduced. Our choices are the resampling, and
the noise: it is that of the weights, where the authors draw new noise, so that the same face gives the same bytes.

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
"""The size and position of our face on the FFHQ template, pixels."""
GREY = (132, 133, 135)
"""The RGB color around the face."""


class Gfpgan:
    """GFPGAN.

    Args:
        network: RGB in [-1, 1], (N, 3, 512, 512) -> a tuple whose first item is restored RGB of the same shape.
        device: the network's device, `cpu` or `cuda`.
    """

    faces_per_call = 1
    """A face takes 1 GB of memory."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self.network, self.torch_device = network, device

    def restore(self, lr: np.ndarray) -> np.ndarray:
        """See `ftlgan.restoration.Restorer`."""
        return np.stack([cut_out(self._run(place_on_template(face))) for face in lr])

    def _run(self, face: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            image = self.network(
                to_tensor(face[None], self.torch_device) * 2 - 1, return_rgb=False, randomize_noise=False
            )[0]
            return to_faces((image + 1) / 2)[0]


def load(weights: PretrainedWeights | None, device: str) -> Gfpgan:
    """See `ftlgan.restoration.load`."""
    if weights is None:
        raise ParamsError("weights.gfpgan: is missing; give the file and sha256 of the weights")
    return Gfpgan(load_pretrained("gfpgan", weights, "GFPGAN", 1, device), device)


def place_on_template(face: np.ndarray) -> np.ndarray:
    """Move a face from the ArcFace template, uint8 RGB (res, res, 3), to the FFHQ template, (512, 512, 3)."""
    canvas = np.full((SIZE, SIZE, 3), GREY, np.uint8)
    enlarged = Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    canvas[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = np.asarray(enlarged)
    return canvas


def cut_out(face: np.ndarray) -> np.ndarray:
    """Move a face from the FFHQ template, uint8 RGB (512, 512, 3), to the ArcFace template, (112, 112, 3)."""
    region = (LEFT, TOP, LEFT + SIDE, TOP + SIDE)
    return np.asarray(Image.fromarray(face).resize((HR, HR), Image.Resampling.BICUBIC, box=region))
