"""Pages of faces side by side: the input, bicubic interpolation, and restored."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ftlgan.faces import HR

HEADINGS = ("as it is", "bicubic", "restored")
FACES_PER_LINE, LINES = 3, 8
GUTTER, HEADING, CAPTION, FONT = 6, 22, 20, 12
"""The spaces and the font size, pixels."""
CELL = len(HEADINGS) * (HR + GUTTER) + GUTTER
LETTERS = str(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"))
"""A font with the letters of file names: Pillow's has no umlauts."""
CHARACTERS = CELL // 7
"""The most characters of a caption."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A face on the sheet."""

    small: np.ndarray
    """The input, uint8 RGB, (S, S, 3)."""
    restored: np.ndarray
    """The restored face, uint8 RGB, (112, 112, 3)."""
    caption: str


def sheets(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Draw pages of 24 faces, and yield each as PNG."""
    remaining = iter(entries)
    while page := tuple(islice(remaining, FACES_PER_LINE * LINES)):
        yield _page(page)


def _page(entries: tuple[Entry, ...]) -> bytes:
    columns = min(FACES_PER_LINE, len(entries))
    lines = -(-len(entries) // columns)
    page = Image.new("RGB", (columns * CELL, HEADING + lines * (HR + CAPTION + GUTTER)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(LETTERS, FONT)
    for column in range(columns):
        for number, heading in enumerate(HEADINGS):
            center = column * CELL + GUTTER + number * (HR + GUTTER) + HR // 2
            draw.text((center, HEADING // 2), heading, "black", font, anchor="mm")
    for number, entry in enumerate(entries):
        left, top = number % columns * CELL + GUTTER, HEADING + number // columns * (HR + CAPTION + GUTTER)
        small = Image.fromarray(entry.small)
        pictures = (
            small.resize((HR, HR), Image.Resampling.NEAREST),
            small.resize((HR, HR), Image.Resampling.BICUBIC),
            Image.fromarray(entry.restored),
        )
        for place, picture in enumerate(pictures):
            page.paste(picture, (left + place * (HR + GUTTER), top))
        caption = entry.caption if len(entry.caption) <= CHARACTERS else f"…{entry.caption[1 - CHARACTERS :]}"
        draw.text((left, top + HR + CAPTION // 2), caption, "black", font, anchor="lm")
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()
