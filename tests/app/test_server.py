"""The server of the page, asked without a browser: what it reads, what it refuses, and what it forgets."""

import gc
import json
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import gradio as gr
import httpx
import pytest
from samples import astronaut

from ftlgan.app.page import page
from ftlgan.app.server import server
from ftlgan.app.session import Photo, Service, Upload
from ftlgan.faces import encode_png
from ftlgan.tool.matching import Matcher

PATIENCE = 60
"""Seconds: a busy machine is no fault of the server."""
SMALL = encode_png(astronaut(150))

pytestmark = pytest.mark.xdist_group("app")


@dataclass(frozen=True)
class Served:
    """A page that is served."""

    blocks: gr.Blocks
    uploads: Path
    client: httpx.Client

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file; return its path."""
        return self.client.post("/gradio_api/upload", files={"files": (name, content)}).json()[0]

    def call(self, name: str, data: list[Any], session: str) -> dict[str, Any]:
        """Make a call as the page does; return its outcome."""
        (number,) = (number for number, call in self.blocks.fns.items() if call.api_name == name)
        asked = {"data": data, "fn_index": number, "session_hash": session}
        assert self.client.post("/gradio_api/queue/join", json=asked).status_code == 200
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answers:
            for line in answers.iter_lines():
                if line and (message := json.loads(line.removeprefix("data:")))["msg"] == "process_completed":
                    return message
        raise AssertionError("no answer")

    @contextmanager
    def opened(self, session: str) -> Generator[None]:
        """Keep a page open."""
        with self.client.stream("GET", f"/gradio_api/heartbeat/{session}") as heartbeat:
            beats = heartbeat.iter_lines()
            next(beats)
            yield


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    uploads = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listening:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        blocks = page(Service(Matcher.load()), "a test")
        serving = server(blocks, uploads)
        thread = Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=PATIENCE) as client:
            yield Served(blocks, uploads, client)
        serving.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def file(path: str | Path) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_answer_stays_out_of_the_cache_of_the_browser(served: Served) -> None:
    answer = served.client.get("/config")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.json()["run_history"] is False


def test_another_site_gets_no_answer(served: Served) -> None:
    assert served.client.get("/config", headers={"host": "evil.example"}).status_code == 403
    answer = served.client.post("/gradio_api/upload", files={"files": b"x"}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_file_that_nobody_uploaded_is_neither_read_nor_deleted(served: Served, tmp_path: Path) -> None:
    private = tmp_path / "private.png"
    private.write_bytes(SMALL)
    outcome = served.call("open_photo", [file(private)], "thief")
    assert outcome["success"] is False
    assert "data:image" not in json.dumps(outcome)
    assert private.read_bytes() == SMALL


def test_a_closed_page_is_forgotten(served: Served) -> None:
    sessions = served.blocks.state_holder.session_data

    def kept() -> list[str]:
        gc.collect()
        found = [one for one in gc.get_objects() if type(one) in (Photo, Upload)]
        return [one.name for one in found if one.name in ("closed.png", "known.png")]

    with served.opened("closed"):
        assert served.call("open_photo", [file(served.upload("closed.png", SMALL))], "closed")["success"]
        assert served.call("keep", [[file(served.upload("known.png", SMALL))]], "closed")["success"]
        assert sorted(kept()) == ["closed.png", "known.png"]
        assert "closed" in sessions
        path = served.upload("never read.png", SMALL)
    assert eventually(lambda: "closed" not in sessions)
    assert eventually(lambda: not kept())
    assert eventually(lambda: not Path(path).exists())


def test_an_upload_that_breaks_off_leaves_nothing(served: Served) -> None:
    host = served.client.base_url
    with socket.create_connection((host.host, host.port or 0)) as connection:
        connection.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host.host}:{host.port}\r\nContent-Length: 1000000\r\n"
            "Content-Type: multipart/form-data; boundary=B\r\n\r\n"
            '--B\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
            + b"x" * 100_000
        )
        assert eventually(lambda: bool(files_in(served.uploads)))
    assert eventually(lambda: not files_in(served.uploads))


def test_the_same_file_twice_is_one_reference(served: Served) -> None:
    path = served.upload("twice.png", SMALL)
    outcome = served.call("keep", [[file(path), file(path)]], "twice")
    assert outcome["success"]
    assert "twice.png</p>" in outcome["output"]["data"][2]


def test_a_file_that_another_page_took_is_said(served: Served) -> None:
    path = served.upload("taken.png", SMALL)
    Path(path).unlink()
    outcome = served.call("keep", [[file(path)]], "late")
    assert "taken.png: is gone; drop it again" in outcome["output"]["data"][2]
