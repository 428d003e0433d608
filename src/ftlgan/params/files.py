"""The entries of params.yaml for files of weights from other projects."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ftlgan.params.values import PACK, PACKAGED, ByChannel, Section, Sha256

LEAST_STD = 1e-3
"""The lowest divisor of pixels of 0 to 255."""


class WeightsFile(Section):
    """A file of weights from another project."""

    file: Annotated[str, Field(min_length=1)]
    """A path relative to the project's root, a URL, or a word that a subclass defines."""
    sha256: Sha256

    def seen_from(self, root: str) -> Self:
        """Return a copy whose relative path is joined to `root`."""
        if "://" in self.file or self.file == PACKAGED or self.file.startswith(PACK):
            return self
        return self.model_copy(update={"file": str(Path(root, self.file))})

    @model_validator(mode="after")
    def addresses_are_of_the_web(self) -> Self:
        if "://" in self.file:
            try:
                scheme, host = urlsplit(self.file)[:2]
            except ValueError as error:
                raise ValueError(f"file: {self.file!r} is not a URL ({error}); correct it") from None
            if scheme not in ("http", "https") or not host:
                raise ValueError(f"file: {self.file!r} is not an http or https URL; give one, or a path")
        return self


class RecognizerFile(WeightsFile):
    """A recognizer's ONNX file, and the input that it expects.

    `file` may be `insightface:PACK`; then `sha256` is the digest of the recognizer in the pack.
    """

    size: Annotated[int, Field(ge=16, le=1024)] | None = None
    """The width and height of the input, pixels; None stands for 112."""
    color: Literal["rgb", "bgr"] | None = None
    """The order of the input's channels; None stands for rgb."""
    mean: ByChannel | None = None
    """The value subtracted from pixels of 0 to 255, in the order of the input's channels; None stands for 127.5."""
    std: ByChannel | None = None
    """The divisor of the pixels after `mean` is subtracted; None stands for 127.5."""
    output: str | None = None
    """The name of the output with the embeddings, if the file has several outputs."""
    license: Annotated[str, Field(min_length=1)]
    """The permitted use of the weights, in the user's words."""

    @property
    def pack(self) -> str | None:
        """The name of the insightface pack, or None."""
        return self.file.removeprefix(PACK) if self.file.startswith(PACK) else None

    @model_validator(mode="after")
    def nothing_is_divided_by_zero(self) -> Self:
        if self.std and min(self.std) < LEAST_STD:
            raise ValueError(f"std: {self.std}; give at least {LEAST_STD:g}")
        return self

    @model_validator(mode="after")
    def insightface_knows_its_packs(self) -> Self:
        given = [name for name in ("size", "color", "mean", "std") if getattr(self, name) is not None]
        if self.pack is not None and given:
            raise ValueError(f"{given[0]}: insightface defines the input of its packs; remove {', '.join(given)}")
        return self


class PretrainedWeights(WeightsFile):
    """The pretrained weights of a method; `file` may be `PACKAGED` if the method has packaged weights."""
