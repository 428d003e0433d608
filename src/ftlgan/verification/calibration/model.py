"""A calibration: how it turns a score into an LR, and its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ftlgan.errors import DataError, writing
from ftlgan.verification.binning import Floats

ScoreKind = Literal["cosine", "score", "-distance"]
"""The kind of scores: cosines of embeddings, a user's scores, or a user's negated distances."""
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """A part of the file. Values are not converted, and unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(_Section):
    """A metric and its confidence interval."""

    value: FiniteFloat
    lo: FiniteFloat
    hi: FiniteFloat


class Metrics(_Section):
    """The metrics on the people of the fit. On other people they are a little worse."""

    cllr: Metric
    cllr_min: Metric
    cllr_cal: Metric
    eer: Metric


class Line(_Section):
    """The line log10 LR = intercept + slope * score, within the range of the fitted scores and within bounds."""

    intercept: FiniteFloat
    slope: Annotated[FiniteFloat, Field(gt=0)]
    lowest: FiniteFloat
    highest: FiniteFloat
    """The range of the scores of the fit."""
    lower_bound: Annotated[FiniteFloat, Field(le=0)]
    upper_bound: Annotated[FiniteFloat, Field(ge=0)]
    """The bounds of log10 LR: `ftlgan.verification.calibration.metrics.empirical_bounds`."""

    @model_validator(mode="after")
    def _has_a_range(self) -> "Line":
        if self.lowest >= self.highest:
            raise ValueError(f"lowest is {self.lowest:g}, not below highest ({self.highest:g})")
        return self

    def seen(self, scores: Floats) -> Floats:
        """Return the scores, clipped to the range of the fit."""
        return np.clip(scores, self.lowest, self.highest)

    def log_lr(self, scores: Floats) -> Floats:
        """Return the bounded log10 LRs of scores within the range of the fit."""
        return self.bounded(self.intercept + self.slope * scores)

    def bounded(self, log_lr: Floats) -> Floats:
        """Return log10 LRs, clipped to the bounds."""
        return np.clip(log_lr, self.lower_bound, self.upper_bound)


class Interval(_Section):
    """The confidence interval of the unbounded log10 LR at some scores; between them it is interpolated linearly."""

    level: Annotated[float, Field(gt=0, lt=1)]
    replicates: Count
    seed: Annotated[int, Field(ge=0)]
    scores: tuple[FiniteFloat, ...]
    lo: tuple[FiniteFloat, ...]
    hi: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _is_a_band(self) -> "Interval":
        if not len(self.scores) == len(self.lo) == len(self.hi) >= 2:
            raise ValueError(f"has {len(self.scores)} scores, {len(self.lo)} lo and {len(self.hi)} hi")
        if not (np.diff(self.scores) > 0).all():
            raise ValueError("scores do not rise")
        if not np.less_equal(self.lo, self.hi).all():
            raise ValueError("lo is above hi")
        return self


@dataclass(frozen=True, eq=False)
class LikelihoodRatios:
    """The log10 LRs of some scores."""

    log10: Floats
    """log10 LR, (N,)."""
    lo: Floats
    hi: Floats
    """The confidence interval of log10 LR, (N,)."""
    bounded: NDArray[np.bool_]
    """Whether log10 LR is at a bound, (N,). The evidence may be stronger, but the data can't tell."""
    outside: NDArray[np.bool_]
    """Whether the score is outside the range of the fit, (N,). The nearest score of that range is used instead."""


class Calibration(_Section):
    """A calibration that turns scores into log10 LRs, and a description of the data of the fit."""

    format: Literal[1]
    kind: Literal["logistic"]
    """Logistic regression with balanced priors."""
    judge: str | None
    """The recognizer that made the scores; None if unknown."""
    sha256: str | None
    preprocessing: str | None
    """The SHA-256 of the judge's weights, and a description of its input."""
    score: ScoreKind
    resolution: str | None
    condition: str | None
    protocol: str | None
    """The caller's description of the faces; it has no effect."""
    people: Count
    genuine: Count
    impostor: Count
    """The number of people and scores of the fit."""
    line: Line
    interval: Interval
    metrics: Metrics

    @property
    def recognizer(self) -> dict[str, str]:
        """The judge, as in the metadata of a table of its embeddings."""
        found = {"recognizer": self.judge, "sha256": self.sha256, "preprocessing": self.preprocessing}
        return {name: value for name, value in found.items() if value is not None}

    def apply(self, scores: ArrayLike) -> LikelihoodRatios:
        """Turn scores into log10 LRs, without extrapolating beyond the range of the fit or the bounds.

        Args:
            scores: scores of the kind `score`, (N,). Cosines must be of the same judge and of similar faces as in the
                fit.

        Raises:
            DataError: if a score is not finite.
        """
        given = np.asarray(scores, dtype=np.float64)
        if not np.isfinite(given).all():
            raise DataError(f"{np.count_nonzero(~np.isfinite(given))} of {given.size} scores are not finite")
        seen = self.line.seen(given)
        log10 = self.line.log_lr(seen)
        lo, hi = (
            self.line.bounded(np.interp(seen, self.interval.scores, end))
            for end in (self.interval.lo, self.interval.hi)
        )
        bounded = (log10 == self.line.lower_bound) | (log10 == self.line.upper_bound)
        return LikelihoodRatios(log10, lo, hi, bounded, seen != given)

    def save(self, path: Path) -> None:
        """Write the calibration as JSON. Equal calibrations give identical bytes.

        Raises:
            DataError: if the file can't be written.
        """
        with writing(path):
            path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read a calibration, and check each of its fields.

        Raises:
            DataError: if the file is missing, or is not a valid calibration.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: there is no such file") from None
        except ValidationError as error:
            problem = _one_line(error.errors(include_url=False)[0])
            raise DataError(f"{path}: is not a calibration: {problem}; make it again with ftlgan calibrate") from None


def _one_line(problem: ErrorDetails) -> str:
    """Describe a problem by the field, its value and what is wrong with it."""
    field = ".".join(str(part) for part in problem["loc"])
    message = " ".join(problem["msg"].removeprefix("Value error, ").split())
    message = message[0].lower() + message[1:]
    if problem["type"] == "missing":
        return f"{field} is missing"
    if problem["type"] in ("value_error", "json_invalid", "model_type", "extra_forbidden"):
        return f"{field}: {message}" if field else message
    return f"{field} is {str(problem['input'])[:80]!r}: {message}"


def named(recognizer: Mapping[str, str]) -> dict[str, str | None]:
    """Return the fields of a calibration that describe its judge, given the metadata of a table."""
    return {
        "judge": recognizer.get("recognizer"),
        "sha256": recognizer.get("sha256"),
        "preprocessing": recognizer.get("preprocessing"),
    }
