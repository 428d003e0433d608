"""Find the folder of photos that `dataset.path` means, also from a copy of the project (`--temp`, the queue)."""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import README, check_unread, link_into_copy, locate

READ_ME = "Nothing is read here. For photos of your own, one folder per person: dvc exp run -S dataset.path=FOLDER\n"


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    link_into_copy(dataset.path, Path(os.environ.get("DVC_ROOT", ".")))
    if dataset.source == "folder":
        locate(dataset.path)
    else:  # DVC hashes it, whether the source reads it or not
        check_unread(dataset.path)
        Path(dataset.path).mkdir(parents=True, exist_ok=True)
        (Path(dataset.path) / README).write_text(READ_ME, encoding="utf-8", newline="\n")
    Path("data").mkdir(exist_ok=True)
    Path("data/located.txt").write_text(f"{dataset.path}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
