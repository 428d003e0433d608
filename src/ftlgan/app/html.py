"""The HTML of faces and matches, with the pictures inside."""

import base64
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ftlgan.app.curves import curves
from ftlgan.app.session import Compared, Photo, Upload
from ftlgan.faces import HR, encode_png
from ftlgan.tool.kit import MatchFile
from ftlgan.tool.match_command import MEANING, rate_in_words, ratio_in_words
from ftlgan.tool.restorer import RestoredFace

SHOWN = 168
"""Width of a face on the page, pixels."""
LONGEST = 900
"""The longest side of the photo on the page, pixels."""
LARGEST_SCALE = 4
"""The largest factor by which a small photo is enlarged."""
BOX = "#00bfa5"

CSS = f"""
.faces {{display: flex; flex-wrap: wrap; gap: 1rem}}
.face figure {{display: inline-block; margin: 0 .4rem .4rem 0}}
.face img {{display: block; width: min({SHOWN}px, 21vw); aspect-ratio: 1; border-radius: 4px}}
.face figcaption, .note {{font-size: .85rem; opacity: .8}}
.pixels img {{image-rendering: pixelated}}
.photo img {{max-width: 100%; border-radius: 4px}}
.problem {{border-left: 4px solid #c62828; padding: .4rem .8rem}}
.match table {{border-collapse: collapse; margin: .4rem 0}}
.match td {{padding: .15rem .8rem .15rem 0; vertical-align: top}}
.match svg {{max-width: 100%; height: auto; background: white; border-radius: 4px}}
"""


def problem(text: str) -> str:
    """Return a message about an upload that can't be used."""
    return f'<p class="problem" role="alert">{escape(text)}</p>'


def names(uploads: Sequence[Upload]) -> str:
    """Return the names of the files."""
    return f'<p class="note">{escape(", ".join(upload.name for upload in uploads))}</p>'


def photo_with_boxes(photo: Photo) -> str:
    """Return the photo with a numbered box around each face."""
    height, width = photo.image.shape[:2]
    scale = min(LARGEST_SCALE, LONGEST / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    drawn = Image.fromarray(photo.image).resize(size, Image.Resampling.BICUBIC)
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(16)
    for number, face in enumerate(photo.faces, 1):
        x, y, w, h = (scale * face.box).tolist()
        draw.rectangle((x, y, x + w, y + h), outline=BOX, width=2)
        draw.rectangle(draw.textbbox((x + 3, y + 1), str(number), font), fill=BOX, outline=BOX, width=2)
        draw.text((x + 3, y + 1), str(number), "black", font)
    picture = _picture(np.asarray(drawn), f"{photo.name} with its faces marked")
    return f'<div class="photo">{picture}<p class="note">{escape(photo.name)}</p></div>'


def faces(photo: Photo) -> str:
    """Return each face as it is, enlarged by bicubic interpolation, and restored."""
    return f'<div class="faces">{"".join(_face(number, face) for number, face in enumerate(photo.faces, 1))}</div>'


def face_name(number: int, face: RestoredFace) -> str:
    """Return the name of a face on the page: its number and its size."""
    return f"face {number}, {face.size:.0f} px"


def _face(number: int, face: RestoredFace) -> str:
    if face.model is None:
        pictures = _figure(face.image, "as it is")
        how = f"larger than {HR} px: left unchanged"
    else:
        bicubic = cv2.resize(face.small, (HR, HR), interpolation=cv2.INTER_CUBIC)
        shown = (face.small, "as it is", "pixels"), (bicubic, "bicubic", ""), (face.image, "restored", "")
        pictures = "".join(_figure(*picture) for picture in shown)
        how = f"restored by the network for {face.model} px"
    return f'<section class="face"><h4>{face_name(number, face).capitalize()}: {how}</h4>{pictures}</section>'


def _figure(face: np.ndarray, caption: str, kind: str = "") -> str:
    return f'<figure class="{kind}">{_picture(face, caption)}<figcaption>{caption}</figcaption></figure>'


def _picture(image: np.ndarray, text: str) -> str:
    content = base64.b64encode(encode_png(image)).decode()
    return f'<img src="data:image/png;base64,{content}" alt="{escape(text, quote=True)}">'


def matches(probe: str, compared: Sequence[Compared], knowledge: MatchFile) -> str:
    """Return the result of each comparison, and the meaning of the numbers.

    Args:
        probe: the name of the face.
        compared: the comparisons with the reference photos.
        knowledge: the statistics behind the numbers.
    """
    parts = [_match(probe, one, knowledge) for one in compared]
    if any(one.match for one in compared):
        parts.append(f'<p class="note">{escape(MEANING.format(photos=knowledge.photos))}</p>')
    return "".join(parts)


def _match(probe: str, compared: Compared, knowledge: MatchFile) -> str:
    name = escape(compared.name)
    if compared.match is None or compared.reference is None:
        return problem(f"{compared.name}: {compared.problem}")
    found, calibration = compared.match, compared.match.known.calibration
    rows = {
        "similarity": f"{found.similarity:.3f}, by {escape(knowledge.judge)}",
        "false match rate": rate_in_words(found),
        "log10 likelihood ratio": ratio_in_words(found),
        "known from": f"{calibration.people} people at {found.size} px, {found.protocol}, "
        f"Cllr {found.known.held_out.cllr:.2f}",
    }
    table = "".join(f"<tr><td>{key}</td><td>{value}</td></tr>" for key, value in rows.items())
    return (
        f'<section class="match"><h4>{escape(probe.capitalize())} and {name} ({compared.reference.size:.0f} px): '
        f'{found.words}</h4><div class="face">{_figure(compared.reference.image, "the reference")}</div>'
        f"<table>{table}</table>{curves(found)}</section>"
    )
