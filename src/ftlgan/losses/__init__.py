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
from ftlgan.params import AdversarialForm, Losses

TERMS = ("pixel", "identity", "triplet", "perceptual", "adversarial")
"""The names of all terms: each is a weight in `losses.MODEL` of params.yaml and a column of losses.csv."""


@dataclass(frozen=True)
class LossInputs:
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
    """The features of `restored`, a (N, C, H, W) a layer: gradients pass through."""
    twin_features: Sequence[Tensor] = ()
    """The features of `hr`."""
    logits: Tensor | None = None
    """(N, 1, 112, 112), the discriminator's answer to `restored`: gradients pass through."""


def total_loss(
    inputs: LossInputs, weights: Losses, margin: float, form: AdversarialForm
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum, and each term before weighting. A term of weight 0 is not computed.

    Args:
        inputs: what the terms compare.
        weights: of the terms, `losses.MODEL` in params.yaml.
        margin: of the triplet term.
        form: of the adversarial term.
    """
    terms: dict[str, Tensor] = {}
    if weights.pixel:
        assert inputs.hr is not None
        terms["pixel"] = pixel_loss(inputs.restored, inputs.hr)
    if weights.identity:
        assert inputs.twin is not None
        terms["identity"] = identity_loss(inputs.anchor, inputs.twin)
    if weights.triplet:
        terms["triplet"] = triplet_loss(inputs.anchor, inputs.positive, inputs.negative, margin, weights.distance)
    if weights.perceptual:
        terms["perceptual"] = perceptual_loss(inputs.features, inputs.twin_features)
    if weights.adversarial:
        assert inputs.logits is not None
        terms["adversarial"] = generator_loss(inputs.logits, form)
    total = sum((getattr(weights, name) * term for name, term in terms.items()), inputs.restored.new_zeros(()))
    return total, terms
