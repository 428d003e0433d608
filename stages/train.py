"""Train a model's generator on the training people, validate it on others: `python stages/train.py MODEL`."""

import os
import sys
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ftlgan import distributed, tracking
from ftlgan.augmentation import Augmentation
from ftlgan.errors import one_line_errors
from ftlgan.history import History
from ftlgan.losses import LossWeights
from ftlgan.networks.device import prepare_device, require_compiler
from ftlgan.networks.discriminator import Discriminator
from ftlgan.networks.generator import Generator, generator_size
from ftlgan.networks.vgg19 import Vgg19
from ftlgan.networks.weights import save_generator
from ftlgan.params import Params, chosen, load_params
from ftlgan.recognition import teacher
from ftlgan.training.checkpoint import Checkpoint, digest
from ftlgan.training.data import read_training_set
from ftlgan.training.loop import fit
from ftlgan.training.state import Schedule

DEGRADED, ALIGNED, TEACHER = Path("data/degraded"), Path("data/aligned"), Path("data/teacher")
TRIPLETS, MODELS = Path("data/triplets.parquet"), Path("data/model")
CHECKPOINTS = Path(os.environ.get("DVC_ROOT", "")) / ".dvc/tmp/ftlgan"
"""Outside the stage's outputs, which DVC deletes first, and outside the copy in which `exp run --temp` works."""


def train(params: Params, model: str, run: tracking.Run | None, world: distributed.World, device: str) -> None:
    settings, of, folder = params.train, params.losses[model], MODELS / model
    weights = LossWeights(
        **of.model_dump(exclude={"perceptual_network"}), margin=params.triplets.margin, form=params.discriminator.form
    )
    augmentation = Augmentation(**params.augmentation.model_dump(), kind=params.degradation.kind)
    data = read_training_set(DEGRADED, ALIGNED, TEACHER, TRIPLETS, weights, augmentation)
    schedule = Schedule(
        **settings.model_dump(exclude={"checkpoint", "devices", "compile", "device"}),
        discriminator_rate=params.discriminator.learning_rate,
        r1=params.discriminator.r1,
        device=device,
    )
    size = generator_size(**params.generator.model_dump())
    generator = Generator(params.res, **size).to(device)
    discriminator = Discriminator(params.discriminator.features).to(device) if of.adversarial else None
    judge, features = teacher.load(params.recognition.teacher), None
    if of.perceptual and of.perceptual_network == "vgg19":
        features = Vgg19().to(device)
    kept = checkpoint(params, model)
    with History(folder) if run else nullcontext() as history:

        def log(step: int, figures: dict[str, float]) -> None:
            if history and run:
                history.log(step, figures)
                run.log(step, figures)

        best = fit(
            generator,
            discriminator,
            judge.to(device),
            data,
            weights,
            schedule,
            augmentation,
            log,
            checkpoint=kept,
            perceptual=features,
            world=world,
            compiled=settings.compile,
        )
    if run:  # the first process
        about = {
            "res": params.res,
            **size,
            "teacher": data.gallery.recognizer,
            "params": digest(own(params, model)),
        }
        save_generator(folder / "generator.safetensors", generator, about)
        run.log_final({"best_val_d_prime": best})
        run.log_artifact(folder)
        kept.remove()


def own(params: Params, model: str) -> dict[str, Any]:
    """The params by which a model's training goes: all that changes its result."""
    sections = {"res", "degradation", "augmentation", "generator", "discriminator"}
    return {
        **params.model_dump(include=sections),
        "losses": params.losses[model].model_dump(),
        "train": params.train.model_dump(exclude={"checkpoint"}),
        "teacher": params.recognition.teacher,
        "margin": params.triplets.margin,
    }


def checkpoint(params: Params, model: str) -> Checkpoint:
    """Of this very training: with the same params, data, code (all that is loaded) and arithmetic."""
    arithmetic = {
        "processor": torch.cuda.get_device_name()
        if params.train.device == "cuda"
        else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in ("numpy", "opencv-python", "pillow", "torch")},
    }
    code = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "ftlgan"]
    tables = (DEGRADED, ALIGNED, TEACHER)
    shards = [path for table in tables for path in table.glob("*.parquet")]
    files = [*shards, TRIPLETS, Path(__file__), *(Path(file) for file in code if file)]
    key = digest({**own(params, model), **arithmetic}, sorted(files))
    return Checkpoint(CHECKPOINTS / f"{key}.safetensors", params.train.checkpoint)


@one_line_errors
def main() -> None:
    params = load_params()
    model = chosen(sys.argv[1:], params.models)
    settings = params.train
    if settings.compile:
        require_compiler()
    prepare_device(settings.device, settings.seed, settings.devices, settings.precision)
    if settings.devices > 1 and not distributed.launched():
        distributed.launch(__file__, settings.devices, model)
        return
    with distributed.world(settings.device) as (world, device):
        if world.rank:
            train(params, model, None, world, device)
        else:
            with tracking.run(f"train@{model}", params.model_dump(by_alias=True)) as run:
                train(params, model, run, world, device)


if __name__ == "__main__":
    main()
