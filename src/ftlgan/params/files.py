"""What params.yaml says about files of weights that others have made."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ftlgan.params.values import PACK, PACKAGED, ByChannel, Section, Sha256

LEAST_STD = 1e-3
"""The least number by which pixels of 0 to 255 may be divided."""


class WeightsFile(Section):
    """A file that others have made."""

    file: Annotated[str, Field(min_length=1)]
    """A path, seen from the project's root; an address; or a word that a subclass knows."""
    sha256: Sha256

    def seen_from(self, root: str) -> Self:
        """The same, with a relative path made one that is seen from `root`."""
        if "://" in self.file or self.file == PACKAGED or self.file.startswith(PACK):
            return self
        return self.model_copy(update={"file": str(Path(root, self.file))})

    @model_validator(mode="after")
    def addresses_are_of_the_web(self) -> Self:
        if "://" in self.file:
            try:
                scheme, host = urlsplit(self.file)[:2]
            except ValueError as error:
                raise ValueError(f"file: {self.file!r} is no address ({error}); correct it") from None
            if scheme not in ("http", "https") or not host:
                raise ValueError(f"file: {self.file!r} is no address of http or https; give one, or a path")
        return self


class RecognizerFile(WeightsFile):
    """A recognizer's ONNX file, and what it expects of a face.

    `file` may be `insightface:PACK`; then `sha256` is that of the recognizer in the pack.
    """

    size: Annotated[int, Field(ge=16, le=1024)] | None = None
    """Width and height of the input, pixels; 112 unless given."""
    color: Literal["rgb", "bgr"] | None = None
    """The order of the input's channels; rgb unless given."""
    mean: ByChannel | None = None
    """What is subtracted from pixels of 0 to 255, in the order of the input's channels; 127.5 unless given."""
    std: ByChannel | None = None
    """By which the difference to the mean is divided; 127.5 unless given."""
    output: str | None = None
    """The name of the output with the embeddings, where the file has several."""
    license: Annotated[str, Field(min_length=1)]
    """What the weights may be used for, in the user's words."""

    @property
    def pack(self) -> str | None:
        """The name of the pack of insightface, or None."""
        return self.file.removeprefix(PACK) if self.file.startswith(PACK) else None

    @model_validator(mode="after")
    def nothing_is_divided_by_zero(self) -> Self:
        if self.std and min(self.std) < LEAST_STD:
            raise ValueError(f"std: {self.std}: must be at least {LEAST_STD:g}")
        return self

    @model_validator(mode="after")
    def insightface_knows_its_packs(self) -> Self:
        given = [name for name in ("size", "color", "mean", "std") if getattr(self, name) is not None]
        if self.pack is not None and given:
            raise ValueError(f"{given[0]}: insightface says what its packs take; leave {', '.join(given)} out")
        return self


class PretrainedWeights(WeightsFile):
    """Weights of a method that others have trained; `file` may be `PACKAGED` where the method has such."""
