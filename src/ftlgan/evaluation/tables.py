"""The tables of embeddings that are judged, as params.yaml names them."""

from collections.abc import Collection
from pathlib import Path

from ftlgan.evaluation.judging import Embedded, read_embedded
from ftlgan.params import Params
from ftlgan.stale_outputs import remove_stale_outputs

DATA, METRICS = Path("data"), Path("metrics")


def read_probes(
    params: Params, judge: str, left_out: Collection[str] = (), split: str = "test"
) -> dict[tuple[str, str], Embedded]:
    """Read the restored faces as one judge sees them, by condition and method.

    Args:
        params: of the whole pipeline.
        judge: its name.
        left_out: the face_id of faces that do not count.
        split: whose faces.

    Raises:
        DataError: if a table can't be read.
    """
    return {
        (condition, method): read_embedded(DATA / "probes" / condition / method / judge, left_out, split)
        for condition in params.test.conditions
        for method in params.compared
    }


def remove_stale(params: Params) -> None:
    """Remove what conditions, methods, models and judges left that params.yaml does not name any more."""
    judges = params.recognition.judges
    remove_stale_outputs(DATA / "gallery", judges)
    for folder in ("test", "restored", "probes"):
        remove_stale_outputs(DATA / folder, params.test.conditions)
    for condition in params.test.conditions:
        remove_stale_outputs(DATA / "restored" / condition, params.compared)
        remove_stale_outputs(DATA / "probes" / condition, params.compared)
        for name in params.compared:
            remove_stale_outputs(DATA / "probes" / condition / name, judges)
    remove_stale_outputs(METRICS / "validation", [f"{model}.json" for model in params.models])
