"""What is no longer named is removed, and nothing else."""

from pathlib import Path

from ftlgan.leftovers import remove_leftovers


def test_folders_that_are_not_named_go_and_files_stay(tmp_path: Path) -> None:
    for name in ("bicubic", "ftlgan", "esrgan-like"):
        (tmp_path / name / "faces").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("/bicubic\n")
    remove_leftovers(tmp_path, ["bicubic", "ftlgan"])
    assert {path.name for path in tmp_path.iterdir()} == {".gitignore", "bicubic", "ftlgan"}
