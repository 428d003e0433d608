"""Other sites get no answer, and neither do addresses of Gradio that the page does not use."""

import pytest
from starlette.datastructures import Headers

from ftlgan.app.guard import refusal

OWN = {"host": "127.0.0.1:7860"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/", {"host": "localhost:7860"}),
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),  # a link to the page
        ("/assets/index.js", {"sec-fetch-site": "same-origin"}),
        ("/gradio_api/upload", {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}),
        ("/gradio_api/heartbeat/abc", {}),
    ],
)
def test_the_page_itself_gets_answers(path: str, headers: dict[str, str]) -> None:
    assert refusal(path, Headers(OWN | headers)) == ""


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"host": "evil.example:7860"}, "evil.example:7860: this page is at 127.0.0.1 only"),
        ({"host": "127.0.0.1.evil.example"}, "this page is at 127.0.0.1 only"),
        ({"host": ""}, "no host: this page is at 127.0.0.1 only"),
        ({"origin": "http://evil.example"}, "http://evil.example: another site can't use this page"),
        ({"origin": "http://127.0.0.1:8888"}, "another site can't use this page"),
        ({"origin": "null"}, "another site can't use this page"),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, "another site can't use this page"),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, "another site can't use this page"),
    ],
)
def test_another_site_gets_none(headers: dict[str, str], reason: str) -> None:
    assert refusal("/config", Headers(OWN | headers)).endswith(reason)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/run/open_photo",
        "/gradio_api/call/open_photo",
        "/gradio_api/deep_link",
        "/gradio_api/run-history/buckets",
        "/gradio_api/proxy=http://example.org",
        "/gradio_api/component_server",
        "/gradio_api/uploads",
        "/docs",
    ],
)
def test_addresses_that_the_page_does_not_use_give_nothing(path: str) -> None:
    assert refusal(path, Headers(OWN)) == f"{path}: is not part of the page"
