"""Restore small faces of test and validation people by one method: `python stages/restore.py METHOD CONDITION`."""

import os
import sys
from pathlib import Path

from ftlgan import engine, restoration
from ftlgan.errors import one_line_errors
from ftlgan.params import chosen, load_params


@one_line_errors
def main() -> None:
    params = load_params()
    method, condition = chosen(sys.argv[1:], params.methods, params.test.conditions)
    weights = params.weights.get(method)
    if weights:
        from ftlgan.networks.device import prepare_device  # takes seconds, and only a network needs it

        prepare_device(params.train.device, seed=0)  # nothing is random, so any seed will do
        # Make a relative path valid in the copy of the project that `exp run --temp` uses.
        weights = weights.seen_from(os.environ.get("DVC_ROOT", ""))
    restorer = restoration.load(method, weights, params.train.device)
    where = engine.start(params.engine, params.ray_address)
    degraded, restored = Path("data/test") / condition, Path("data/restored") / condition / method
    restoration.restore_faces(method, restorer, degraded, restored, engine=where)


if __name__ == "__main__":
    main()
