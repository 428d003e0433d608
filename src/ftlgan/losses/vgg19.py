"""VGG19's features for the perceptual term, with torchvision's weights.

Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015); the layers
are ESRGAN's and Real-ESRGAN's, before activation.
"""

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

from ftlgan.weights.imagenet import imagenet_weights

VGG19_SHA256 = "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"

TAPS = (2, 7, 16, 25, 34)
"""conv1_2, conv2_2, conv3_4, conv4_4, conv5_4."""


class Vgg19(nn.Module):
    """Frozen features of the layers `TAPS`.

    Raises:
        WeightsError: if the weights are not where torchvision keeps them, or have another digest.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        network = vgg19()
        address = VGG19_Weights.IMAGENET1K_V1.url
        path = imagenet_weights(address, VGG19_SHA256, "losses.MODEL.perceptual_network: vgg19", "teacher")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        layers = list(network.features.children())[: TAPS[-1] + 1]
        self.layers = nn.ModuleList(layers).eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)

    def forward(self, faces: Tensor) -> list[Tensor]:
        """Return the features of faces, RGB in [0, 1], (N, 3, H, W): one (N, C, h, w) per layer."""
        x, kept = (faces - self.mean) / self.std, list[Tensor]()
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in TAPS:
                kept.append(x)
                x = x.clone()  # the next layer, an activation, works in place
        return kept
