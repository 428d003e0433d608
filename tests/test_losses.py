"""Each loss against a naive loop, and what each must not do."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from ftlgan.losses import TERMS, Embedded, LossInputs, total_loss
from ftlgan.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from ftlgan.losses.identity import identity_loss
from ftlgan.losses.perceptual import perceptual_loss
from ftlgan.losses.pixel import pixel_loss
from ftlgan.losses.triplet import triplet_loss
from ftlgan.params import Distance, Losses
from ftlgan.recognition.teacher import load


def weights(**given: float) -> Losses:
    """Return the weights of some terms; those of all others are 0."""
    others = {"teacher": "sface", "distance": "euclidean", "perceptual_network": "teacher"}
    return Losses.model_validate({**dict.fromkeys(TERMS, 0.0), **given, **others})


@pytest.fixture
def batch() -> LossInputs:
    torch.manual_seed(0)
    return LossInputs(
        restored=torch.rand(5, 3, 8, 8),
        embedded=[Embedded(*(F.normalize(torch.randn(5, 16), dim=1) for _ in range(4)))],
        hr=torch.rand(5, 3, 8, 8),
        features=[
            ([torch.randn(5, 4, 3, 3), torch.randn(5, 8, 2, 2)], [torch.randn(5, 4, 3, 3), torch.randn(5, 8, 2, 2)])
        ],
        logits=torch.randn(5, 1, 8, 8),
    )


@pytest.fixture
def faces(batch: LossInputs) -> Embedded:
    return batch.embedded[0]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_pixel_is_the_mean_absolute_difference(batch: LossInputs) -> None:
    assert batch.hr is not None
    pairs = zip(batch.restored.flatten().tolist(), batch.hr.flatten().tolist(), strict=True)
    naive = [abs(a - b) for a, b in pairs]
    assert pixel_loss(batch.restored, batch.hr).item() == pytest.approx(sum(naive) / len(naive), rel=1e-5)


def test_identity_is_one_minus_the_cosine(faces: Embedded) -> None:
    assert faces.twin is not None
    naive = [1 - dot(a, b) for a, b in zip(faces.anchor.tolist(), faces.twin.tolist(), strict=True)]
    assert identity_loss(faces.anchor, faces.twin).item() == pytest.approx(sum(naive) / 5, rel=1e-5)


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_triplet_is_the_hinge_of_the_distances(faces: Embedded, margin: float, distance: Distance) -> None:
    def measure(a: list[float], b: list[float]) -> float:
        return math.dist(a, b) if distance == "euclidean" else 1 - dot(a, b)

    rows = zip(faces.anchor.tolist(), faces.positive.tolist(), faces.negative.tolist(), strict=True)
    naive = [max(0, measure(a, p) - measure(a, n) + margin) for a, p, n in rows]
    found = triplet_loss(faces.anchor, faces.positive, faces.negative, margin, distance).item()
    assert found == pytest.approx(sum(naive) / 5, rel=1e-5)


def test_perceptual_is_the_cosine_distance_of_each_place_then_of_each_layer(batch: LossInputs) -> None:
    layers: list[float] = []
    for restored, twin in zip(*batch.features[0], strict=True):
        places: list[float] = []
        for n in range(restored.shape[0]):
            for y in range(restored.shape[2]):
                for x in range(restored.shape[3]):
                    a, b = restored[n, :, y, x].tolist(), twin[n, :, y, x].tolist()
                    places.append(1 - dot(a, b) / math.hypot(*a) / math.hypot(*b))
        layers.append(sum(places) / len(places))
    assert perceptual_loss(*batch.features[0]).item() == pytest.approx(sum(layers) / 2, rel=1e-5)


def test_adversarial_losses_are_those_of_the_papers(batch: LossInputs) -> None:
    assert batch.logits is not None
    fake, real = batch.logits, batch.logits.flip(0) + 0.5
    f, r = fake.flatten().tolist(), real.flatten().tolist()
    count = len(f)

    def log_sigmoid(x: float) -> float:
        return math.log(1 / (1 + math.exp(-x)))

    assert generator_loss(fake, "hinge").item() == pytest.approx(-sum(f) / count, rel=1e-5)
    deceived = -sum(map(log_sigmoid, f)) / count
    assert generator_loss(fake, "non-saturating").item() == pytest.approx(deceived, rel=1e-5)
    hinge = (sum(max(0, 1 - x) for x in r) + sum(max(0, 1 + x) for x in f)) / count
    assert discriminator_loss(real, fake, "hinge").item() == pytest.approx(hinge, rel=1e-5)
    binary = -(sum(map(log_sigmoid, r)) + sum(log_sigmoid(-x) for x in f)) / count
    assert discriminator_loss(real, fake, "non-saturating").item() == pytest.approx(binary, rel=1e-5)


def test_r1_is_half_the_squared_slope_of_each_photo_s_mean_logit() -> None:
    torch.manual_seed(0)
    real, slope = torch.rand(3, 3, 4, 4, requires_grad=True), torch.randn(1, 3, 4, 4)
    scale = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    logits = ((real * slope).sum(dim=(1, 2, 3), keepdim=True) * scale).expand(3, 1, 4, 4)
    lengths = [sum((k * s) ** 2 for s in slope.flatten().tolist()) for k in (1, 2, 3)]
    assert r1_penalty(real, logits).item() == pytest.approx(sum(lengths) / 3 / 2, rel=1e-5)


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


def test_the_total_is_the_weighted_sum(batch: LossInputs) -> None:
    given = {"pixel": 2.0, "identity": 3.0, "triplet": 5.0, "perceptual": 7.0, "adversarial": 11.0}
    total, terms = total_loss(batch, weights(**given), 0.5, "hinge")
    assert tuple(terms) == TERMS
    assert total.item() == pytest.approx(sum(weight * terms[name].item() for name, weight in given.items()))


def test_a_term_is_the_mean_over_teachers(batch: LossInputs) -> None:
    given = weights(identity=1.0, triplet=1.0, perceptual=1.0)
    torch.manual_seed(1)
    second = replace(
        batch,
        embedded=[Embedded(*(F.normalize(torch.randn(5, 7), dim=1) for _ in range(4)))],
        features=[([torch.randn(5, 2, 4, 4)], [torch.randn(5, 2, 4, 4)])],
    )
    together = replace(
        batch, embedded=[*batch.embedded, *second.embedded], features=[*batch.features, *second.features]
    )
    _, one = total_loss(batch, given, 0.5, "hinge")
    _, other = total_loss(second, given, 0.5, "hinge")
    _, both = total_loss(together, given, 0.5, "hinge")
    assert both.keys() == {"identity", "triplet", "perceptual"}
    for name, term in both.items():
        assert one[name].item() != pytest.approx(other[name].item())
        assert term.item() == pytest.approx((one[name] + other[name]).item() / 2)


def test_terms_with_twins_are_means_over_the_faces_that_have_one(batch: LossInputs) -> None:
    given = weights(pixel=1.0, identity=1.0, triplet=1.0, perceptual=1.0)
    _, all_paired = total_loss(batch, given, 0.5, "hinge")
    total, terms = total_loss(replace(batch, paired=0.4), given, 0.5, "hinge")
    for name in ("pixel", "identity", "perceptual"):
        assert terms[name].item() == pytest.approx(all_paired[name].item() / 0.4)
    assert torch.equal(terms["triplet"], all_paired["triplet"])
    assert total.item() == pytest.approx(sum(term.item() for term in terms.values()))
    _, none = total_loss(replace(batch, paired=0.0), given, 0.5, "hinge")
    assert all(map(torch.equal, none.values(), all_paired.values())), "nothing to average: they are 0 anyway"


def test_a_term_of_weight_zero_is_not_computed(batch: LossInputs) -> None:
    blind = LossInputs(batch.restored, [replace(face, twin=None) for face in batch.embedded])
    _, terms = total_loss(blind, weights(triplet=1.0), 0.5, "hinge")
    assert set(terms) == {"triplet"}


def test_gradients_reach_the_restored_face_through_its_embedding() -> None:
    torch.manual_seed(0)
    restored = torch.rand(2, 3, 112, 112, requires_grad=True)
    frozen = load("sface")
    assert isinstance(frozen, torch.nn.Module)
    others = F.normalize(torch.randn(4, 128), dim=1)
    anchor = frozen(restored)
    inputs = LossInputs(restored, [Embedded(anchor, others[:2], others[2:])])
    total_loss(inputs, weights(triplet=1.0), 2.0, "hinge")[0].backward()
    assert restored.grad is not None
    assert (restored.grad.flatten(1).abs().sum(dim=1) > 0).all()
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
