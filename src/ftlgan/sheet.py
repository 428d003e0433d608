"""The faces of a contact sheet: the same test faces, high resolution, low resolution, and restored by each method."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ftlgan.faces import decode_png, read_faces


def read_sheet(data: Path, methods: Sequence[str], people: int) -> dict[str, list[np.ndarray]]:
    """The first face of each of the first test people.

    Args:
        data: the folder of the pipeline's tables.
        methods: whose restored faces to show.
        people: how many.

    Returns:
        A column of faces, uint8 RGB, for each heading.
    """
    tables = {
        "hr": data / "aligned",
        "lr": data / "degraded",
        **{method: data / "restored" / method for method in methods},
    }
    identities = read_faces(data / "degraded", ["identity"], ["test"])["identity"].to_numpy()
    rows = np.unique(identities, return_index=True)[1][:people]
    return {
        heading: [
            decode_png(image) for image in read_faces(folder, ["image"], ["test"]).take(rows)["image"].to_pylist()
        ]
        for heading, folder in tables.items()
    }
