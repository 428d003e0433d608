"""One step, compared with a naive one: every term reaches the weights, through the right faces."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from small import CONFIG, Colours, changed, faster, losing, same, small_generator, train
from torch import Tensor, nn

from ftlgan.errors import DataError
from ftlgan.losses import TERMS
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator
from ftlgan.params import Training
from ftlgan.training.augmentation import degrade_each, draw_moves, move
from ftlgan.training.batches import DEGRADE, MIRROR, MOVE, NOISE, ORDER, REAL, random_stream
from ftlgan.training.data import TrainingSet
from ftlgan.training.distributed import World
from ftlgan.training.loop import _Trainer, validation_d_prime
from ftlgan.training.state import State, learning_rate_factor

ALL = losing(triplet=1.0, pixel=2.0, identity=3.0, perceptual=0.5, adversarial=0.1)


def new_trainer(data: TrainingSet, config: Training) -> _Trainer:
    """Return a trainer about to take its first step, with networks that are not blank any more."""
    torch.manual_seed(0)
    generator = small_generator()
    nn.init.normal_(generator.tail.weight, std=0.05)
    state = State(generator, Discriminator(4) if config.losses.adversarial else None, config)
    state.step = 1
    return _Trainer(state, [Colours() for _ in data.references], data, None, World())


def image(face: np.ndarray) -> Tensor:
    return torch.from_numpy(face.copy()).permute(2, 0, 1) / 255


def naive_step(
    generator: Generator, critic: Discriminator | None, data: TrainingSet, config: Training
) -> dict[str, float]:
    """Move both networks as the first step of a training should, face by face."""
    teacher, weights, settings = Colours(), config.losses, config.train
    seed, batch = settings.seed, settings.batch
    triplets = data.triplets[random_stream(seed, 0, ORDER).permutation(len(data.triplets))[:batch]]
    assert data.train.hr is not None
    moves = draw_moves(batch, 14, config.augmentation, random_stream(seed, 1, MOVE))
    hr = move(data.train.hr[triplets[:, 0]], moves)
    lr = degrade_each(hr, 14, config.degradation, [random_stream(seed, 1, DEGRADE, place) for place in range(batch)])
    native = data.train.native[triplets[:, 0]]
    lr[native] = data.train.lr[triplets[native, 0]]
    mirrored = random_stream(seed, 1, MIRROR).random(batch) < 0.5
    assert mirrored.any()
    assert not mirrored.all()
    anchors = torch.stack([image(face[:, ::-1] if m else face) for face, m in zip(lr, mirrored, strict=True)])
    twins = torch.stack([image(face[:, ::-1] if m else face) for face, m in zip(hr, mirrored, strict=True)])
    streams = [random_stream(seed, 1, NOISE, place) for place in range(batch)]
    noise = np.stack([rng.standard_normal((3, 112, 112), np.float32) for rng in streams])

    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
        restored = generator(anchors)
        embeddings, (features,) = teacher.features(restored + settings.teacher_noise * torch.from_numpy(noise))
        twin_embeddings, (twin_features,) = teacher.features(twins)
    restored, embeddings, features, twin_embeddings, twin_features = (
        found.float() for found in (restored, embeddings, features, twin_embeddings, twin_features)
    )
    (references,) = data.references
    photos = torch.from_numpy(references.embeddings)
    sums = dict.fromkeys(TERMS, torch.zeros(()))
    for i, (_, positive, negative) in enumerate(triplets):
        nearer = (embeddings[i] - photos[positive]).norm() - (embeddings[i] - photos[negative]).norm()
        sums["triplet"] = sums["triplet"] + (nearer + config.triplets.margin).clamp(min=0)
        if native[i]:
            continue  # it has no twin
        sums["pixel"] = sums["pixel"] + (restored[i] - twins[i]).abs().mean()
        sums["identity"] = sums["identity"] + 1 - embeddings[i] @ twin_embeddings[i]
        cosine = nn.functional.cosine_similarity(features[i], twin_features[i], dim=0)
        sums["perceptual"] = sums["perceptual"] + 1 - cosine.mean()
    if critic:
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = copy.deepcopy(critic).eval()(restored.bfloat16() if settings.precision == "bfloat16" else restored)
        one_each = -logits.float() if config.discriminator.form == "hinge" else -logits.float().sigmoid().log()
        sums["adversarial"] = one_each.mean() * batch
    paired = dict.fromkeys(("pixel", "identity", "perceptual"), int((~native).sum()))
    faces = dict.fromkeys(TERMS, len(triplets)) | paired
    losses = {name: total / faces[name] for name, total in sums.items() if getattr(weights, name)}
    total = sum(getattr(weights, name) * loss for name, loss in losses.items())
    assert isinstance(total, Tensor)
    share = learning_rate_factor(0, settings.steps, settings.warmup)
    minimise(generator, total, share * settings.learning_rate, settings.clip)
    if critic:
        losses |= naive_critic_step(critic, restored.detach(), data, config)
    return {name: loss.item() for name, loss in losses.items()} | {"total": total.item()}


def naive_critic_step(
    critic: Discriminator, restored: Tensor, data: TrainingSet, config: Training
) -> dict[str, Tensor]:
    settings = config.train
    rng = random_stream(settings.seed, 1, REAL)
    assert data.real is not None
    photos = data.real[rng.integers(0, len(data.real), len(restored))]
    mirrored = rng.random(len(photos)) < 0.5
    real = torch.stack([image(face[:, ::-1] if m else face) for face, m in zip(photos, mirrored, strict=True)])
    real.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16"):
        answers = critic(torch.cat([real, restored])).float()
    of_real, of_restored = answers[: len(real)], answers[len(real) :]
    if config.discriminator.form == "hinge":
        loss = (1 - of_real).clamp(min=0).mean() + (1 + of_restored).clamp(min=0).mean()
    else:
        loss = -of_real.sigmoid().log().mean() - (1 - of_restored.sigmoid()).log().mean()
    metrics = {"discriminator": loss}
    if config.discriminator.r1:
        squares = [
            torch.autograd.grad(of_real[i].mean(), real, create_graph=True)[0].square().sum() for i in range(len(real))
        ]
        metrics["r1"] = torch.stack(squares).mean() / 2
        loss = loss + config.discriminator.r1 * metrics["r1"]
    share = learning_rate_factor(0, settings.steps, settings.warmup)
    minimise(critic, loss, share * config.discriminator.learning_rate, settings.clip)
    return metrics


def minimise(network: nn.Module, loss: Tensor, rate: float, clip: float) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.99))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()


@pytest.mark.parametrize(
    ("config", "discriminator", "settings", "every"),
    [
        *((losing(**{name: 1.0}), {}, {}, 0) for name in TERMS),
        (ALL, {}, {}, 0),
        (ALL, {"form": "non-saturating", "r1": 0.0}, {"teacher_noise": 0.0}, 0),
        (ALL, {"r1": 0.0}, {"precision": "bfloat16"}, 0),
        (ALL, {}, {}, 2),
    ],
    ids=[*TERMS, "all", "non-saturating", "bfloat16", "native"],
)
def test_a_step_is_what_it_is_naively(
    data: TrainingSet, config: Training, discriminator: dict[str, object], settings: dict[str, object], every: int
) -> None:
    """If `every` is 2, every second face is native."""
    if every:
        assert data.train.hr is not None
        native = np.arange(len(data.train.lr)) % every == 0
        hr = np.where(native[:, None, None, None], 0, data.train.hr[:])
        data = replace(data, train=replace(data.train, native=native, hr=hr), real=data.train.hr[~native])
    config = changed(
        config,
        discriminator={"r1": 10.0, "learning_rate": 1e-4, **discriminator},
        train={"batch": 6, "teacher_noise": 0.05, **settings},
    )
    trainer = new_trainer(data, config)
    state = trainer.state
    generator, critic = copy.deepcopy(state.generator), copy.deepcopy(state.discriminator)
    initial = copy.deepcopy(generator)
    metrics = trainer.step()
    naive = naive_step(generator, critic, data, config)
    assert {name: metrics[name] for name in naive} == pytest.approx(naive, rel=1e-4, abs=1e-6)
    # Adam's first step has the gradient's sign and the rate's length, so that rounding may turn a vanishing weight.
    turned = [
        (ours - theirs).abs() > 0.1 * config.train.learning_rate
        for ours, theirs in zip(state.generator.parameters(), generator.parameters(), strict=True)
    ]
    assert torch.cat([flags.flatten() for flags in turned]).float().mean() < 0.01
    assert not same(state.generator, initial), "the term does not reach the weights"
    if critic and state.discriminator:
        for ours, theirs in zip(state.discriminator.parameters(), critic.parameters(), strict=True):
            assert ((ours - theirs).abs() > 0.1 * config.discriminator.learning_rate).float().mean() < 0.01


def test_it_is_the_average_that_is_validated(data: TrainingSet) -> None:
    trainer = new_trainer(data, ALL)
    with torch.no_grad():
        trainer.state.generator.tail.weight.normal_()
    logged: dict[str, float] = {}
    trainer.state.step = ALL.train.steps
    trainer.validate_and_log({}, lambda _, metrics: logged.update(metrics))
    worth = [
        validation_d_prime(network, [Colours()], data.val, data.val_references, "cpu")
        for network in (trainer.state.ema_generator, trainer.state.generator)
    ]
    assert logged["val_d_prime"] == worth[0] != worth[1]


@pytest.mark.parametrize("r1", [0.0, 0.1])
def test_compiled_it_is_the_same_training(data: TrainingSet, monkeypatch: pytest.MonkeyPatch, r1: float) -> None:
    config = faster(changed(CONFIG, discriminator={"r1": r1}), steps=2)
    plain = train(data, config)
    compiled: list[nn.Module] = []
    ours = torch.compile

    def without_a_compiler(network: nn.Module) -> object:
        compiled.append(network)
        return ours(network, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", without_a_compiler)
    again = train(data, faster(config, compile=True))
    assert len(compiled) == (1 if r1 else 2)
    for a, b in zip(plain.generator.parameters(), again.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_fewer_triplets_than_processes_are_one_line(data: TrainingSet) -> None:
    with pytest.raises(DataError, match="1 triplets for 2 processes"):
        train(replace(data, triplets=data.triplets[:1]), world=World(0, 2))


def test_two_teachers_that_are_the_same_are_as_one(data: TrainingSet) -> None:
    twice = replace(data, references=[*data.references] * 2, val_references=[*data.val_references] * 2)
    one, two = train(data), train(twice)
    for (_, a), (_, b) in zip(one.history, two.history, strict=True):
        assert a.keys() == b.keys()
        assert all(a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-6) for name in a.keys() - {"images_per_s"})


def test_each_of_two_teachers_compares_with_its_own_embeddings(data: TrainingSet) -> None:
    (references,) = data.references
    other = replace(references, embeddings=-references.embeddings)
    found = [
        new_trainer(replace(data, references=seen), ALL).step()["triplet"]
        for seen in ([references], [other], [references, other])
    ]
    assert found[0] != pytest.approx(found[1], rel=0.01)
    assert found[2] == pytest.approx((found[0] + found[1]) / 2)
