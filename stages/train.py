"""Train the generator on the training people, validate it on others."""

from pathlib import Path

from ftlgan import recognition, tracking
from ftlgan.errors import one_line_errors
from ftlgan.history import History
from ftlgan.losses import Weights
from ftlgan.networks.generator import Generator
from ftlgan.networks.weights import save_generator
from ftlgan.params import Params, load_params
from ftlgan.training import Schedule, TrainingSet, deterministic, fit, read_training_faces, triplet_index
from ftlgan.triplets import read_triplets

MODEL = Path("data/model")


def train(params: Params, run: tracking.Run) -> None:
    teacher = recognition.load(params.recognition.teacher)
    tables = Path("data/degraded"), Path("data/aligned"), Path("data/gallery") / teacher.name
    faces = {split: read_training_faces(*tables, split) for split in ("train", "val")}
    triplets = triplet_index(read_triplets(Path("data/triplets.parquet")), faces["train"].face_ids)

    deterministic(params.seed)
    generator = Generator(params.res, **params.generator.model_dump()).to(params.train.device)
    network = recognition.differentiable(teacher.name).to(params.train.device)
    weights = Weights(**params.losses.model_dump(), margin=params.triplets.margin)
    schedule = Schedule(**params.train.model_dump(), seed=params.seed)
    with History(MODEL) as history:

        def log(step: int, figures: dict[str, float]) -> None:
            history.log(step, figures)
            run.log(step, figures)

        best = fit(generator, network, TrainingSet(**faces, triplets=triplets), weights, schedule, log)

    about = {
        "res": params.res,
        **params.generator.model_dump(),
        "teacher": teacher.name,
        "teacher_sha256": teacher.sha256,
    }
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
