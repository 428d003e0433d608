"""The tables of embeddings that params.yaml asks for."""

from collections.abc import Collection
from pathlib import Path

from ftlgan.evaluation.judging import Embedded, read_embedded
from ftlgan.params import Params
from ftlgan.stale_outputs import remove_stale_outputs

DATA, METRICS = Path("data"), Path("metrics")


def read_probes(
    params: Params, judge: str, left_out: Collection[str] = (), split: str = "test"
) -> dict[tuple[str, str], Embedded]:
    """Read the embeddings of the restored faces by one judge, for each condition and method.

    Args:
        params: the params of the whole pipeline.
        judge: the judge's name.
        left_out: the face_id of faces to leave out.
        split: the split to read.

    Raises:
        DataError: if a table can't be read.
    """
    return {
        (condition, method): read_embedded(DATA / "probes" / condition / method / judge, left_out, split)
        for condition in params.test.conditions
        for method in params.compared
    }


def remove_stale(params: Params) -> None:
    """Remove the outputs of conditions, methods, models and judges that params.yaml no longer names."""
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
