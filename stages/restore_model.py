"""Restore small faces of test and validation people by one model: `python stages/restore_model.py MODEL CONDITION`."""

import sys
from pathlib import Path

from ftlgan import engine
from ftlgan.errors import one_line_errors
from ftlgan.faces import restored_schema
from ftlgan.networks.device import prepare_device
from ftlgan.params import chosen, load_params
from ftlgan.restoration import restore_faces
from ftlgan.restoration.trained import Trained


@one_line_errors
def main() -> None:
    params = load_params()
    model, condition = chosen(sys.argv[1:], params.models, params.test.conditions)
    prepare_device(params.train.device, seed=0)  # nothing is random, so any seed will do
    weights = Path("data/model") / model / "generator.safetensors"
    generator = Trained(weights, params.res, params.train.device, params.restore.mirror)
    schema = restored_schema(params.losses[model].teachers)
    where = engine.start(params.engine, params.ray_address)
    degraded, restored = Path("data/test") / condition, Path("data/restored") / condition / model
    restore_faces(model, generator, degraded, restored, schema, where)


if __name__ == "__main__":
    main()
