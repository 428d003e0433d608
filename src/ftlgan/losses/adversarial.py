"""Adversarial losses: the discriminator tells restored faces from photos pixel by pixel; the generator deceives it."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ftlgan.params import AdversarialForm


def generator_loss(fake: Tensor, form: AdversarialForm) -> Tensor:
    """Return a loss that is low when the discriminator takes restored faces for real.

    Args:
        fake: logits of restored faces, any shape: high means taken for real.
        form: `hinge` (-mean of the logits) or `non-saturating` (-mean log sigmoid).

    Source: Lim and Ye, "Geometric GAN" (2017) for hinge; Goodfellow et al., "Generative adversarial nets" (2014).
    """
    return -fake.mean() if form == "hinge" else F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor, form: AdversarialForm) -> Tensor:
    """Return a loss that is low when the discriminator tells real photos from restored faces.

    Args:
        real: logits of real photos, any shape.
        fake: logits of restored faces.
        form: see `generator_loss`, also for the source.
    """
    if form == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def r1_penalty(real: Tensor, logits: Tensor) -> Tensor:
    """Return the R1 penalty: half the squared norm of the gradient of a photo's mean logit, averaged over photos.

    Args:
        real: real photos, (N, 3, H, W), that require a gradient.
        logits: the discriminator's output for them, (N, 1, H, W).

    Source: Mescheder, Geiger and Nowozin, "Which training methods for GANs do actually converge?" (2018), eq. 9.
    """
    (gradient,) = torch.autograd.grad(logits.mean(dim=(1, 2, 3)).sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2
