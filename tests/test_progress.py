"""Progress bars."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ftlgan import progress as bars
from ftlgan.faces import FACES, encode_png, write_faces
from ftlgan.progress import progress
from ftlgan.restoration import restore_faces


def test_a_bar_that_stands_still_goes_on_telling_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "SECONDS", 0.1)
    for _ in progress(range(2), "draw"):
        time.sleep(0.7)
    shown = re.findall(r"0/2 \[", capsys.readouterr().err)
    assert len(shown) >= 3, "the first line, and one every tenth of a second"


def test_the_estimate_leaves_out_what_comes_before_the_first_item(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("tqdm.std.time", lambda: now)

    def embedded() -> Iterator[int]:
        nonlocal now
        for number in range(10):
            now += 10 if number else 100
            yield number

    list(progress(embedded(), "embed", 10))
    (minutes, seconds) = re.findall(r"5/10 \[\d+:\d+<(\d+):(\d+)", capsys.readouterr().err)[-1]
    assert 30 <= 60 * int(minutes) + int(seconds) <= 60, "five of the ten are left, ten seconds each"


def test_a_bar_ends_with_its_items(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bars, "SECONDS", 0.05)

    def fails() -> Iterator[int]:
        yield 1
        raise ValueError

    with pytest.raises(ValueError):
        list(progress(fails(), "align", 2))
    capsys.readouterr()
    time.sleep(0.3)
    assert not capsys.readouterr().err


def test_a_bar_counts_what_is_restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If it counted items that are read, a slow method would seem to hang and then to jump."""

    calls: list[int] = []

    class Slow:
        faces_per_call = 2
        torch_device = None

        def restore(self, lr: np.ndarray) -> np.ndarray:
            calls.append(len(lr))
            return lr.repeat(8, axis=1).repeat(8, axis=2)

    face = encode_png(np.zeros((14, 14, 3), np.uint8))
    rows = [{"face_id": f"a/{n}", "identity": "a", "split": "test", "image": face} for n in range(5)]
    write_faces(tmp_path / "degraded", FACES, rows)
    restore_faces("slow", Slow(), tmp_path / "degraded", tmp_path / "restored")
    assert calls == [2, 2, 1]
    assert "5/5" in capsys.readouterr().err
