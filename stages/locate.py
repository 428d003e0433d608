"""Find the folder of photos that `dataset.path` means, also from a copy of the project (`--temp`, the queue)."""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import link_into_copy, locate


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    link_into_copy(dataset.path, Path(os.environ.get("DVC_ROOT", ".")))
    if dataset.source == "folder":
        locate(dataset.path)
    else:
        Path(dataset.path).mkdir(parents=True, exist_ok=True)  # DVC hashes it, whether the source reads it or not
    Path("data/located.txt").write_text(f"{dataset.path}\n")


if __name__ == "__main__":
    main()
