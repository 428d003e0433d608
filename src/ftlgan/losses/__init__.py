"""The terms of the generator's loss, one module each, summed by weight.

The weights are params (`losses.*`); 0 switches a term off. The paper (Pulgar and Mery) states the triplet; that
the others stand beside it, and their weights, are our choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ftlgan.losses.adversarial import generator_loss
from ftlgan.losses.identity import identity_loss
from ftlgan.losses.perceptual import perceptual_loss
from ftlgan.losses.pixel import pixel_loss
from ftlgan.losses.triplet import triplet_loss
from ftlgan.params import AdversarialForm, Distance

NEED_PHOTOS = ("pixel", "perceptual")
"""The terms that look at the high-resolution twin itself; identity is content with its embedding."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term, >= 0, and what the terms need to know."""

    triplet: float
    pixel: float = 0
    identity: float = 0
    perceptual: float = 0
    adversarial: float = 0
    margin: float = 0.5
    """Of the triplet term, between unit embeddings."""
    distance: Distance = "euclidean"
    """Of the triplet term."""
    form: AdversarialForm = "hinge"

    @property
    def needing_photos(self) -> list[str]:
        """The terms in use that look at high-resolution twins."""
        return [name for name in NEED_PHOTOS if getattr(self, name)]


@dataclass(frozen=True)
class Batch:
    """What the terms compare, as far as terms in use need it; embeddings are unit length, images RGB in [0, 1]."""

    restored: Tensor
    """(N, 3, 112, 112), the generator's output."""
    anchor: Tensor
    """(N, D), the teacher's embeddings of `restored`: gradients pass through."""
    positive: Tensor
    """(N, D), of another photo of the same person."""
    negative: Tensor
    """(N, D), of somebody else."""
    hr: Tensor | None = None
    """(N, 3, 112, 112), the anchors' high-resolution twins."""
    twin: Tensor | None = None
    """(N, D), embeddings of `hr`."""
    features: Sequence[Tensor] = ()
    """Of `restored`, a (N, C, H, W) a layer: gradients pass through."""
    twin_features: Sequence[Tensor] = ()
    """Of `hr`."""
    logits: Tensor | None = None
    """(N, 1, 112, 112), the discriminator's answer to `restored`: gradients pass through."""


def total_loss(batch: Batch, weights: LossWeights) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and each term before weighting. A term of weight 0 is not computed."""
    terms: dict[str, Tensor] = {}
    if weights.pixel:
        assert batch.hr is not None
        terms["pixel"] = pixel_loss(batch.restored, batch.hr)
    if weights.identity:
        assert batch.twin is not None
        terms["identity"] = identity_loss(batch.anchor, batch.twin)
    if weights.triplet:
        terms["triplet"] = triplet_loss(batch.anchor, batch.positive, batch.negative, weights.margin, weights.distance)
    if weights.perceptual:
        terms["perceptual"] = perceptual_loss(batch.features, batch.twin_features)
    if weights.adversarial:
        assert batch.logits is not None
        terms["adversarial"] = generator_loss(batch.logits, weights.form)
    total = sum((getattr(weights, name) * term for name, term in terms.items()), batch.restored.new_zeros(()))
    return total, terms
