"""Triplet loss, as in the paper. It does not need the anchor's high-resolution twin."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from ftlgan.params import Distance

EPSILON = 1e-12
"""Added under the square root, so that the gradient is finite at a distance of 0."""


def triplet_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float, distance: Distance = "euclidean"
) -> Tensor:
    """Return the mean of max(0, D(A, P) - D(A, N) + margin).

    It is torch's margin ranking loss of the two distances, which adds in the order of the formula.
    `triplet_margin_with_distance_loss` adds the margin first, which rounds differently.

    Args:
        anchor: unit embeddings of restored faces, (N, D).
        positive: unit embeddings of other photos of the same people, (N, D).
        negative: unit embeddings of photos of other people, (N, D).
        margin: > 0. Both distances of unit embeddings are at most 2.
        distance: D, `euclidean` or `cosine` (1 - cos, half the square of the former).

    Source: Schroff, Kalenichenko and Philbin, "FaceNet" (2015), which uses the squared distance.
    """
    measure = euclidean_distance if distance == "euclidean" else cosine_distance
    positive_distance, negative_distance = measure(anchor, positive), measure(anchor, negative)
    nearer = -torch.ones_like(positive_distance)  # the first of the two distances should be the smaller one
    return F.margin_ranking_loss(positive_distance, negative_distance, nearer, margin)


def euclidean_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return the row-by-row Euclidean distance, (N, D) and (N, D) to (N,)."""
    return ((a - b).square().sum(dim=1) + EPSILON).sqrt()


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - cos row by row, for rows of unit length, (N, D) and (N, D) to (N,)."""
    return 1 - (a * b).sum(dim=1)
