"""LPIPS: how far apart two images are in AlexNet's features, where torchvision's weights have been put.

The weights by which the layers count come with torchmetrics.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018).
"""

from torch import Tensor, nn
from torchmetrics.functional.image import lpips as torchmetrics
from torchvision.models import AlexNet_Weights

from ftlgan.networks.imagenet import load_imagenet


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
    address = AlexNet_Weights.IMAGENET1K_V1.url
    return Lpips(load_imagenet(address, "quality.lpips", "false"))
