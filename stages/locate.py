"""Find the files and folders of `dataset.path`, `unlabelled`, `small`, `pairs` and `only`.

It also works in a copy of the project, which `dvc exp run --temp` and the queue make.
"""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import link_into_copy, locate, locate_beside, locate_list, make_unread

PHOTOS = "Nothing is read here. To use your own photos, one folder per person: dvc exp run -S dataset.path=FOLDER\n"
UNLABELLED = "Nothing is read here. To train on unlabeled photos: dvc exp run -S dataset.unlabelled=FOLDER\n"
PAIRS = "Nothing is read here. To use a list of pairs of photos: dvc exp run -S dataset.pairs=FILE\n"
ONLY = "Nothing is read here. To use only some people, one name per line: dvc exp run -S dataset.only=FILE\n"
SMALL = "Nothing is read here. To use small photos, one folder per person: dvc exp run -S dataset.small=FOLDER\n"


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    project = Path(os.environ.get("DVC_ROOT", "."))
    # All folders must exist, because DVC hashes them even if they are not read.
    if dataset.reads_path:
        link_into_copy("dataset.path", dataset.path, project)
        locate(dataset.path)
    else:
        make_unread("dataset.path", dataset.path, PHOTOS)
    if dataset.has_unlabelled:
        link_into_copy("dataset.unlabelled", dataset.unlabelled, project)
        locate_beside("dataset.unlabelled", dataset.unlabelled, {"dataset.path": dataset.path})
    else:
        make_unread("dataset.unlabelled", dataset.unlabelled, UNLABELLED)
    if dataset.has_small:
        link_into_copy("dataset.small", dataset.small, project)
        others = {"dataset.path": dataset.path, "dataset.unlabelled": dataset.unlabelled}
        locate_beside("dataset.small", dataset.small, others)
    else:
        make_unread("dataset.small", dataset.small, SMALL)
    if dataset.source == "folder" and dataset.has_pairs:
        link_into_copy("dataset.pairs", dataset.pairs, project)
        locate_list("dataset.pairs", dataset.pairs)
    else:
        make_unread("dataset.pairs", dataset.pairs, PAIRS)
    if dataset.has_only:
        link_into_copy("dataset.only", dataset.only, project)
        locate_list("dataset.only", dataset.only)
    else:
        make_unread("dataset.only", dataset.only, ONLY)
    Path("data").mkdir(exist_ok=True)
    for name, paths in (
        ("located", (dataset.path, dataset.unlabelled, dataset.pairs, dataset.only)),
        ("located_small", (dataset.small,)),
    ):
        text = "".join(f"{path}\n" for path in paths)
        Path(f"data/{name}.txt").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
