"""Triplet loss: the paper's claim. It needs no pixel of the anchor's high-resolution twin."""

from torch import Tensor

from ftlgan.params import Distance

EPSILON = 1e-12
"""Under the root: the gradient of a distance of exactly 0 is finite."""


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, distance: Distance = "euclidean"
) -> Tensor:
    """Mean of max(0, D(A, P) - D(A, N) + margin).

    Args:
        anchor: unit embeddings of restored faces, (N, D).
        positive: unit embeddings of other photos of the same people, (N, D).
        negative: unit embeddings of photos of other people, (N, D).
        margin: > 0; unit embeddings are at most 2 apart, by either distance.
        distance: D, `euclidean` or `cosine` (1 - cos, half the square of the former).

    Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015), where D is the square.
    """
    between = _euclidean if distance == "euclidean" else _cosine
    return (between(anchor, positive) - between(anchor, negative) + margin).clamp(min=0).mean()


def _euclidean(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).square().sum(dim=1) + EPSILON).sqrt()


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return 1 - (a * b).sum(dim=1)
