"""Triplet loss: the paper's claim. It needs no pixel of the anchor's high-resolution twin."""

from torch import Tensor

EPSILON = 1e-12
"""Under the root: the gradient of a distance of exactly 0 is finite."""


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean of max(0, D(A, P) - D(A, N) + margin), with D the euclidean distance.

    Args:
        anchor: unit embeddings of restored faces, (N, D).
        positive: unit embeddings of other photos of the same people, (N, D).
        negative: unit embeddings of photos of other people, (N, D).
        margin: > 0; unit embeddings are at most 2 apart.

    Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015), with D instead of its square.
    """
    return (_distance(anchor, positive) - _distance(anchor, negative) + margin).clamp(min=0).mean()


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square().sum(dim=1) + EPSILON).sqrt()
