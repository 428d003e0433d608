"""The contact sheet: the same test faces, high resolution, low resolution, and restored by each method."""

# pyright: reportUnknownMemberType=false
# matplotlib does not type the keywords of its methods.

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from matplotlib import style
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ftlgan.faces import HR, decode_face, read_faces
from ftlgan.look import DPI, LOOK, colour, label

Faces = Sequence[NDArray[np.uint8]]

GUTTER = 6
"""The width of the space between and around the faces, pixels."""
HEADING = 26
"""The height of the heading above the faces, pixels."""


def read_sheet(data: Path, condition: str, methods: Sequence[str], people: int) -> dict[str, list[np.ndarray]]:
    """Read the first face of each of the first test people.

    Args:
        data: the folder of the pipeline's tables.
        condition: the condition of the small faces.
        methods: the methods to show.
        people: the number of people to show.

    Returns:
        A column of faces, uint8 RGB, for each heading.
    """
    tables = {
        "hr": data / "aligned",
        "lr": data / "test" / condition,
        **{method: data / "restored" / condition / method for method in methods},
    }
    small = read_faces(tables["lr"], ["face_id", "identity"], ["test"])
    first = np.unique(small["identity"].to_numpy(), return_index=True)[1][:people]
    shown = small["face_id"].take(first)

    def faces(folder: Path) -> list[np.ndarray]:
        table = read_faces(folder, ["face_id", "identity", "image"], ["test"])
        own = [table["face_id"].index(face_id).as_py() for face_id in shown]
        # A native face has no twin, so another photo of the person is shown.
        rows = [
            row if row >= 0 else table["identity"].index(who).as_py()
            for row, who in zip(own, small["identity"].take(first), strict=True)
        ]
        return [decode_face(image) for image in table["image"].take(pa.array(rows, pa.int64())).to_pylist()]

    return {heading: faces(folder) for heading, folder in tables.items()}


@style.context(LOOK)
def contact_sheet(columns: Mapping[str, Faces]) -> Figure:
    """Draw faces side by side, pixel by pixel; smaller faces are enlarged so that their pixels are visible.

    The lowest bit of each color is dropped: it is invisible, and would take a quarter of the file.

    Args:
        columns: the faces, uint8 RGB (H, W, 3), by method or `hr` or `lr`. Row k of every column is the same photo.
            Without faces, only the headings are drawn.

    Raises:
        ValueError: if the columns differ in length.
    """
    rows = list(zip(*columns.values(), strict=True))
    side = max((max(face.shape[:2]) for row in rows for face in row), default=HR)
    width, height = (GUTTER + n * (side + GUTTER) for n in (len(columns), len(rows)))
    sheet = np.full((height + HEADING, width, 3), 255, dtype=np.uint8)
    for row, faces in enumerate(rows):
        for column, face in enumerate(faces):
            top, left = HEADING + GUTTER + row * (side + GUTTER), GUTTER + column * (side + GUTTER)
            sheet[top : top + side, left : left + side] = _enlarged(face, side) | 1

    figure = Figure(figsize=(width / DPI, (height + HEADING) / DPI))
    figure.figimage(sheet)
    middle = 1 - (HEADING + GUTTER) / 2 / (height + HEADING)
    for column, heading in enumerate(columns):
        centre = (GUTTER + side / 2 + column * (side + GUTTER)) / width
        ink = "black" if heading in ("hr", "lr") else colour(heading)
        figure.text(centre, middle, label(heading), ha="center", va="center", color=ink, size=7, weight="bold")
    return figure


def _enlarged(face: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarge a face to `side` x `side` by nearest neighbor."""
    rows, columns = (np.arange(side) * size // side for size in face.shape[:2])
    return face[rows[:, None], columns]
