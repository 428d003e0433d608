"""The page, in Gradio."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingImports=false
# Gradio is an extra, and types its components loosely.

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ftlgan.app import html
from ftlgan.app.session import Photo, Service, Upload
from ftlgan.photos import NoFaceError

TITLE = "FTLGAN"
HEADING = """\
# FTLGAN
Restore the small faces in a photo, and compare one of them with photos of people. Your photos stay in the memory of
this machine. They are forgotten an hour after you close this page.
"""
FORGOTTEN_AFTER = 3600
"""Seconds from the closing of a page to the end of its session."""
EVENT: Any = {"concurrency_limit": 1, "concurrency_id": "faces", "api_visibility": "private"}
"""Calls run one at a time, because the detector has state, and only the page can make them."""


def page(service: Service, terms: str) -> gr.Blocks:
    """Build the page.

    Args:
        service: the finder, restorer and matcher of all visitors.
        terms: the permitted use of the weights.
    """

    # Each upload empties its field, so that it takes the next one.
    def open_photo(path: str | None) -> tuple[Any, ...]:
        if path is None:
            return None, None, "", "", _choice([]), ""
        upload = Upload.take(Path(path))
        try:
            photo = service.open_photo(upload)
        except NoFaceError as reason:
            return None, None, html.problem(f"{upload.name}: {reason}"), "", _choice([]), ""
        names = [html.face_name(number, face) for number, face in enumerate(photo.faces, 1)]
        return None, photo, html.photo_with_boxes(photo), html.faces(photo), _choice(names), ""

    def keep(paths: list[str] | None) -> tuple[None, tuple[Upload, ...], str]:
        uploads = tuple(Upload.take(Path(path)) for path in paths or ())
        return None, uploads, html.names(uploads)

    def compare(photo: Photo | None, chosen: int | None, uploads: Sequence[Upload]) -> str:
        if photo is None or chosen is None:
            return html.problem("Drop a photo with a face first.")
        if not uploads:
            return html.problem("Drop one reference photo or more.")
        face = photo.faces[chosen]
        compared = service.compare(face, uploads)
        return html.matches(html.face_name(chosen + 1, face), compared, service.matcher.knowledge)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(HEADING)
        photo, kept = gr.State(None, time_to_live=FORGOTTEN_AFTER), gr.State((), time_to_live=FORGOTTEN_AFTER)
        with gr.Row():
            with gr.Column(scale=1):
                dropped = gr.File(label="Photo", elem_id="photo", height=140)
                with_boxes = gr.HTML(elem_id="boxes")
            with gr.Column(scale=2):
                restored = gr.HTML(elem_id="faces")
        gr.Markdown("## Is it the same person?")
        with gr.Row():
            with gr.Column(scale=1):
                chosen = gr.Radio([], type="index", label="Face", elem_id="chosen")
                references = gr.File(
                    label="Reference photos: one face in each", file_count="multiple", elem_id="references", height=140
                )
                listed = gr.HTML(elem_id="listed")
                button = gr.Button("Compare", variant="primary", elem_id="compare")
            with gr.Column(scale=2):
                found = gr.HTML(elem_id="matches")
        gr.Markdown(f"Weights: {terms}. FTLGAN gives the strength of evidence, not a decision.")
        outputs = [dropped, photo, with_boxes, restored, chosen, found]
        dropped.upload(open_photo, dropped, outputs, **EVENT)
        references.upload(keep, references, [references, kept, listed], **EVENT)
        button.click(compare, [photo, chosen, kept], found, **EVENT)
    return blocks


def _choice(names: list[str]) -> Any:
    return gr.Radio(choices=names, value=names[0] if names else None)
