"""Find the folders that `dataset.path` and `dataset.unlabelled` mean, also from a copy of the project.

`dvc exp run --temp` and the queue work in such a copy.
"""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import link_into_copy, locate, locate_unlabelled, make_unread

PHOTOS = "Nothing is read here. For photos of your own, one folder per person: dvc exp run -S dataset.path=FOLDER\n"
UNLABELLED = "Nothing is read here. For photos of nobody known, to train on: dvc exp run -S dataset.unlabelled=FOLDER\n"


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    project = Path(os.environ.get("DVC_ROOT", "."))
    # DVC hashes both folders, whether they are read or not.
    if dataset.source == "folder":
        link_into_copy("dataset.path", dataset.path, project)
        locate(dataset.path)
    else:
        make_unread("dataset.path", dataset.path, PHOTOS)
    if dataset.has_unlabelled:
        link_into_copy("dataset.unlabelled", dataset.unlabelled, project)
        locate_unlabelled(dataset.unlabelled, dataset.path)
    else:
        make_unread("dataset.unlabelled", dataset.unlabelled, UNLABELLED)
    Path("data").mkdir(exist_ok=True)
    located = f"{dataset.path}\n{dataset.unlabelled}\n"
    Path("data/located.txt").write_text(located, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
