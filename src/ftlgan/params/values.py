"""The types of single values in params.yaml, and the base of all its sections."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

NOT_METHODS = ("command", "trained")
"""The modules in `ftlgan.restoration` that are not methods: `ftlgan degrade`, and restoration by trained models."""
METHODS = tuple(
    sorted({file.stem for file in Path(__file__).parents[1].glob("restoration/[!_]*.py")} - set(NOT_METHODS))
)
"""The methods, which are ready to use: each other module in `ftlgan.restoration`."""
NO_PHOTOS = "data/no-photos"
"""The `dataset.path` of sources that read no folder. DVC always needs a path, so the stage `locate` creates it."""
NO_UNLABELLED = "data/no-unlabelled-photos"
"""The `dataset.unlabelled` without such photos, also created by `locate`."""
NO_SMALL = "data/no-small-photos"
"""The `dataset.small` without such photos, also created by `locate`."""
NO_PAIRS = "data/no-pairs"
"""The `dataset.pairs` without a list, also created by `locate`."""
EVERYBODY = "data/everybody"
"""The `dataset.only` without a list, also created by `locate`."""
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""The name of a network that is trained here; it names folders and stages."""
RecognizerName = ModelName
"""The name of a recognizer; it names folders and stages."""
BUILT_IN = {
    "sface": "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    "dlib": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
"""The recognizers whose weights come with an installed package, and the SHA-256 of the weights. Each is a module in
`ftlgan.recognition`."""
NOT_DIFFERENTIABLE = ("dlib",)
"""The recognizers that can be judges, but not teachers."""
DegradationKind = Literal["bicubic", "lanczos", "bilinear", "box", "realistic"]
"""A kernel, or a random chain of degradations (`ftlgan.degradation`)."""
NATIVE = "native"
Condition = Literal[DegradationKind, "held-out", "detected", "native"]
"""The condition of test faces (`ftlgan.conditions`): any degradation; `held-out`, a chain that no training uses;
`detected`, faces found in small photos; or `native`, the photos in `dataset.small`."""
Distance = Literal["euclidean", "cosine"]
"""The distance between unit embeddings."""
AdversarialForm = Literal["hinge", "non-saturating"]
Trunk = Literal["dense", "attention"]
"""The generator's trunk, of convolutions or of attention with positions."""
Precision = Literal["float32", "tf32", "bfloat16"]
"""The arithmetic of a training; weights and losses are float32."""

Teachers = Annotated[
    list[RecognizerName],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]
"""One recognizer or several: `sface` is `[sface]`."""
ByChannel = Annotated[
    list[Annotated[float, Field(allow_inf_nan=False)]],
    Field(min_length=3, max_length=3),
    BeforeValidator(lambda value: [value] * 3 if isinstance(value, float | int) else value),
]
"""A number for each of three channels, or one for all: `127.5` is `[127.5, 127.5, 127.5]`."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PACK = "insightface:"
"""The prefix of `recognizers.NAME.file` for a pack of insightface models."""

PACKAGED = "packaged"
"""The `weights.METHOD.file` of weights that come with an installed package."""
MOST_SYNTHETIC_PHOTOS = 1_000_000
"""The most synthetic photos, which take two cores two days. A larger number is probably a typo."""


class Section(BaseModel):
    """The base of all sections. It refuses unknown keys and values of another type (`"3"` is not 3)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
