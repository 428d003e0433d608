"""What stands between a browser and Gradio: only the page itself gets answers, and what it sent is forgotten."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
"""The names of this machine. A site that gives its own name the address 127.0.0.1 would ask under that name."""
FILES = ("/", "/config", "/theme.css", "/manifest.json", "/favicon.ico")
FOLDERS = ("/assets/", "/static/")
API = "/gradio_api"
UPLOAD, HEARTBEAT = f"{API}/upload", f"{API}/heartbeat/"
CALLS = (UPLOAD, f"{API}/upload_progress", f"{API}/queue/join", f"{API}/queue/data", f"{API}/startup-events")
"""What the page asks for. Gradio's other addresses serve files, bypass the queue, or ask other servers."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "connect-src 'self' data: blob:; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""A browser loads nothing from any other address, and writes no answer to its cache on the disk."""
LOOK = 0.5
"""Seconds between two looks at whether the server is to end."""


class Guard:
    """Refuses the requests of other sites, and deletes what a closed page or a broken upload leaves.

    Args:
        app: the server.
        uploads: the folder of uploads.
        forget: forgets the session of a page, given its hash.
        ending: tells whether the server is to end.
    """

    def __init__(self, app: ASGIApp, uploads: Path, forget: Callable[[str], None], ending: Callable[[], bool]) -> None:
        self._app, self._uploads, self._forget, self._ending = app, uploads, forget, ending
        self._uploading, self._open_pages = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI defines it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        reason = refusal(path, Headers(scope=scope))
        if reason:
            await PlainTextResponse(reason + "\n", 403)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        async def receive_to_the_end() -> Message:
            return await self._received(receive)

        uploads, is_page = path == UPLOAD, path.startswith(HEARTBEAT)  # a page keeps its heartbeat until it is closed
        self._uploading += uploads
        self._open_pages += is_page
        try:
            await self._app(scope, receive_to_the_end, send_with_headers)
        except ClientDisconnect:  # the page was closed during an upload
            pass
        finally:
            self._uploading -= uploads
            self._open_pages -= is_page
            if uploads:
                self._clean("tmp*")  # Gradio moves an upload into a folder when it is whole
            if is_page:
                self._forget(path.removeprefix(HEARTBEAT))
                if not self._open_pages:
                    self._clean("*")

    async def _received(self, receive: Receive) -> Message:
        """Wait for a message. An open page, which keeps requests open, counts as closed when the server is to end."""
        while not self._ending():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    return await receive()
        return {"type": "http.disconnect"}

    def _clean(self, left: str) -> None:
        """Delete what is left of uploads, unless another one is coming in."""
        for path in () if self._uploading else self._uploads.glob(left):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def refusal(path: str, headers: Headers) -> str:
    """Return the reason to refuse a request; an empty string to answer it."""
    host = headers.get("host", "")
    if host.rsplit(":", 1)[0] not in HOSTS:
        return f"{host or 'no host'}: this page is at {HOSTS[0]} only"
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return f"{headers['origin']}: another site can't use this page"
    from_elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    if from_elsewhere and headers.get("sec-fetch-mode") != "navigate":
        return "another site can't use this page"
    if path not in FILES and path not in CALLS and not path.startswith((*FOLDERS, HEARTBEAT)):
        return f"{path}: is not part of the page"
    return ""
