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
this machine. They are forgotten when you close this page.
"""
EVENT: Any = {"concurrency_limit": 1, "concurrency_id": "faces", "api_visibility": "private"}
"""Calls run one at a time, because the detector has state, and only the page can make them."""

PROGRESS: Any = gr.Progress()
"""Gradio gives a function that has it as a default a bar of its own."""


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
        try:
            photo = service.open_photo(Upload.take(Path(path)))
        except NoFaceError as reason:
            return None, None, html.problem(f"{Path(path).name}: {reason}"), "", _choice([]), ""
        names = [html.face_name(number, face) for number, face in enumerate(photo.faces, 1)]
        return None, photo, html.photo_with_boxes(photo), html.faces(photo), _choice(names), ""

    def keep(paths: list[str] | None) -> tuple[None, tuple[Upload, ...], str, str]:
        uploads: list[Upload] = []
        problems: list[str] = []
        for path in dict.fromkeys(map(Path, paths or ())):  # two files of one name and content are one upload
            try:
                uploads.append(Upload.take(path))
            except NoFaceError as reason:
                problems.append(html.problem(f"{path.name}: {reason}"))
        return None, tuple(uploads), html.names(uploads) + "".join(problems), ""

    def compare(photo: Photo | None, chosen: int | None, uploads: Sequence[Upload], progress: Any = PROGRESS) -> str:
        if photo is None or chosen is None:
            return html.problem("Drop a photo with a face first.")
        if not uploads:
            return html.problem("Drop one reference photo or more.")
        face = photo.faces[chosen]
        compared = [service.compare(face, upload) for upload in progress.tqdm(uploads, unit="photos")]
        return html.matches(html.face_name(chosen + 1, face), compared, service.matcher.knowledge)

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.Markdown(HEADING)
        photo, kept = gr.State(None), gr.State(())
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
        references.upload(keep, references, [references, kept, listed, found], **EVENT)
        chosen.input(lambda: "", None, found, **EVENT)
        button.click(compare, [photo, chosen, kept], found, **EVENT)
    # A page that is mounted in a server counts as not launched. Then Gradio would read any file, not only uploads.
    blocks.has_launched = True
    return blocks


def forget(blocks: gr.Blocks, session: str) -> None:
    """Forget the photos, faces and matches of a page that was closed."""
    blocks.state_holder.session_data.pop(session, None)
    blocks.state_holder.time_last_used.pop(session, None)
    for paths in blocks.temp_file_sets:  # Gradio remembers the names of uploads
        paths.clear()


def _choice(names: list[str]) -> Any:
    return gr.Radio(choices=names, value=names[0] if names else None)
