"""The rows and keys of the files in metrics/ that a comparison reads, with their checks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, FiniteFloat, field_validator, model_validator

from ftlgan.evaluation.judging import BLACK, CEILING, WHITE
from ftlgan.params import METHODS

EVERY_MODEL = "every model"
Known = Annotated[FiniteFloat | None, BeforeValidator(lambda value: None if value == "" else value)]
"""A number in a CSV; None for an empty cell."""


class Judged(BaseModel):
    """What a row is of: a method, judged by a judge under a condition and a protocol."""

    condition: str = ""
    """The condition; empty for the ceiling, and in runs of an earlier version, which had only one."""
    method: str
    judge: str
    protocol: str


class Verified(Judged):
    """The metrics of a method by a judge and a protocol: a row of metrics/verification.csv."""

    res: int
    d_prime: FiniteFloat
    d_prime_lo: FiniteFloat
    d_prime_hi: FiniteFloat
    auc: FiniteFloat
    auc_lo: FiniteFloat
    auc_hi: FiniteFloat
    fnmr_1e2: Annotated[Known, Field(alias="fnmr_at_fmr_0.01")] = None
    fnmr_1e2_lo: Annotated[Known, Field(alias="fnmr_at_fmr_0.01_lo")] = None
    fnmr_1e2_hi: Annotated[Known, Field(alias="fnmr_at_fmr_0.01_hi")] = None
    fnmr_1e3: Annotated[Known, Field(alias="fnmr_at_fmr_0.001")] = None
    fnmr_1e3_lo: Annotated[Known, Field(alias="fnmr_at_fmr_0.001_lo")] = None
    fnmr_1e3_hi: Annotated[Known, Field(alias="fnmr_at_fmr_0.001_hi")] = None
    """FNMR at FMR 1e-2 and 1e-3, if there are enough impostor scores."""


class Identified(Judged):
    """The identification rates of a method by a judge: a row of metrics/identification.csv."""

    rank_1: Known = None
    rank_1_lo: Known = None
    rank_1_hi: Known = None


class Calibrated(Judged):
    """The cost of the likelihood ratios of a method by a judge: a row of metrics/calibration/calibration.csv."""

    cllr: Known = None
    cllr_lo: Known = None
    cllr_hi: Known = None


class Listed(Judged):
    """The accuracy of a method by a judge on a list of pairs: a row of metrics/pairs.csv."""

    accuracy: Known = None


class Difference(Judged):
    """The paired interval of the d' of one method minus that of another: a row of metrics/differences.csv."""

    baseline: str
    d_prime_lo: FiniteFloat
    d_prime_hi: FiniteFloat


class Quality(BaseModel):
    """The similarity of a method's faces to their high-resolution twins: a row of metrics/quality.json."""

    condition: str = ""
    method: str
    psnr: FiniteFloat
    ssim: FiniteFloat
    lpips: FiniteFloat | None = None


class Photos(BaseModel):
    """The photos that were restored and judged."""

    aligned_sha256: str


class Judge(BaseModel):
    """A recognizer that scored the result."""

    sha256: str
    white_for: Sequence[str] = ()
    """The models whose loss has seen the judge; `EVERY_MODEL` stands for all models that are trained here."""

    def box(self, method: str) -> str:
        """Return `WHITE` if the method's loss has seen the judge, else `BLACK`."""
        trained = method not in (*METHODS, CEILING)
        return WHITE if method in self.white_for or (trained and EVERY_MODEL in self.white_for) else BLACK

    @model_validator(mode="before")
    @classmethod
    def read_earlier_form(cls, values: Any) -> Any:
        """Convert the form of earlier versions, which had one `box` for all models."""
        if isinstance(values, dict) and "box" in values:
            white = str(values.pop("box")).startswith("white")
            return {**values, "white_for": [EVERY_MODEL] if white else []}
        return values


class Origin(BaseModel):
    """The keys of metrics/origin.json that tell whether runs can be compared."""

    dataset: Photos
    split: Mapping[str, Any]
    judges: Mapping[str, Judge]
    conditions: Annotated[Mapping[str, Any], Field(min_length=1)]
    """The conditions of the test faces; the first is the headline's."""
    software: Mapping[str, str] = {}
    """The versions of the libraries that computed the results; empty for runs made before they were recorded."""

    @property
    def condition(self) -> str:
        """The condition of the headline."""
        return next(iter(self.conditions))

    @model_validator(mode="before")
    @classmethod
    def read_earlier_form(cls, values: Any) -> Any:
        """Convert the form of earlier versions, in which one degradation made all faces small."""
        earlier = values.get("degradation") if isinstance(values, dict) and "conditions" not in values else None
        return (
            {**values, "conditions": {earlier["kernel"]: {}}}
            if isinstance(earlier, dict) and "kernel" in earlier
            else values
        )

    @field_validator("split")
    @classmethod
    def read_earlier_counts(cls, split: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add counts of 0 to runs of earlier versions, which trained only on people with at least two photos."""
        none = {"single_photo_people": 0, "unlabelled_photos": 0, "native_photos": 0}
        train = split.get("train", {})
        return {**split, "train": none | train} if isinstance(train, dict) else split
