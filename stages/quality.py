"""Measure the image quality of the restored faces against their high-resolution twins."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation.image_quality import load_lpips, measure
from ftlgan.params import NATIVE, load_params
from ftlgan.stale_outputs import remove_stale_outputs

ALIGNED, RESTORED, METRICS = Path("data/aligned"), Path("data/restored"), Path("metrics/quality.json")


def rounded(means: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in means.items()}


def scalars(rows: Sequence[Mapping[str, Any]], headline: str) -> dict[str, float]:
    """Return the metrics as METHOD.NAME, or as CONDITION/METHOD.NAME if the condition is not the headline's."""
    return {
        f"{'' if row['condition'] == headline else row['condition'] + '/'}{row['method']}.{name}": value
        for row in rows
        for name, value in row.items()
        if isinstance(value, float)
    }


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.parent.mkdir(exist_ok=True)
    with tracking.run("quality", params.model_dump(by_alias=True)) as run:
        remove_stale_outputs(RESTORED, params.test.conditions)
        for condition in params.test.conditions:
            remove_stale_outputs(RESTORED / condition, params.compared)
        lpips = load_lpips() if params.quality.lpips else None
        rows = [
            {
                "faces": f"{method}, {condition}",  # for the plot
                "condition": condition,
                "method": method,
                **rounded(measure(RESTORED / condition / method, ALIGNED, lpips)),
            }
            for condition in params.test.conditions
            if condition != NATIVE  # native faces have no twins
            for method in params.compared
        ]
        with writing(METRICS):
            METRICS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8", newline="\n")
        run.log_artifact(METRICS)
        run.log_final(scalars(rows, params.test.conditions[0]))


if __name__ == "__main__":
    main()
