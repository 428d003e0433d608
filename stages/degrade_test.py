"""Shrink the faces of test and validation people by one condition: `python stages/degrade_test.py CONDITION`.

Calibrations are fitted on the validation people, so their faces need the same condition.
"""

import sys
from itertools import chain
from pathlib import Path

from ftlgan import engine
from ftlgan.conditions import Conditions
from ftlgan.errors import one_line_errors
from ftlgan.faces import FACES, count_faces, write_faces
from ftlgan.params import NATIVE, chosen, load_params
from ftlgan.progress import progress

ALIGNED, RAW, SMALL, TEST = Path("data/aligned"), Path("data/raw"), Path("data/small"), Path("data/test")
SPLITS = ("test", "val")


@one_line_errors
def main() -> None:
    params = load_params()
    (condition,) = chosen(sys.argv[1:], params.test.conditions)
    where = engine.start(params.engine, params.ray_address)
    made = Conditions(params.res, params.seed, params.align.detection_score, ALIGNED, RAW, SMALL, where)
    faces = count_faces(SMALL if condition == NATIVE else ALIGNED, SPLITS)
    small = chain.from_iterable(made.small_faces(condition, split) for split in SPLITS)
    rows = progress(small, f"degrade: {condition}", faces)
    count = write_faces(TEST / condition, FACES, rows)
    if count < faces:
        print(f"degrade_test: {condition}: {faces - count} of {faces} faces were not found in the small photo")


if __name__ == "__main__":
    main()
