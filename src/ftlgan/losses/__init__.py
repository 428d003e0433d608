"""The terms of the generator's loss, one module each, summed by weight.

The weights are params (`losses.*`); 0 switches a term off. The paper (Pulgar and Mery) states the triplet; that
the others stand beside it, and their weights, are our choice.
"""

from dataclasses import dataclass

from torch import Tensor

from ftlgan.losses.identity import identity_loss
from ftlgan.losses.pixel import pixel_loss
from ftlgan.losses.triplet import triplet_loss


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term, >= 0."""

    pixel: float
    identity: float
    triplet: float
    margin: float
    """Of the triplet term, in euclidean distance of unit embeddings."""


@dataclass(frozen=True)
class Batch:
    """What the terms compare; embeddings are unit length, images RGB in [0, 1]."""

    restored: Tensor
    """(N, 3, 112, 112), the generator's output."""
    hr: Tensor
    """(N, 3, 112, 112), the anchors' high-resolution twins."""
    anchor: Tensor
    """(N, D), the teacher's embeddings of `restored`: gradients pass through."""
    twin: Tensor
    """(N, D), embeddings of `hr`."""
    positive: Tensor
    """(N, D), of another photo of the same person."""
    negative: Tensor
    """(N, D), of somebody else."""


def total_loss(batch: Batch, weights: LossWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and each term before weighting. A term of weight 0 is not computed."""
    terms: dict[str, Tensor] = {}
    if weights.pixel:
        terms["pixel"] = pixel_loss(batch.restored, batch.hr)
    if weights.identity:
        terms["identity"] = identity_loss(batch.anchor, batch.twin)
    if weights.triplet:
        terms["triplet"] = triplet_loss(batch.anchor, batch.positive, batch.negative, weights.margin)
    total = sum((getattr(weights, name) * term for name, term in terms.items()), batch.restored.new_zeros(()))
    return total, terms
