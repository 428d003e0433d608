"""The server of the page: Gradio behind the guard."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingImports=false

from functools import partial
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.themes import Default

from ftlgan.app.guard import Guard
from ftlgan.app.html import CSS
from ftlgan.app.page import forget

LARGEST_UPLOAD = "100mb"
LAST_ANSWERS = 5
"""Seconds that requests have left when the server is to end."""


def server(blocks: gr.Blocks, uploads: Path) -> uvicorn.Server:
    """Return a server of the page.

    Args:
        blocks: the page.
        uploads: the folder of uploads, which the environment variable `GRADIO_TEMP_DIR` names too.
    """
    site = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    serving = uvicorn.Server(uvicorn.Config(site, log_level="warning", timeout_graceful_shutdown=LAST_ANSWERS))
    site.add_middleware(Guard, uploads=uploads, forget=partial(forget, blocks), ending=lambda: serving.should_exit)
    gr.mount_gradio_app(
        site,
        blocks,
        "/",
        footer_links=[],
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        theme=Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=CSS,
    )
    return serving
