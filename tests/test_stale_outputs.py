"""What params.yaml no longer names is removed if DVC can restore it, and nothing else."""

from pathlib import Path

import pytest

from ftlgan.stale_outputs import remove_stale_outputs


def lock(*outputs: str) -> None:
    """Write dvc.lock in the working directory, with a stage for each output."""
    stages = "".join(
        f"  make@{index}:\n    cmd: make\n    deps:\n    - path: data/looked-at\n      hash: md5\n"
        f"    outs:\n    - path: {output}\n      hash: md5\n"
        for index, output in enumerate(outputs)
    )
    Path("dvc.lock").write_text(f"schema: '2.0'\nstages:\n{stages}  check:\n    cmd: check\n")


def make(*files: str) -> None:
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()


def files(folder: Path) -> set[str]:
    """Return the paths of all files, links and empty folders below a folder."""
    found = {path for path in folder.rglob("*") if path.is_symlink() or path.is_file() or not any(path.iterdir())}
    return {path.relative_to(folder).as_posix() for path in found}


@pytest.fixture
def restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of outputs in a project: one a method, and files that DVC did not make."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/restored")
    make(*(f"{folder}/{name}/faces.parquet" for name in ("bicubic", "esrgan-like", "looked-at")))
    make(f"{folder}/esrgan-like.json", f"{folder}/.gitignore")
    lock(*(f"{folder}/{name}" for name in ("bicubic", "esrgan-like", "esrgan-like.json")))
    return folder


@pytest.fixture
def probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose outputs lie a level deeper: one a method and judge."""
    monkeypatch.chdir(tmp_path)
    outputs = [f"data/probes/{method}/{judge}" for method in ("bicubic", "ftlgan") for judge in ("sface", "dlib")]
    make(*(f"{output}/part.parquet" for output in outputs))
    lock(*outputs)
    return Path("data/probes")


def test_an_output_that_is_not_named_is_removed(restored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove_stale_outputs(restored, ["bicubic", "ftlgan"])
    assert files(restored) == {".gitignore", "bicubic/faces.parquet", "looked-at/faces.parquet"}
    assert "data/restored/esrgan-like: removed, because params.yaml no longer names it" in capsys.readouterr().out


def test_deeper_outputs_are_removed_with_their_empty_folder(probes: Path) -> None:
    remove_stale_outputs(probes, ["bicubic"])
    assert files(probes) == {"bicubic/sface/part.parquet", "bicubic/dlib/part.parquet"}


def test_a_file_beside_deeper_outputs_stays(probes: Path) -> None:
    make("data/probes/ftlgan/notes/mine.txt", "data/probes/ftlgan/openface/part.parquet")
    remove_stale_outputs(probes, ["bicubic"])
    assert files(probes / "ftlgan") == {"notes/mine.txt", "openface/part.parquet"}


def test_a_stale_judge_of_a_named_method_is_removed(probes: Path) -> None:
    remove_stale_outputs(probes, ["bicubic", "ftlgan"])
    remove_stale_outputs(probes / "bicubic", ["dlib"])
    assert files(probes) == {"bicubic/dlib/part.parquet", "ftlgan/dlib/part.parquet", "ftlgan/sface/part.parquet"}


def test_a_path_that_only_begins_or_ends_like_an_output_stays(probes: Path) -> None:
    lock("data/probes/ftlgan/sface", "elsewhere/data/probes/bicubic", "data/probes/bicubic/dlib-2")
    remove_stale_outputs(probes, [])
    assert files(probes) == {"bicubic/sface/part.parquet", "bicubic/dlib/part.parquet", "ftlgan/dlib/part.parquet"}


def test_what_stages_only_read_stays(restored: Path) -> None:
    make("data/looked-at")
    remove_stale_outputs(Path("data"), ["restored"])
    assert Path("data/looked-at").exists()


def test_a_path_that_leads_out_of_the_folder_is_not_followed(probes: Path) -> None:
    make("data/aligned/part.parquet")
    lock("data/probes/ftlgan/../../aligned")
    remove_stale_outputs(probes, [])
    assert Path("data/aligned/part.parquet").exists()


def test_a_link_goes_and_what_it_points_to_stays(restored: Path, tmp_path: Path) -> None:
    (restored / "esrgan-like").rename("elsewhere")
    (restored / "esrgan-like").symlink_to(tmp_path / "elsewhere")
    remove_stale_outputs(restored, ["bicubic"])
    assert not (restored / "esrgan-like").is_symlink()
    assert Path("elsewhere/faces.parquet").exists()


def test_nothing_is_removed_through_a_link(probes: Path, tmp_path: Path) -> None:
    (probes / "ftlgan").rename("elsewhere")
    (probes / "ftlgan").symlink_to(tmp_path / "elsewhere")
    remove_stale_outputs(probes, [])
    assert files(Path("elsewhere")) == {"dlib/part.parquet", "sface/part.parquet"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list\n",
        "stages: [a, b]\n",
        "stages:\n  make:\n    outs:\n    - data/restored/esrgan-like\n",
        "<<<<<<< HEAD\nstages:\n  make:\n    outs:\n    - path: data/restored/esrgan-like\n=======\n",
        "stages:\n  make:\n    outs:\n    - path: data/restored/esrgan-like\n    - path: 3\n",
        "stages:\n  make:\n    outs:\n    - path: data/restored/esrgan-like\n\0",
    ],
)
def test_a_lock_that_cannot_be_read_removes_nothing(restored: Path, text: str) -> None:
    initial = files(restored)
    Path("dvc.lock").write_text(text)
    remove_stale_outputs(restored, [])
    assert files(restored) == initial


def test_without_a_lock_nothing_is_removed(restored: Path) -> None:
    initial = files(restored)
    Path("dvc.lock").unlink()
    remove_stale_outputs(restored, [])
    assert files(restored) == initial
