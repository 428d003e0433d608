"""Train the generator on the training people, validate it on others."""

from pathlib import Path

from ftlgan import tracking
from ftlgan.errors import one_line_errors
from ftlgan.history import History
from ftlgan.losses import LossWeights
from ftlgan.networks.device import prepare_device
from ftlgan.networks.generator import Generator
from ftlgan.networks.weights import save_generator
from ftlgan.params import Params, load_params
from ftlgan.recognition import teacher
from ftlgan.training import Schedule, TrainingSet, fit, read_training_faces, triplet_index
from ftlgan.triplets import read_triplets

MODEL = Path("data/model")


def train(params: Params, run: tracking.Run) -> None:
    device = params.train.device
    prepare_device(device, params.train.seed)
    tables = Path("data/degraded"), Path("data/aligned"), Path("data/gallery") / params.recognition.teacher
    faces = {split: read_training_faces(*tables, split) for split in ("train", "val")}
    triplets = triplet_index(read_triplets(Path("data/triplets.parquet")), faces["train"].face_ids)

    generator = Generator(params.res, **params.generator.model_dump()).to(device)
    network = teacher.load(params.recognition.teacher).to(device)
    weights = LossWeights(**params.losses.model_dump(), margin=params.triplets.margin)
    schedule = Schedule(**params.train.model_dump())
    with History(MODEL) as history:

        def log(step: int, figures: dict[str, float]) -> None:
            history.log(step, figures)
            run.log(step, figures)

        best = fit(generator, network, TrainingSet(**faces, triplets=triplets), weights, schedule, log)

    about = {"res": params.res, **params.generator.model_dump(), "teacher": faces["train"].recognizer}
    save_generator(MODEL / "generator.safetensors", generator, about)
    run.log_final({"best_val_d_prime": best})
    run.log_artifact(MODEL)


@one_line_errors
def main() -> None:
    params = load_params()
    with tracking.run("train", params.model_dump(by_alias=True)) as run:
        train(params, run)


if __name__ == "__main__":
    main()
