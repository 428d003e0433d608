"""The typed view of params.yaml, with a model for each section.

The comments in params.yaml explain each value to users; the docstrings here state what the code relies on.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ftlgan.params.dataset import Align, Dataset
from ftlgan.params.files import PretrainedWeights, RecognizerFile, WeightsFile
from ftlgan.params.values import (
    BUILT_IN,
    METHODS,
    NATIVE,
    NOT_DIFFERENTIABLE,
    NOT_METHODS,
    PACKAGED,
    AdversarialForm,
    Condition,
    Count,
    DegradationKind,
    Distance,
    ModelName,
    Precision,
    RecognizerName,
    Section,
    Seed,
    Teachers,
    Trunk,
    Weight,
)


class Recognition(Section):
    teachers: Annotated[list[RecognizerName], Field(min_length=1)]
    """The recognizers that `losses.MODEL.teacher` may name."""
    judges: Annotated[list[RecognizerName], Field(min_length=1)]
    """The recognizers that score the restored faces; the first that is in no loss gives the headline."""

    @model_validator(mode="after")
    def teachers_are_differentiable(self) -> Self:
        if wrong := [name for name in self.teachers if name in NOT_DIFFERENTIABLE]:
            raise ValueError(f"teachers: {wrong[0]!r} is not differentiable, as a loss requires; use it as a judge")
        return self


class Triplets(Section):
    positives: Count
    """The most pairs (anchor, positive) for each anchor."""
    negatives: Count
    """The number of negatives for each pair."""
    hardest: Count
    """The number of nearest candidates among which negatives are drawn."""
    among: Annotated[int, Field(ge=2)] | None
    """The most faces with which an anchor is compared; null compares it with all."""
    margin: Annotated[float, Field(gt=0, le=2)]
    """The margin between euclidean distances, in mining and in the loss. Unit embeddings are at most 2 apart."""


class Degradation(Section):
    kind: DegradationKind
    realistic: Annotated[float, Field(ge=0, le=1)]
    """The share of the faces that are degraded by the realistic chain instead of by `kind`."""

    @model_validator(mode="after")
    def realistic_is_asked_for_once(self) -> Self:
        if self.kind == "realistic" and self.realistic:
            raise ValueError(
                f"realistic: {self.realistic:g}, but kind is realistic for all faces; set realistic to 0, or kind to "
                "a kernel"
            )
        return self


class Augmentation(Section):
    flip: bool
    """Whether half of the faces are mirrored."""
    shift: Annotated[float, Field(ge=0, le=2)]
    """The largest shift of a face in each direction, low-resolution pixels."""
    rotation: Annotated[float, Field(ge=0, le=45)]
    """The standard deviation of the rotation, degrees."""
    scale: Annotated[float, Field(ge=0, le=0.2)]
    """The standard deviation of the logarithm of the factor by which a face is enlarged."""


class Generator(Section):
    preset: Literal["auto", "attention", "positions", "small", "paper"]
    trunk: Trunk | None
    features: Annotated[int, Field(ge=2)] | None
    blocks: Annotated[int, Field(ge=0)] | None
    growth: Count | None
    """The growth of the dense trunk; the attention trunk has none."""
    positions: bool | None
    """Whether the generator has a learned map of positions. Here and above, null stands for the preset's value
    (`ftlgan.networks.generator`)."""


class Discriminator(Section):
    features: Count
    form: AdversarialForm
    r1: Weight
    """The weight of the gradient penalty on real photos; 0 disables it."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """The peak learning rate of Adam."""


class Losses(Section):
    pixel: Weight
    identity: Weight
    triplet: Weight
    perceptual: Weight
    adversarial: Weight
    teachers: Annotated[Teachers, Field(alias="teacher")]
    """The recognizers in the loss, whose terms are averaged. The first one mines the triplets."""
    distance: Distance
    """The distance in the triplet term."""
    perceptual_network: Literal["teacher", "vgg19"]

    @property
    def terms_with_twins(self) -> list[str]:
        """The terms in use that compare a restored face with its high-resolution twin."""
        return [name for name in ("pixel", "identity", "perceptual") if getattr(self, name)]

    @model_validator(mode="after")
    def has_a_term(self) -> Self:
        if not any((self.pixel, self.identity, self.triplet, self.perceptual, self.adversarial)):
            raise ValueError("every weight is 0, so there is nothing to learn; set at least one above 0")
        return self


def _start(value: Any) -> Any:
    if isinstance(value, str) and value != PACKAGED:
        raise ValueError(f"is {value!r}; give packaged, {{file: PATH, sha256: DIGEST}}, or null for none")
    # Otherwise pydantic names the members of the union in its messages.
    return value if value is None or value == PACKAGED else WeightsFile.model_validate(value)


class Train(Section):
    faces: Literal["all", "paired", "native"]
    """The training faces that are restored, as anchors: all, those with a high-resolution twin, or those without.
    References are always high-resolution photos."""
    start: Annotated[WeightsFile | Literal["packaged"] | None, BeforeValidator(_start)]
    """The trained generator whose weights the training starts from: a file, or `packaged`, the one in this package for
    `res`; null starts from random weights."""
    steps: Count
    batch: Count
    """The number of triplets in a step, over all processes."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """The peak learning rate of Adam."""
    warmup: Annotated[int, Field(ge=0)]
    """The number of steps over which the learning rate rises."""
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """The largest euclidean norm of a gradient; longer ones are scaled down to it."""
    ema: Annotated[float, Field(ge=0, lt=1)]
    """The decay of the EMA weights per step."""
    teacher_noise: Annotated[float, Field(ge=0, le=1)]
    """The standard deviation of the noise added to restored faces, in [0, 1], before the teacher embeds them."""
    validate_every: Annotated[int, Field(ge=1, alias="validate")]
    """The number of steps between validations."""
    checkpoint: Count
    """The number of steps between checkpoints; the result does not depend on it."""
    device: Literal["cpu", "cuda"]
    devices: Count
    precision: Precision
    compile: bool
    seed: Seed
    """The seed of the training, separate from `Params.seed`, so that a training can be repeated on the same people."""

    @model_validator(mode="after")
    def every_process_has_as_much_to_do(self) -> Self:
        if self.batch % self.devices:
            raise ValueError(f"batch: {self.batch} is not a multiple of devices: {self.devices}; make it one")
        return self


class Restore(Section):
    mirror: bool
    """Whether a trained model also restores the mirror image of each face, and averages both."""


class Test(Section):
    conditions: Annotated[list[Condition], Field(min_length=1)]
    """The conditions; each test face is tested under each. The first gives the headline."""


class Evaluate(Section):
    replicates: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    sheet: Annotated[int, Field(ge=0)]
    """The number of test people on the contact sheet, which is in git and on the tracking server; 0 shows none."""


class Identify(Section):
    photos: Literal["all", "one"]
    """The photos of each person in the gallery: all, or only the first by name."""
    fusion: Literal["mean", "max"]
    """The way several photos of a person give one score (`ftlgan.verification.identification.gallery`)."""
    left_out: Annotated[float, Field(gt=0, lt=1)]
    """The share of the people that the gallery of the open set leaves out."""


class Calibrate(Section):
    protocols: Annotated[list[Literal["lr-hr", "lr-lr"]], Field(min_length=1)]
    """The protocols to calibrate, besides the ceiling."""


class Quality(Section):
    lpips: bool


class Training(Section):
    """All sections for the training of one model."""

    losses: Losses
    triplets: Triplets
    degradation: Degradation
    augmentation: Augmentation
    discriminator: Discriminator
    train: Train

    @property
    def degrades_anew(self) -> list[str]:
        """The params in use that degrade a face again in each step, which requires its twin."""
        if self.train.faces == "native":
            return []
        moves = [f"augmentation.{name}" for name in ("shift", "rotation", "scale") if getattr(self.augmentation, name)]
        return moves + (["degradation.realistic"] if self.degradation.realistic else [])


class Params(Section):
    """The whole of params.yaml."""

    res: Literal[14, 28, 56]
    seed: Seed
    methods: list[str]
    models: list[ModelName]
    dataset: Dataset
    align: Align
    recognizers: dict[RecognizerName, RecognizerFile | None]
    """An entry for each recognizer; null for a built-in one."""
    recognition: Recognition
    triplets: Triplets
    degradation: Degradation
    augmentation: Augmentation
    generator: Generator
    discriminator: Discriminator
    losses: dict[ModelName, Losses]
    """An entry for each model."""
    weights: dict[str, PretrainedWeights | None]
    """An entry for each method; null for one without weights."""
    train: Train
    restore: Restore
    test: Test
    evaluate: Evaluate
    identify: Identify
    calibrate: Calibrate
    quality: Quality
    engine: Literal["local", "ray"]
    """Where faces are aligned, degraded, restored and embedded. No stage depends on it: it changes no result."""
    ray_address: str | None
    """The address of the Ray cluster, HOST:PORT; null takes the environment variable RAY_ADDRESS."""

    @property
    def compared(self) -> list[str]:
        """The methods and models that restore the test faces."""
        return [*self.methods, *self.models]

    def training(self, model: str) -> Training:
        """Return the sections for the training of a model."""
        return Training(
            losses=self.losses[model],
            triplets=self.triplets,
            degradation=self.degradation,
            augmentation=self.augmentation,
            discriminator=self.discriminator,
            train=self.train,
        )

    @model_validator(mode="after")
    def lists_name_each_thing_once(self) -> Self:
        lists = {
            **{"methods": self.methods, "models": self.models, "test.conditions": self.test.conditions},
            **{"recognition.teachers": self.recognition.teachers, "recognition.judges": self.recognition.judges},
            "calibrate.protocols": self.calibrate.protocols,
            **{f"losses.{model}.teacher": losses.teachers for model, losses in self.losses.items()},
        }
        for key, names in lists.items():
            if len(set(names)) < len(names):
                raise ValueError(f"{key}: {names} has a name twice; keep it once")
        return self

    @model_validator(mode="after")
    def methods_and_models_are_known(self) -> Self:
        if not self.compared:
            raise ValueError("methods: [] and models: []: there is nothing to compare; name at least one")
        for name in self.methods:
            if name in self.losses:
                raise ValueError(f"methods: {name!r} is trained here; name it in models")
            if name not in METHODS:
                raise ValueError(f"methods: {name!r} is unknown; use one of {', '.join(METHODS)}")
            if name not in self.weights:
                raise ValueError(f"methods: {name!r} has no entry in weights; add one, null if it has no weights")
        for name in self.models:
            if name in (*METHODS, *NOT_METHODS, "hr", "lr"):
                raise ValueError(f"models: {name!r} is reserved; choose another name")
            if name not in self.losses:
                raise ValueError(
                    f"models: {name!r} has no entry in losses; use one of {', '.join(self.losses)}, or add one"
                )
        return self

    @model_validator(mode="after")
    def native_faces_are_there_and_not_compared_with_twins(self) -> Self:
        asking = {"test.conditions": NATIVE in self.test.conditions, "train.faces": self.train.faces == NATIVE}
        if any(asking.values()) and not self.dataset.has_small:
            key = next(key for key, asks in asking.items() if asks)
            raise ValueError(f"{key}: native faces come from dataset.small; set that to a folder of small photos")
        for model in self.models if self.train.faces == NATIVE else ():
            if terms := self.losses[model].terms_with_twins:
                weight: float = getattr(self.losses[model], terms[0])
                raise ValueError(
                    f"losses.{model}.{terms[0]}: {weight:g}, but native faces (train.faces) have no high-resolution "
                    "twin to compare with; set it to 0, or train.faces to all"
                )
        return self

    @model_validator(mode="after")
    def recognizers_are_known(self) -> Self:
        for name, file in self.recognizers.items():
            if file is None and name not in BUILT_IN:
                raise ValueError(
                    f"recognizers.{name}: null, but only {' and '.join(BUILT_IN)} are built in; give its file"
                )
            if file is not None and name in BUILT_IN:
                raise ValueError(f"recognizers.{name}: is built in and takes null; choose another name for your file")
        for role, names in (("teachers", self.recognition.teachers), ("judges", self.recognition.judges)):
            if unknown := [name for name in names if name not in self.recognizers]:
                known = ", ".join(self.recognizers)
                raise ValueError(f"recognition.{role}: {unknown[0]!r} is not in recognizers ({known}); add it there")
        return self

    @model_validator(mode="after")
    def no_recognizer_has_two_names(self) -> Self:
        """Refuse two names for one file, because the name tells which losses have seen a recognizer."""
        names: dict[str, str] = {}
        for name in dict.fromkeys([*self.recognition.teachers, *self.recognition.judges]):
            file = self.recognizers[name]
            sha256 = file.sha256 if file else BUILT_IN[name]
            if (other := names.setdefault(sha256, name)) != name:
                raise ValueError(f"recognition: {name!r} has the same file as {other!r}; name it once")
        return self

    @model_validator(mode="after")
    def models_have_a_teacher_and_a_black_box(self) -> Self:
        teachers, judges = self.recognition.teachers, self.recognition.judges
        for model in self.models:
            if missing := [name for name in self.losses[model].teachers if name not in teachers]:
                raise ValueError(
                    f"losses.{model}.teacher: {missing[0]!r} is not in recognition.teachers {teachers}; add it there"
                )
        if not set(judges) - self.teachers_of_models:
            raise ValueError(
                f"recognition.judges: {judges} has only teachers; add one that is in no loss, such as dlib"
            )
        return self

    @property
    def teachers_of_models(self) -> set[str]:
        """The recognizers that the loss of a compared model has seen."""
        return {name for model in self.models for name in self.losses[model].teachers}
