"""Each loss against a naive loop, and what each must not do."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from ftlgan.losses import Batch, LossWeights, total_loss
from ftlgan.losses.identity import identity_loss
from ftlgan.losses.pixel import pixel_loss
from ftlgan.losses.triplet import triplet_loss


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    restored, hr = torch.rand(5, 3, 8, 8), torch.rand(5, 3, 8, 8)
    return Batch(restored, hr, *(F.normalize(torch.randn(5, 16), dim=1) for _ in range(4)))


def test_pixel_is_the_mean_absolute_difference(batch: Batch) -> None:
    pairs = zip(batch.restored.flatten().tolist(), batch.hr.flatten().tolist(), strict=True)
    naive = [abs(a - b) for a, b in pairs]
    assert pixel_loss(batch.restored, batch.hr).item() == pytest.approx(sum(naive) / len(naive), rel=1e-5)


def test_identity_is_one_minus_the_cosine(batch: Batch) -> None:
    naive = [
        1 - sum(a * b for a, b in zip(x, y, strict=True))
        for x, y in zip(batch.anchor.tolist(), batch.twin.tolist(), strict=True)
    ]
    assert identity_loss(batch.anchor, batch.twin).item() == pytest.approx(sum(naive) / 5, rel=1e-5)


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_triplet_is_the_hinge_of_the_distances(batch: Batch, margin: float) -> None:
    rows = zip(batch.anchor.tolist(), batch.positive.tolist(), batch.negative.tolist(), strict=True)
    naive = [max(0, math.dist(a, p) - math.dist(a, n) + margin) for a, p, n in rows]
    found = triplet_loss(batch.anchor, batch.positive, batch.negative, margin).item()
    assert found == pytest.approx(sum(naive) / 5, rel=1e-5)


def test_a_satisfied_triplet_gives_no_gradient() -> None:
    anchor = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = triplet_loss(anchor, torch.tensor([[0.8, 0.6]]), torch.tensor([[-1.0, 0.0]]), 0.5)
    loss.backward()
    assert loss.item() == 0
    assert anchor.grad is not None
    assert anchor.grad.abs().sum() == 0


def test_an_anchor_on_its_positive_has_a_finite_gradient() -> None:
    anchor = torch.tensor([[1.0, 0.0]], requires_grad=True)
    triplet_loss(anchor, anchor.detach().clone(), torch.tensor([[0.8, 0.6]]), 0.9).backward()
    assert anchor.grad is not None
    assert anchor.grad.isfinite().all()


def test_the_total_is_the_weighted_sum(batch: Batch) -> None:
    total, terms = total_loss(batch, LossWeights(pixel=2, identity=3, triplet=5, margin=0.5))
    assert total.item() == pytest.approx(
        2 * terms["pixel"].item() + 3 * terms["identity"].item() + 5 * terms["triplet"].item()
    )


def test_a_term_of_weight_zero_is_not_computed(batch: Batch) -> None:
    nothing = torch.empty(0)
    without_twins = Batch(batch.restored, nothing, batch.anchor, nothing, batch.positive, batch.negative)
    _, terms = total_loss(without_twins, LossWeights(pixel=0, identity=0, triplet=1, margin=0.5))
    assert set(terms) == {"triplet"}
