"""The saved view of MLflow's table of runs that has the headline in its columns: MLflow shows no metric by itself."""

import json
from collections.abc import Iterable
from typing import Any

VIEW = "headline"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"  # of the experiment: MLflow 3.17 lists it under `Views`
OFFERED = "ftlgan.offered"  # key of the tag: the columns that it has been given
WIDTH = 150  # pixels: `realesrgan.d_prime` in full


def with_columns(view: str | None, metrics: Iterable[str], time: int) -> str | None:
    """Return the saved view with a column for each metric.

    Args:
        view: the value of VIEW_TAG, None where there is none.
        metrics: names.
        time: of the change, milliseconds since 1970.

    Returns:
        The new value, or None if the view has these columns, or someone has saved another one under its name.
    """
    wanted = [f"metrics.`{name}`" for name in metrics]
    try:
        saved: dict[str, Any] = json.loads(view) if view else {"name": "d'", "createdAt": time, "state": "{}"}
        state = json.loads(saved["state"])
        shown, widths, offered = state.get("selectedColumns", []), state.get("columnWidths", {}), saved.get(OFFERED, [])
        new = [name for name in wanted if name not in {*shown, *offered}]  # what somebody has taken out stays out
        columns = [*shown, *new]
        state |= {"selectedColumns": columns, "columnOrder": columns}
        state |= {"columnWidths": {**dict.fromkeys(new, WIDTH), **widths}}
        changed = saved | {"updatedAt": time, "state": json.dumps(state), OFFERED: [*offered, *new]}
    except (ValueError, KeyError, TypeError, AttributeError):  # MLflow compresses what is saved in its page
        return None
    return json.dumps(changed) if new else None
