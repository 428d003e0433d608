"""Train a model's generator, and validate it on other people: `python stages/train.py MODEL`."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from ftlgan import tracking
from ftlgan.errors import one_line_errors
from ftlgan.faces import read_faces
from ftlgan.networks.device import prepare_compiler, prepare_device
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator, generator_size
from ftlgan.networks.weights import save_generator
from ftlgan.params import PACKAGED, Params, chosen, load_params
from ftlgan.recognition import teacher
from ftlgan.training.checkpoint import Checkpoint
from ftlgan.training.data import read_training_set
from ftlgan.training.distributed import World, join_world, launch, launched
from ftlgan.training.fingerprint import check_same_everywhere, check_unchanged, params_digest, take_fingerprint
from ftlgan.training.history import History
from ftlgan.training.loop import fit
from ftlgan.training.start import network_of, refuse_seen_people, start_from

DEGRADED, ALIGNED, TARGETS = Path("data/degraded"), Path("data/aligned"), Path("data/targets")
MODELS = Path("data/model")
CHECKPOINTS = Path(os.environ.get("DVC_ROOT", "")) / ".dvc/tmp/ftlgan"
"""Outside the stage's outputs, which DVC deletes first, and outside the copy that `exp run --temp` uses."""


def train(params: Params, model: str, world: World, run: tracking.Run | None) -> None:
    """Train a model. Only the first process has a run to log to, and writes the result."""
    config, folder = params.training(model), MODELS / model
    begun = take_fingerprint(params, model)
    check_same_everywhere(begun, world)
    data = read_training_set(DEGRADED, ALIGNED, TARGETS / model, config)
    start = config.train.start
    size = generator_size(params.generator, params.res, network_of(start, params.res) if start else None)
    generator = Generator(params.res, **size)
    if start == PACKAGED:
        refuse_seen_people(read_faces(ALIGNED, ["identity"], ["test"])["identity"].to_pylist())
    if start:
        start_from(generator, start, params.res)
    generator.to(world.device)
    discriminator = Discriminator(config.discriminator.features).to(world.device) if config.losses.adversarial else None
    teachers = [teacher.load(name, params.recognizers[name]).to(world.device) for name in config.losses.teachers]
    if config.losses.perceptual and config.losses.perceptual_network == "teacher":
        teacher.check_features(dict(zip(config.losses.teachers, teachers, strict=True)), f"losses.{model}")
    perceptual = None
    if config.losses.perceptual and config.losses.perceptual_network == "vgg19":
        from ftlgan.losses.vgg19 import Vgg19  # takes a second

        perceptual = Vgg19().to(world.device)
    checkpoint = Checkpoint(CHECKPOINTS, model, begun)
    with checkpoint.in_use() if run else nullcontext():
        with History(folder) if run else nullcontext() as history:

            def log(step: int, metrics: dict[str, float]) -> None:
                if history and run:
                    history.log(step, metrics)
                    run.log(step, metrics)

            best = fit(
                generator,
                discriminator,
                teachers,
                data,
                config,
                log,
                checkpoint=checkpoint,
                perceptual=perceptual,
                world=world,
            )
        if run:
            check_unchanged(begun, load_params(), model)
            description = {
                "res": params.res,
                **size,
                "teachers": [references.recognizer for references in data.references],
                "params": params_digest(params, model),
            }
            save_generator(folder / "generator.safetensors", generator, description)
            run.log_final({"best_val_d_prime": best})
            run.log_artifact(folder)
            checkpoint.remove()


@one_line_errors
def main() -> None:
    params = load_params()
    (model,) = chosen(sys.argv[1:], params.models)
    settings = params.train
    if settings.compile:
        prepare_compiler()
    prepare_device(settings.device, settings.seed, settings.devices, settings.precision)
    if settings.devices > 1 and not launched():
        launch(__file__, settings.devices, model)
        return
    with join_world(settings.device) as world:
        if world.is_first:
            with tracking.run(f"train@{model}", params.model_dump(by_alias=True)) as run:
                train(params, model, world, run)
        else:
            train(params, model, world, None)


if __name__ == "__main__":
    main()
