"""The discriminator: a U-Net that classifies each pixel as real or restored.

Source: Wang et al., "Real-ESRGAN" (2021), after Schoenfeld, Schiele and Khoreva, "A U-Net based discriminator for
generative adversarial networks" (2020). An output per pixel shows the generator where it fails, and spectral
normalization (Miyato et al., 2018) keeps the discriminator smooth. It has no batch normalization, so that its output
for a face does not depend on the other faces of the batch.
"""

import itertools

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Discriminator(nn.Module):
    """Face -> one logit per pixel.

    Args:
        features: channels at full resolution; they double at each of the three halvings.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        widths = [features * 2**i for i in range(4)]
        steps = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.down = nn.ModuleList(_conv(few, many, size=4, stride=2) for few, many in steps)
        self.up = nn.ModuleList(_conv(many, few, size=3, stride=1) for few, many in reversed(steps))
        self.tail = _conv(features, features, size=3, stride=1)
        self.logit = nn.Conv2d(features, 1, 3, padding=1)

    def forward(self, faces: Tensor) -> Tensor:
        """Classify each pixel as real or restored.

        Args:
            faces: RGB in [0, 1], (N, 3, H, W), H and W divisible by 8.

        Returns:
            Logits, (N, 1, H, W): high means real.
        """
        x = _activate(self.head(faces * 2 - 1))
        skips: list[Tensor] = []
        for down in self.down:
            skips.append(x)
            x = _activate(down(x))
        for up in self.up:
            # Nearest neighbor, because the gradient of bilinear upsampling is nondeterministic on a GPU.
            x = _activate(up(F.interpolate(x, scale_factor=2, mode="nearest"))) + skips.pop()
        return self.logit(_activate(self.tail(x)))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def _conv(inputs: int, outputs: int, size: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, size, stride, padding=1, bias=False))
