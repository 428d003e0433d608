"""The saved view of MLflow's table of runs with the headline in its columns. By default, MLflow shows no metrics."""

import json
from collections.abc import Iterable
from typing import Any

VIEW = "headline"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"  # a tag of the experiment; MLflow 3.17 lists it under `Views`
OFFERED = "ftlgan.offered"  # a key in the tag, with all columns that were ever added
WIDTH = 150  # pixels, to show `realesrgan.d_prime` in full


def with_columns(view: str | None, metrics: Iterable[str], time: int) -> str | None:
    """Return the saved view with a column for each metric.

    Args:
        view: the value of VIEW_TAG; None if there is none.
        metrics: the names of the metrics.
        time: the time of the change, milliseconds since 1970.

    Returns:
        The new value; None if the view already has these columns, or a user has saved another view under its name.
    """
    wanted = [f"metrics.`{name}`" for name in metrics]
    try:
        saved: dict[str, Any] = json.loads(view) if view else {"name": "d'", "createdAt": time, "state": "{}"}
        state = json.loads(saved["state"])
        shown, widths, offered = state.get("selectedColumns", []), state.get("columnWidths", {}), saved.get(OFFERED, [])
        new = [name for name in wanted if name not in {*shown, *offered}]  # columns that a user removed stay removed
        columns = [*shown, *new]
        state |= {"selectedColumns": columns, "columnOrder": columns}
        state |= {"columnWidths": {**dict.fromkeys(new, WIDTH), **widths}}
        changed = saved | {"updatedAt": time, "state": json.dumps(state), OFFERED: [*offered, *new]}
    except (ValueError, KeyError, TypeError, AttributeError):  # a user's view, which MLflow's page compresses
        return None
    return json.dumps(changed) if new else None
