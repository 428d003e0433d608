"""The sections of params.yaml about photos, and about how faces are detected and aligned."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ftlgan.params.values import (
    EVERYBODY,
    MOST_SYNTHETIC_PHOTOS,
    NO_PAIRS,
    NO_PHOTOS,
    NO_SMALL,
    NO_UNLABELLED,
    Count,
    Section,
)


def _is(path: Any, placeholder: str) -> bool:
    """Return whether a path is a placeholder such as `NO_PHOTOS`, even if spelled `./data/no-photos/`."""
    return isinstance(path, str) and PurePosixPath(path) == PurePosixPath(placeholder)


class Dataset(Section):
    source: Literal["synthetic", "folder", "lfw", "lfw-pairs", "recordio", "webdataset"]
    """A module in `ftlgan.sources`; `lfw-pairs` is LFW with its official list of pairs. In params.yaml it may be null,
    which stands for `folder` if there is a path, else for `synthetic`."""
    path: Annotated[str, Field(pattern=r"^[^~]")]
    """A path relative to the project's root, or `NO_PHOTOS`. It must not begin with `~`, which DVC does not expand."""
    unlabelled: Annotated[str, Field(pattern=r"^[^~]")]
    """A path like `path`, or `NO_UNLABELLED`; allowed with any source."""
    small: Annotated[str, Field(pattern=r"^[^~]")]
    """A path like `path` to small photos of people in the data set, or `NO_SMALL`; allowed with any source."""
    pairs: Annotated[str, Field(pattern=r"^[^~]")]
    """A path like `path` to a list of pairs, whose people are tested, or `NO_PAIRS`; only with the source folder."""
    only: Annotated[str, Field(pattern=r"^[^~]")]
    """A path like `path` to a list of people, or `EVERYBODY`; only with the sources folder, lfw and lfw-pairs."""
    people: Annotated[int, Field(ge=6)] | None
    """The number of people: at least two for each split, as one alone gives no impostor pair."""
    photos: Annotated[int, Field(ge=2)] | None
    """The number of photos per person: at least two, as one gives no genuine pair."""
    synthetic_people: Annotated[int, Field(ge=0)]
    val: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, le=1)]
    """The share of the people who are tested; it has no effect if there is a list of pairs."""

    @property
    def reads_path(self) -> bool:
        """Whether the source reads `path`."""
        return self.source in ("folder", "recordio", "webdataset")

    @property
    def has_small(self) -> bool:
        """Whether `small` names a folder that is read."""
        return not _is(self.small, NO_SMALL)

    @property
    def has_unlabelled(self) -> bool:
        """Whether `unlabelled` names a folder that is read."""
        return not _is(self.unlabelled, NO_UNLABELLED)

    @property
    def is_lfw(self) -> bool:
        """Whether the photos are downloaded."""
        return self.source in ("lfw", "lfw-pairs")

    @property
    def has_pairs(self) -> bool:
        """Whether the people of a list of pairs are tested, instead of a share of all people."""
        return self.source == "lfw-pairs" or not _is(self.pairs, NO_PAIRS)

    @property
    def has_only(self) -> bool:
        """Whether `only` names a list that is read."""
        return not _is(self.only, EVERYBODY)

    @property
    def limits(self) -> list[str]:
        """The params in use that leave people of the source out."""
        used = {
            "dataset.people": self.people is not None,
            "dataset.only": self.has_only,
            "the list of pairs": self.has_pairs,
        }
        return [name for name, is_used in used.items() if is_used]

    @model_validator(mode="after")
    def a_list_of_people_goes_with_folders(self) -> Self:
        if self.has_only and not (self.is_lfw or self.source == "folder"):
            raise ValueError(
                f"only: {self.only!r} is not read by source {self.source}; set only to {EVERYBODY}, or source to null "
                "and path to the folder with a folder for each of these people"
            )
        return self

    @model_validator(mode="after")
    def a_list_of_pairs_goes_with_a_folder(self) -> Self:
        if self.source != "folder" and not _is(self.pairs, NO_PAIRS):
            official = {
                "lfw": "; for LFW's own list, set source to lfw-pairs",
                "lfw-pairs": ", instead of LFW's own list",
            }
            raise ValueError(
                f"pairs: {self.pairs!r} is not read by source {self.source}; set pairs to {NO_PAIRS}, or source to "
                f"null and path to the folder with its photos{official.get(self.source, '')}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def a_path_implies_the_source(cls, tree: Any) -> Any:
        if isinstance(tree, Mapping) and tree.get("source", "") is None:
            return {**tree, "source": "synthetic" if _is(tree.get("path"), NO_PHOTOS) else "folder"}
        return tree

    @model_validator(mode="after")
    def a_path_is_read(self) -> Self:
        if self.reads_path and _is(self.path, NO_PHOTOS):
            raise ValueError(
                f"path: source {self.source} reads the folder that path names; set path, or source to null"
            )
        if not self.reads_path and not _is(self.path, NO_PHOTOS):
            raise ValueError(
                f"path: {self.path!r} is not read by source {self.source}; set source to null, or path to {NO_PHOTOS}"
            )
        return self

    @model_validator(mode="after")
    def leaves_people_to_train(self) -> Self:
        if not self.has_pairs and not self.synthetic_people and self.val + self.test >= 1:
            raise ValueError(
                f"val + test is {self.val + self.test:g}, so nobody is left to train on; lower them below 1, or set "
                "synthetic_people"
            )
        return self

    @model_validator(mode="after")
    def synthetic_people_join_people_who_exist(self) -> Self:
        if self.synthetic_people and self.source == "synthetic":
            raise ValueError(
                f"synthetic_people: {self.synthetic_people}, but the people of source synthetic are synthetic already; "
                "raise people instead, or set synthetic_people to 0"
            )
        return self

    @model_validator(mode="after")
    def synthetic_photos_are_counted(self) -> Self:
        key = "people" if self.source == "synthetic" else "synthetic_people"
        people: int | None = getattr(self, key)
        if people == 0:
            return self
        if not (people and self.photos):
            raise ValueError(f"{key} and photos must not be null for synthetic people; give numbers")
        if people * self.photos > MOST_SYNTHETIC_PHOTOS:
            raise ValueError(
                f"{key}: {people} people with {self.photos} photos are more than the {MOST_SYNTHETIC_PHOTOS:,} photos "
                f"that can be drawn; lower {key} or photos"
            )
        return self

    @model_validator(mode="after")
    def has_test_pairs(self) -> Self:
        if not self.has_pairs and self.people is not None and round(self.test * self.people) < 2:
            raise ValueError(
                f"test: {self.test:g} of {self.people} people leaves fewer than 2 test people; raise test or people"
            )
        return self


class Align(Section):
    detection_score: Annotated[float, Field(ge=0, le=1)]
    face_width: Count
    """The least width of the detector's box in the photo, pixels."""
    aligned: bool
    """Whether photos are aligned faces, which are used unchanged, without detector and `face_width`."""
    small_aligned: bool
    """Whether the photos in `dataset.small` are aligned faces, which keep their size."""
