"""Measure how the restored faces look beside their high-resolution twins."""

import json
from pathlib import Path

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation.image_quality import load_lpips, measure
from ftlgan.params import load_params
from ftlgan.stale_outputs import remove_stale_outputs

ALIGNED, RESTORED, METRICS = Path("data/aligned"), Path("data/restored"), Path("metrics/quality.json")


@one_line_errors
def main() -> None:
    params = load_params()
    METRICS.parent.mkdir(exist_ok=True)
    with tracking.run("quality", params.model_dump(by_alias=True)) as run:
        remove_stale_outputs(RESTORED, params.compared)
        lpips = load_lpips() if params.quality.lpips else None
        found = {name: measure(RESTORED / name, ALIGNED, lpips) for name in params.compared}
        rounded = {name: {key: round(value, 4) for key, value in row.items()} for name, row in found.items()}
        rows = [{"method": name, **row} for name, row in rounded.items()]
        with writing(METRICS):
            METRICS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8", newline="\n")
        run.log_artifact(METRICS)
        run.log_final({f"{name}.{key}": value for name, row in rounded.items() for key, value in row.items()})


if __name__ == "__main__":
    main()
