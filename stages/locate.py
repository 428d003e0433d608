"""Find the folder of photos that `dataset.path` means, also from a copy of the project (`--temp`, the queue)."""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import link_into_copy, locate

INVITATION = "Your own photos can go here, one folder per person; then: dvc exp run -S dataset.source=folder\n"


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    link_into_copy(dataset.path, Path(os.environ.get("DVC_ROOT", ".")))
    if dataset.source == "folder":
        locate(dataset.path)
    elif not Path(dataset.path).exists():  # DVC hashes it, whether the source reads it or not
        Path(dataset.path).mkdir(parents=True)
        (Path(dataset.path) / "README.txt").write_text(INVITATION, encoding="utf-8", newline="\n")
    Path("data").mkdir(exist_ok=True)
    Path("data/located.txt").write_text(f"{dataset.path}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
