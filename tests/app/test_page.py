"""The page in a real browser: a photo goes in, the restored face comes out, and nothing goes anywhere else."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image
from samples import astronaut

from ftlgan.app.command import MEMORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120_000
"""Milliseconds: a busy machine is no fault of the page."""
PROGRAM = [sys.executable, "-c", "from ftlgan.cli import main; main()", "app"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("app")]


@dataclass(frozen=True)
class Server:
    """A page that is served."""

    address: str
    uploads: Path
    """Where uploads lie until they are read."""


def folders_of_uploads() -> set[Path]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return set(place.glob("ftlgan-app-*"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve the page on a port that is free, and end it as `kill` does, while a page is open."""
    before = folders_of_uploads()
    process = subprocess.Popen([*PROGRAM, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    address = process.stdout.readline().split()[0]
    (uploads,) = folders_of_uploads() - before
    yield Server(address, uploads)
    with urlopen(f"{address}/gradio_api/heartbeat/open") as page:
        page.readline()
        process.terminate()
        assert process.wait(60) == 0
    assert not uploads.exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; install the package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(astronaut(150)).save(folder / "kleines Foto ä.png")
    Image.fromarray(astronaut()).save(folder / "reference.jpg")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_a_photo_goes_in_and_the_restored_face_and_a_match_come_out(server: Server, browser: Any, photos: Path) -> None:
    visitor, other = browser.new_context(), browser.new_context()
    page, stranger = visitor.new_page(), other.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for one in (page, stranger):
        one.set_default_timeout(PATIENCE)
        one.goto(server.address)
    page.set_input_files("#photo input[type=file]", photos / "kleines Foto ä.png")
    page.wait_for_selector("#faces figure >> nth=2")
    assert "restored by the network for 56 px" in page.inner_text("#faces")
    assert "kleines Foto ä.png" in page.inner_text("#boxes")

    page.set_input_files("#references input[type=file]", photos / "reference.jpg")
    page.wait_for_selector("#listed >> text=reference.jpg")
    page.click("#compare")
    page.wait_for_selector("#matches .match svg")
    assert "support for the same person" in page.inner_text("#matches")

    page.set_input_files("#photo input[type=file]", photos / "notes.txt")
    page.wait_for_selector("#boxes [role=alert]")
    assert "notes.txt: unreadable" in page.inner_text("#boxes")
    assert stranger.query_selector("#faces figure") is None, "what another visitor uploaded"
    assert {url for url in asked if not url.startswith((server.address, "data:", "blob:"))} == set()
    left = [path for path in server.uploads.rglob("*") if path.is_file() and path.stat().st_size]
    assert left == [], "Gradio leaves empty files"
    for context in (visitor, other):
        context.close()


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*PROGRAM, "--port", str(port)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"--port {port}: Address already in use; use another one" in done.stderr


def test_a_port_is_taken_while_the_page_loads_and_a_closed_terminal_leaves_nothing() -> None:
    before = folders_of_uploads()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    first = subprocess.Popen([*PROGRAM, "--port", port], stderr=subprocess.PIPE, text=True)
    assert first.stderr
    assert "loading" in first.stderr.readline()
    second = subprocess.run([*PROGRAM, "--port", port], capture_output=True, text=True, check=False)
    assert f"--port {port}: Address already in use" in second.stderr
    first.send_signal(signal.SIGHUP)
    assert first.wait(60) == 0
    assert folders_of_uploads() == before


def test_without_the_extra_the_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "gradio.py").write_text("raise ImportError('no gradio', name='gradio')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([*PROGRAM, "--port", "0"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "gradio is missing; install it: pip install 'ftlgan[app]'" in done.stderr
