"""Copy what the loss of a model compares with: `python stages/targets.py MODEL`.

DVC knows the teachers of a model when it has read params.yaml, and no sooner. So a training can't depend on the tables
of its teachers by name; it depends on this copy, which costs no room in DVC's cache.
"""

import shutil
import sys
from pathlib import Path

from ftlgan.errors import DataError, one_line_errors, writing
from ftlgan.faces import shards
from ftlgan.params import Params, chosen, load_params
from ftlgan.stale_outputs import remove_stale_outputs
from ftlgan.training.data import TRIPLETS

TEACHER, MINED, TARGETS = Path("data/teacher"), Path("data/triplets"), Path("data/targets")


def copy_targets(params: Params, model: str) -> None:
    """Copy the tables of embeddings of the model's teachers, and the triplets that the first of them mined."""
    teachers, folder = params.losses[model].teachers, TARGETS / model
    triplets = MINED / f"{teachers[0]}.parquet"
    if not triplets.is_file():
        raise DataError(f"{triplets}: is missing; run `dvc repro` (or `dvc pull`) to get it")
    with writing(folder):
        for name in teachers:
            (folder / name).mkdir(parents=True, exist_ok=True)
            for shard in shards(TEACHER / name):
                shutil.copyfile(shard, folder / name / shard.name)
        shutil.copyfile(triplets, folder / TRIPLETS)


@one_line_errors
def main() -> None:
    params = load_params()
    (model,) = chosen(sys.argv[1:], params.models)
    remove_stale_outputs(TEACHER, params.recognition.teachers)
    remove_stale_outputs(MINED, [f"{name}.parquet" for name in params.recognition.teachers])
    copy_targets(params, model)


if __name__ == "__main__":
    main()
