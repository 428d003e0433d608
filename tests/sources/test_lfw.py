"""Labeled Faces in the Wild from a local server: after any fault, the photos are complete or missing."""

import hashlib
import io
import itertools
import multiprocessing
import os
import re
import signal
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftlgan.errors import DataError
from ftlgan.params import EVERYBODY, NO_PAIRS, NO_PHOTOS, NO_SMALL, NO_UNLABELLED, Dataset
from ftlgan.sources import lfw
from ftlgan.sources.fetch import fetch, listed_pairs
from ftlgan.weights.cache import cache_folder

PEOPLE, PHOTOS = 8, 2
PAIRS = [remote.name for remote in lfw.PAIR_LISTS]


def noise() -> dict[str, bytes]:
    """Made-up photos by path in the archive."""
    rng = np.random.default_rng(0)
    photos: dict[str, bytes] = {}
    for person in range(PEOPLE):
        for photo in range(PHOTOS):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(file, "jpeg")
            photos[f"lfw/Nobody_{person}/Nobody_{person}_{photo + 1:04}.jpg"] = file.getvalue()
    return photos


def packed(photos: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for path, data in photos.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


PHOTO_FILES = noise()
ARCHIVE = packed(PHOTO_FILES)


class Server(ThreadingHTTPServer):
    """Serves the archive and the lists of pairs, with the faults that a test sets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"lfw.tgz": ARCHIVE, **{name: name.encode() for name in PAIRS}}
        self.knows_ranges = True
        self.status = 0
        """Answered, with nothing else, unless it is 0."""
        self.most = len(ARCHIVE)
        """Bytes of a file after which the connection is cut."""
        self.answers: list[tuple[str, int, int]] = []
        """For each file that was asked for: its name, the first byte, and how many bytes were sent."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        place, name = self.path.rsplit("/", 1)
        if not place:  # as the real server does
            self.send_response(302)
            self.send_header("Location", server.url(f"moved/{name}"))
            self.end_headers()
            return
        file = server.files[name]
        start = int(re.sub(r"\D", "", self.headers.get("Range", ""))) if "Range" in self.headers else 0
        if not server.knows_ranges:
            start = 0
        status = 416 if start >= len(file) else 206 if start else 200
        self.send_response(server.status or status)
        rest = b"" if server.status or status == 416 else file[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        server.answers.append((name, start, len(rest[: server.most])))
        self.wfile.write(rest[: server.most])

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server instead of the real one, and a cache of its own."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        archive, *pairs = remotes(server)
        monkeypatch.setattr(lfw, "ARCHIVE", archive)
        monkeypatch.setattr(lfw, "PAIR_LISTS", pairs)
        yield server
        server.shutdown()


def remotes(server: Server) -> list[lfw.RemoteFile]:
    """Return the archive and the lists of pairs as this server has them."""
    return [
        lfw.RemoteFile(name, server.url(name), hashlib.sha256(file).hexdigest()) for name, file in server.files.items()
    ]


def cached() -> dict[str, bytes]:
    """The whole cache but its lock."""
    cache = cache_folder("lfw")
    files = {path.relative_to(cache).as_posix(): path for path in cache.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != ".lock"}


WHOLE = PHOTO_FILES | {name: name.encode() for name in PAIRS}


def test_photos_and_pairs_are_there_as_they_were_sent(server: Server) -> None:
    assert lfw.download() == cache_folder("lfw") / "lfw"
    assert cached() == WHOLE


def test_what_is_there_is_not_asked_for_again(server: Server) -> None:
    lfw.download()
    server.answers.clear()
    lfw.download()
    assert server.answers == []


def test_a_cut_download_goes_on_where_it_stopped(server: Server) -> None:
    server.most = 5000
    for _ in range(2):
        with pytest.raises(DataError, match=r"lfw\.tgz: can't be downloaded \(the connection was cut [\d,]+ bytes"):
            lfw.download()
    server.most = len(ARCHIVE)
    lfw.download()
    assert server.answers[:3] == [
        ("lfw.tgz", 0, 5000),
        ("lfw.tgz", 5000, 5000),
        ("lfw.tgz", 10000, len(ARCHIVE) - 10000),
    ]
    assert cached() == WHOLE


def test_a_server_that_cannot_send_a_part_starts_again(server: Server) -> None:
    server.most = 5000
    with pytest.raises(DataError):
        lfw.download()
    server.most = len(ARCHIVE)
    server.knows_ranges = False
    lfw.download()
    assert server.answers[1] == ("lfw.tgz", 0, len(ARCHIVE))
    assert cached() == WHOLE


def test_a_download_killed_at_its_very_end_sends_nothing_again(server: Server) -> None:
    cache_folder("lfw").mkdir(parents=True)
    (cache_folder("lfw") / "lfw.tgz.part").write_bytes(ARCHIVE)
    lfw.download()
    assert server.answers[0] == ("lfw.tgz", len(ARCHIVE), 0)
    assert cached() == WHOLE


def test_files_put_there_by_hand_need_no_server(server: Server) -> None:
    server.status = 500
    cache_folder("lfw").mkdir(parents=True)
    for name, file in server.files.items():
        (cache_folder("lfw") / name).write_bytes(file)
    lfw.download()
    assert cached() == WHOLE


def test_wrong_bytes_are_one_line_and_are_not_unpacked(server: Server) -> None:
    server.files["lfw.tgz"] = packed({"lfw/Nobody/Nobody_0001.jpg": b"another photo"})
    with pytest.raises(DataError) as error:
        lfw.download()
    message = str(error.value)
    assert re.search(r"lfw\.tgz: has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64} .* delete it", message)
    assert "\n" not in message
    assert not (cache_folder("lfw") / "lfw").exists()


@pytest.mark.parametrize("status", [404, 503, 202, 403])
def test_an_answer_without_the_file_is_one_line(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(DataError) as error:
        lfw.download()
    message = str(error.value)
    assert message.startswith(f"{server.url('lfw.tgz')}: can't be downloaded ({status} ")
    assert f"put it at {cache_folder('lfw') / 'lfw.tgz'} by hand" in message
    assert "\n" not in message


def test_no_server_is_one_line(server: Server) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"can't be downloaded \(.*Connection refused\); run again .* dataset\.source"):
        lfw.download()


def test_people_and_photos_are_chosen_as_of_a_folder(server: Server) -> None:
    folders = {"path": NO_PHOTOS, "unlabelled": NO_UNLABELLED, "small": NO_SMALL, "pairs": NO_PAIRS, "only": EVERYBODY}
    dataset = Dataset(source="lfw", **folders, people=6, photos=2, synthetic_people=0, val=0.34, test=0.34)
    count, rows = fetch(dataset, seed=0)
    images = {row["face_id"]: row["image"] for row in rows}
    assert count == len(images) == 12
    assert {f"lfw/{face_id}": image for face_id, image in images.items()}.items() <= PHOTO_FILES.items()


VIEW_2 = b"""2\t1
Nobody_0\t1\t2
Nobody_1\t1\tNobody_2\t2
Nobody_3\t1\t2
Nobody_2\t1\tNobody_0\t2
"""


def test_the_people_of_the_official_pairs_are_tested_and_the_others_trained(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[lfw.VIEW_2] = VIEW_2
    monkeypatch.setattr(lfw, "PAIR_LISTS", remotes(server)[1:])
    folders = {"path": NO_PHOTOS, "unlabelled": NO_UNLABELLED, "small": NO_SMALL, "pairs": NO_PAIRS, "only": EVERYBODY}
    dataset = Dataset(source="lfw-pairs", **folders, people=None, photos=None, synthetic_people=0, val=0.5, test=0.34)
    count, rows = fetch(dataset, seed=0)
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["split"], set()).add(row["face_id"])
    assert splits["test"] == {
        *("Nobody_0/Nobody_0_0001.jpg", "Nobody_0/Nobody_0_0002.jpg", "Nobody_1/Nobody_1_0001.jpg"),
        *("Nobody_2/Nobody_2_0001.jpg", "Nobody_2/Nobody_2_0002.jpg"),
        *("Nobody_3/Nobody_3_0001.jpg", "Nobody_3/Nobody_3_0002.jpg"),
    }, "Nobody_1 with one of two photos"
    others = {face_id.split("/")[0] for split in ("train", "val") for face_id in splits[split]}
    assert others == {f"Nobody_{n}" for n in range(4, 8)}
    assert count == 7 + 8
    assert [pair.genuine for pair in listed_pairs(dataset)] == [True, False, True, False]


def download_in_a_process(cache: str, remotes: list[lfw.RemoteFile], killed_at: int | None) -> None:
    """Download, if need be until the n-th time that something is opened, made, renamed or removed in the cache."""
    os.environ |= {"XDG_CACHE_HOME": cache, "no_proxy": "127.0.0.1"}
    lfw.ARCHIVE, *lfw.PAIR_LISTS = remotes  # pyright: ignore[reportAttributeAccessIssue]
    moments = itertools.count()

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        changes = event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
        if changes and str(arguments[0]).startswith(cache) and next(moments) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    lfw.download()


def start(server: Server, cache: Path, killed_at: int | None = None) -> ForkServerProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([lfw.__name__, "ftlgan.params", "PIL.Image", "pytest"])  # slow to import
    process = context.Process(target=download_in_a_process, args=(str(cache), remotes(server), killed_at))
    process.start()
    return process


def test_a_kill_at_any_moment_leaves_nothing_that_a_later_run_takes_for_whole(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for moment in itertools.count():
        cache = tmp_path / str(moment)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        process = start(server, cache, moment)
        process.join()
        lfw.download()
        assert cached() == WHOLE, moment
        if process.exitcode == 0:
            assert moment > PEOPLE * PHOTOS, "no kill while unpacking"
            break


def test_what_a_killed_run_left_aside_does_not_join_the_photos(server: Server) -> None:
    stray = cache_folder("lfw") / "unpacking/lfw/Somebody/Somebody_0001.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"of another archive")
    lfw.download()
    assert cached() == WHOLE


def test_two_processes_at_once_download_once(server: Server, tmp_path: Path) -> None:
    processes = [start(server, tmp_path / "cache") for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(name for name, _, _ in server.answers) == sorted(server.files)
    assert cached() == WHOLE
