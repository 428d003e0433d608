"""The types of single values in params.yaml, and what all its sections have in common."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

NOT_METHODS = ("command", "trained")
"""The modules in `ftlgan.restoration` that are no method: `ftlgan degrade`, and what restores by a trained model."""
METHODS = tuple(
    sorted({file.stem for file in Path(__file__).parents[1].glob("restoration/[!_]*.py")} - set(NOT_METHODS))
)
"""What is ready to restore faces: each other module in `ftlgan.restoration`."""
NO_PHOTOS = "data/no-photos"
"""The `dataset.path` of sources that read no folder. DVC wants a path in any case, so the stage `locate` makes it."""
NO_UNLABELLED = "data/no-unlabelled-photos"
"""The `dataset.unlabelled` that stands for none, likewise."""
NO_SMALL = "data/no-small-photos"
"""The `dataset.small` that stands for none, likewise."""
NO_PAIRS = "data/no-pairs"
"""The `dataset.pairs` that stands for none, likewise."""
EVERYBODY = "data/everybody"
"""The `dataset.only` that stands for no list, likewise."""
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""The name of a network that is trained here; it names folders and stages."""
RecognizerName = ModelName
"""The name of a recognizer; it names folders and stages."""
BUILT_IN = {
    "sface": "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    "dlib": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
"""The recognizers whose weights come inside an installed package, and the SHA-256 of these: each is a module in
`ftlgan.recognition`."""
NOT_DIFFERENTIABLE = ("dlib",)
"""Recognizers that can judge, but not teach."""
DegradationKind = Literal["bicubic", "lanczos", "bilinear", "box", "realistic"]
"""A kernel, or a chain that is drawn: `ftlgan.degradation`."""
NATIVE = "native"
Condition = Literal[DegradationKind, "held-out", "detected", "native"]
"""What test faces go through: any of these, a chain that no training uses, or being found in a small photo. Those of
`dataset.small` went through it before they came here. See `ftlgan.conditions`."""
Distance = Literal["euclidean", "cosine"]
"""Between unit embeddings."""
AdversarialForm = Literal["hinge", "non-saturating"]
Trunk = Literal["dense", "attention"]
"""The generator's trunk is made of convolutions, or of attention that knows where in the face it is."""
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
"""What `recognizers.NAME.file` begins with where it names a pack of models of insightface."""

PACKAGED = "packaged"
"""As `weights.METHOD.file`: the weights that come inside an installed package."""
MOST_SYNTHETIC_PHOTOS = 1_000_000
"""Two days' work of two cores, and names that fit in memory. More is a slip of the pen."""


class Section(BaseModel):
    """Rejects unknown keys and values of another type (`"3"` is not 3)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
