"""Make the test faces small under one condition: `python stages/degrade_test.py CONDITION`."""

import sys
from pathlib import Path

from ftlgan.conditions import Conditions
from ftlgan.errors import one_line_errors
from ftlgan.faces import FACES, count_faces, write_faces
from ftlgan.params import NATIVE, chosen, load_params
from ftlgan.progress import progress

ALIGNED, RAW, SMALL, TEST = Path("data/aligned"), Path("data/raw"), Path("data/small"), Path("data/test")


@one_line_errors
def main() -> None:
    params = load_params()
    (condition,) = chosen(sys.argv[1:], params.test.conditions)
    made = Conditions(params.res, params.seed, params.align.detection_score, ALIGNED, RAW, SMALL)
    faces = count_faces(SMALL if condition == NATIVE else ALIGNED, ["test"])
    rows = progress(made.small_faces(condition), f"degrade: {condition}", faces)
    count = write_faces(TEST / condition, FACES, rows)
    if count < faces:
        print(f"degrade_test: {condition}: {faces - count} of {faces} faces are not found in the small photo")


if __name__ == "__main__":
    main()
