"""Make the small faces for training and validation: degraded aligned faces, and native faces at the same size."""

from functools import partial
from itertools import chain
from pathlib import Path

from ftlgan import engine
from ftlgan.degradation import draw_twin, native_faces, shrink_each
from ftlgan.errors import one_line_errors
from ftlgan.faces import DEGRADED, count_faces, write_faces
from ftlgan.params import load_params
from ftlgan.progress import progress

ALIGNED, SMALL, SPLITS = Path("data/aligned"), Path("data/small"), ("train", "val")


@one_line_errors
def main() -> None:
    params = load_params()
    where = engine.start(params.engine, params.ray_address)
    draw = partial(draw_twin, res=params.res, config=params.degradation, seed=params.seed)
    twins = ({**row, "native": False} for row in shrink_each(draw, ALIGNED, SPLITS, where))
    native = ({**row, "native": True} for row in native_faces(SMALL, params.res, "train", where))
    count = count_faces(ALIGNED, SPLITS) + count_faces(SMALL, ["train"])
    write_faces(Path("data/degraded"), DEGRADED, progress(chain(twins, native), "degrade", count))


if __name__ == "__main__":
    main()
