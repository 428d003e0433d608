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
class Embedded:
    """The faces of a batch as one teacher sees them, by embeddings of unit length."""

    anchor: Tensor
    """(N, D), of the restored faces: gradients pass through."""
    positive: Tensor
    """(N, D), of another photo of the same person."""
    negative: Tensor
    """(N, D), of somebody else."""
    twin: Tensor | None = None
    """(N, D), of the anchors' high-resolution twins."""


@dataclass(frozen=True)
class LossInputs:
    """What the terms compare, as far as terms in use need it; images are RGB in [0, 1]."""

    restored: Tensor
    """(N, 3, 112, 112), the generator's output."""
    embedded: Sequence[Embedded]
    """The same faces by each teacher."""
    hr: Tensor | None = None
    """(N, 3, 112, 112), the anchors' high-resolution twins."""
    features: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]] = ()
    """Each network of the perceptual term gives its features of `restored`, a (N, C, H, W) a layer, through which
    gradients pass, and those of `hr`."""
    logits: Tensor | None = None
    """(N, 1, 112, 112), the discriminator's answer to `restored`: gradients pass through."""


def total_loss(
    inputs: LossInputs, weights: Losses, margin: float, form: AdversarialForm
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum, and each term before weighting. A term of weight 0 is not computed.

    A term for which there are several networks is the mean over them.

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
        terms["identity"] = _mean([identity_loss(e.anchor, e.twin) for e in inputs.embedded if e.twin is not None])
    if weights.triplet:
        terms["triplet"] = _mean(
            [triplet_loss(e.anchor, e.positive, e.negative, margin, weights.distance) for e in inputs.embedded]
        )
    if weights.perceptual:
        terms["perceptual"] = _mean([perceptual_loss(restored, twin) for restored, twin in inputs.features])
    if weights.adversarial:
        assert inputs.logits is not None
        terms["adversarial"] = generator_loss(inputs.logits, form)
    total = sum((getattr(weights, name) * term for name, term in terms.items()), inputs.restored.new_zeros(()))
    return total, terms


def _mean(terms: Sequence[Tensor]) -> Tensor:
    return sum(terms[1:], terms[0]) / len(terms)
