"""The parts that a killed `ftlgan embed` may leave, and which of them the next run uses."""

from pathlib import Path

import pytest

from ftlgan.errors import DataError
from ftlgan.recognition.parts import open_parts

ORIGIN = {"recognizer": "mine"}


def rows(number: int) -> list[dict[str, object]]:
    return [{"face_id": f"face {number}", "embedding": [0.0, 1.0]}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four parts of a run that was interrupted."""
    folder = tmp_path / "e.parts"
    with pytest.raises(KeyboardInterrupt), open_parts(folder, ORIGIN) as parts:
        for number in range(4):
            parts.add(rows(number))
        raise KeyboardInterrupt
    return folder


def found(folder: Path) -> list[str]:
    with open_parts(folder, ORIGIN) as parts:
        return parts.read()["face_id"].to_pylist()


def test_whole_parts_are_taken(folder: Path) -> None:
    assert found(folder) == ["face 0", "face 1", "face 2", "face 3"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1 and PAR1"])
def test_parts_behind_one_that_is_missing_or_damaged_are_not_taken(folder: Path, content: bytes | None) -> None:
    part = folder / "part-00002.parquet"
    part.unlink() if content is None else part.write_bytes(content)
    with open_parts(folder, ORIGIN) as parts:
        assert parts.read()["face_id"].to_pylist() == ["face 0", "face 1"]
        parts.add(rows(2))
        assert parts.read()["face_id"].to_pylist() == ["face 0", "face 1", "face 2"]


@pytest.mark.parametrize("deleted", [0, 1, 3, 4])
def test_a_kill_while_they_are_removed_leaves_none(folder: Path, deleted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink, calls = Path.unlink, list[Path]()

    def killed(path: Path, missing_ok: bool = False) -> None:
        if len(calls) == deleted:
            raise KeyboardInterrupt
        calls.append(path)
        unlink(path, missing_ok=missing_ok)

    with pytest.raises(KeyboardInterrupt), open_parts(folder, ORIGIN) as parts, monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        parts.remove()
    assert found(folder) == []


def test_what_others_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"theirs")
    with (
        pytest.raises(DataError, match="has files that `ftlgan embed` did not write"),
        open_parts(tmp_path, ORIGIN),
    ):
        pass
    assert (tmp_path / "part-00000.parquet").read_bytes() == b"theirs"
