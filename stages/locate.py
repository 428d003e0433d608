"""Find the files and folders of `dataset.path`, `unlabelled`, `small`, `pairs` and `only`.

It also works in a copy of the project, which `dvc exp run --temp` and the queue make.
"""

import os
from pathlib import Path

from ftlgan.errors import one_line_errors
from ftlgan.params import load_params
from ftlgan.sources.folder import (
    BESIDE,
    LISTS,
    link_into_copy,
    locate,
    locate_beside,
    locate_list,
    make_unread,
)

NOTES = {
    "path": "To use your own photos, one folder per person: dvc exp run -S dataset.path=FOLDER",
    "unlabelled": "To train on unlabeled photos: dvc exp run -S dataset.unlabelled=FOLDER",
    "small": "To use small photos, one folder per person: dvc exp run -S dataset.small=FOLDER",
    "pairs": "To use a list of pairs of photos: dvc exp run -S dataset.pairs=FILE",
    "only": "To use only some people, one name per line: dvc exp run -S dataset.only=FILE",
}
"""What the placeholder of each param of the section `dataset` says."""


@one_line_errors
def main() -> None:
    dataset = load_params().dataset
    project = Path(os.environ.get("DVC_ROOT", "."))
    is_read = {
        "path": dataset.reads_path,
        "unlabelled": dataset.has_unlabelled,
        "small": dataset.has_small,
        "pairs": dataset.source == "folder" and dataset.has_pairs,
        "only": dataset.has_only,
    }
    folders: dict[str, str] = {}
    for name, note in NOTES.items():
        key, path = f"dataset.{name}", getattr(dataset, name)
        if not is_read[name]:  # it must exist all the same, because DVC hashes it
            make_unread(key, path, f"Nothing is read here. {note}\n")
        else:
            link_into_copy(key, path, project)
            if key in LISTS:
                locate_list(key, path)
            elif key in BESIDE:
                locate_beside(key, path, folders)
            else:
                locate(path)
        folders[key] = path
    Path("data").mkdir(exist_ok=True)
    for file, names in (("located", ("path", "unlabelled", "pairs", "only")), ("located_small", ("small",))):
        text = "".join(f"{getattr(dataset, name)}\n" for name in names)
        Path(f"data/{file}.txt").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
