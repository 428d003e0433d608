"""Draw the pictures of README.md from the packaged weights: `python docs/pictures.py`.

The photo is `skimage.data.astronaut()`: Eileen Collins, by NASA, in the public domain.
"""

from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from ftlgan import Restorer, restoration
from ftlgan.degradation import downsample
from ftlgan.detection import Detection
from ftlgan.tool.crops import aligned_crop
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.restorer import DETECTION_SCORE

HERE = Path(__file__).parent
RESOLUTIONS = (14, 28, 56)
CELL, GUTTER, HEADING, FONT = 168, 8, 26, 15
"""Pixels."""
SMALL, ENLARGED = 60, 8
"""Width of the whole photo that is restored, pixels, and how much larger it is shown."""


def main() -> None:
    photo = skimage.data.astronaut()
    face = FaceFinder(DETECTION_SCORE).main_face(photo)
    restorer = Restorer.load()
    sheet(photo, face, restorer).save(HERE / "astronaut.png", optimize=True)
    whole(photo, restorer).save(HERE / "astronaut-60.png", optimize=True)


def sheet(photo: np.ndarray, face: Detection, restorer: Restorer) -> Image.Image:
    """Draw the face at three resolutions, restored by each method."""
    high = aligned_crop(photo, face)
    rows: list[list[np.ndarray]] = []
    for res in RESOLUTIONS:
        small = downsample(high, (res, res), "bicubic")[None]
        methods = [restoration.load(name).restore(small)[0] for name in ("bicubic", "realesrgan")]
        rows.append([small[0], *methods, restorer.restore(small)[0], high])
    return drawn(
        ("as it is", "bicubic", "Real-ESRGAN", "FTLGAN", "original"), [f"{res} px" for res in RESOLUTIONS], rows
    )


def whole(photo: np.ndarray, restorer: Restorer) -> Image.Image:
    """Draw the whole photo, shrunk, and put through `restore_photo`."""
    small = cv2.resize(photo, (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    restored = restorer.restore_photo(small, scale=4).image
    side = SMALL * ENLARGED
    page = Image.new("RGB", (2 * side + GUTTER, side), "white")
    page.paste(Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST), (0, 0))
    page.paste(Image.fromarray(restored).resize((side, side), Image.Resampling.BICUBIC), (side + GUTTER, 0))
    return page


def drawn(headings: tuple[str, ...], names: list[str], rows: list[list[np.ndarray]]) -> Image.Image:
    left, step = 52, CELL + GUTTER
    page = Image.new("RGB", (left + len(headings) * step, HEADING + len(rows) * step), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(FONT)
    for column, heading in enumerate(headings):
        draw.text((left + column * step + CELL // 2, HEADING // 2), heading, "black", font, anchor="mm")
    for row, (name, faces) in enumerate(zip(names, rows, strict=True)):
        top = HEADING + row * step
        draw.text((left - 8, top + CELL // 2), name, "black", font, anchor="rm")
        for column, face in enumerate(faces):
            way = Image.Resampling.NEAREST if column == 0 else Image.Resampling.BICUBIC
            page.paste(Image.fromarray(face).resize((CELL, CELL), way), (left + column * step, top))
    return page


if __name__ == "__main__":
    main()
