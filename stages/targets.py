"""Copy the embeddings and triplets that the loss of a model needs: `python stages/targets.py MODEL`.

DVC does not know the teachers of a model in dvc.yaml, only in params.yaml. So a training can't depend on the tables of
its teachers by name. It depends on this copy, which takes no space in DVC's cache.
"""

import shutil
import sys
from pathlib import Path

from ftlgan.errors import one_line_errors, writing
from ftlgan.faces import shards
from ftlgan.params import Params, chosen, load_params
from ftlgan.stale_outputs import remove_stale_outputs
from ftlgan.training.data import TRIPLETS

TEACHER, MINED, TARGETS = Path("data/teacher"), Path("data/triplets"), Path("data/targets")


def copy_targets(params: Params, model: str) -> None:
    """Copy the tables of embeddings of the model's teachers, and the triplets of the first teacher."""
    teachers, folder = params.losses[model].teachers, TARGETS / model
    tables = {TRIPLETS: MINED / teachers[0], **{name: TEACHER / name for name in teachers}}
    with writing(folder):
        for name, table in tables.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            for shard in shards(table):
                shutil.copyfile(shard, folder / name / shard.name)


@one_line_errors
def main() -> None:
    params = load_params()
    (model,) = chosen(sys.argv[1:], params.models)
    remove_stale_outputs(TEACHER, params.recognition.teachers)
    remove_stale_outputs(MINED, params.recognition.teachers)
    copy_targets(params, model)


if __name__ == "__main__":
    main()
