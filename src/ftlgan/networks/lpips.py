"""LPIPS: how far apart two images are in AlexNet's features, where torchvision's weights have been put.

The weights by which the layers count come with torchmetrics. Those of AlexNet are trained on ImageNet, which is for
research, and are not of this project.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics
from torchvision.models import AlexNet_Weights

from ftlgan.errors import WeightsError
from ftlgan.weights import sha256_of

ADDRESS = AlexNet_Weights.IMAGENET1K_V1.url
NAME = ADDRESS.rpartition("/")[2]
SHA256 = NAME.removesuffix(".pth").rpartition("-")[2]
"""Its beginning: torchvision names files by it."""


class Lpips(nn.Module):
    """LPIPS, version 0.1, of AlexNet.

    Args:
        alexnet: weights by torchvision's names.
    """

    def __init__(self, alexnet: dict[str, Tensor]) -> None:
        super().__init__()
        self.network = torchmetrics._LPIPS(net="alex", pnet_rand=True)  # pyright: ignore[reportPrivateUsage] - its public form unpickles a download
        slices = self.network.net.state_dict()
        self.network.net.load_state_dict({name: alexnet[f"features.{name.partition('.')[2]}"] for name in slices})

    def forward(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Faces, RGB in [0, 1], (N, 3, H, W) each -> distances (N,)."""
        return self.network(ours, theirs, normalize=True).flatten()


def load_lpips() -> Lpips:
    """LPIPS with the weights that are where torchvision keeps them.

    Raises:
        WeightsError: if they are not there, or are others.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / NAME
    if not path.is_file():
        raise WeightsError(
            f"{path}: is missing, which quality.lpips needs; download {ADDRESS} there (its SHA-256 begins with "
            f"{SHA256}), or set it to false"
        )
    if not sha256_of(path).startswith(SHA256):
        raise WeightsError(f"{path}: its SHA-256 does not begin with {SHA256}; delete it and download {ADDRESS} there")
    return Lpips(torch.load(path, map_location="cpu", weights_only=True))
