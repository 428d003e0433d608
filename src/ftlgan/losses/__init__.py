"""The generator's loss: a weighted sum of terms, one module per term.

The weights are params (`losses.*`); 0 switches a term off. The paper (Pulgar and Mery) states the triplet loss; the
other terms and all weights are our choice.
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
    """The unit embeddings of a batch by one teacher."""

    anchor: Tensor
    """(N, D), the restored faces: gradients pass through."""
    positive: Tensor
    """(N, D), other photos of the same people."""
    negative: Tensor
    """(N, D), photos of other people."""
    twin: Tensor | None = None
    """(N, D), the anchors' high-resolution twins."""


@dataclass(frozen=True)
class LossInputs:
    """The inputs of the terms. Those that no term in use needs may be missing. Images are RGB in [0, 1]."""

    restored: Tensor
    """(N, 3, 112, 112), the generator's output."""
    embedded: Sequence[Embedded]
    """The embeddings by each teacher."""
    hr: Tensor | None = None
    """(N, 3, 112, 112), the anchors' high-resolution twins."""
    features: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]] = ()
    """For each network of the perceptual term, the features of `restored`, through which gradients pass, and those of
    `hr`: one (N, C, H, W) per layer."""
    logits: Tensor | None = None
    """(N, 1, 112, 112), the discriminator's output for `restored`: gradients pass through."""
    paired: float = 1.0
    """The share of the faces that have a twin of their own. For the others, `hr` and its embeddings and features are
    those of `restored`."""


def total_loss(
    inputs: LossInputs, weights: Losses, margin: float, form: AdversarialForm
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum, and each term before weighting. A term of weight 0 is not computed.

    A term with several networks is the mean over them. A term that compares twins is the mean over the faces that have
    one, so that native faces in a batch do not weaken what the others teach.

    Args:
        inputs: embeddings, images and features to compare.
        weights: weights of the terms, `losses.MODEL` in params.yaml.
        margin: margin of the triplet term.
        form: form of the adversarial term.
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
    if 0 < inputs.paired < 1:
        terms |= {name: terms[name] / inputs.paired for name in weights.terms_with_twins}
    total = sum((getattr(weights, name) * term for name, term in terms.items()), inputs.restored.new_zeros(()))
    return total, terms


def _mean(terms: Sequence[Tensor]) -> Tensor:
    return sum(terms[1:], terms[0]) / len(terms)
