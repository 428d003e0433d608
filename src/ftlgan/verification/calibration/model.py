"""A calibration: what it says of a score, and the file that it is kept in."""

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
"""What was calibrated: cosines of embeddings, or scores that anyone computed, or distances with a minus."""
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """A part of the file: nothing is converted, nothing is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Metric(_Section):
    """A metric and its confidence interval."""

    value: FiniteFloat
    lo: FiniteFloat
    hi: FiniteFloat


class Metrics(_Section):
    """The metrics of the people on whom the calibration was fitted: other people's are a little worse."""

    cllr: Metric
    cllr_min: Metric
    cllr_cal: Metric
    eer: Metric


class Line(_Section):
    """log10 LR = intercept + slope * score, within the scores that were seen and within bounds."""

    intercept: FiniteFloat
    slope: Annotated[FiniteFloat, Field(gt=0)]
    lowest: FiniteFloat
    highest: FiniteFloat
    """The range of the scores that were seen."""
    lower_bound: Annotated[FiniteFloat, Field(le=0)]
    upper_bound: Annotated[FiniteFloat, Field(ge=0)]
    """The bounds of log10 LR: `ftlgan.verification.calibration.metrics.empirical_bounds`."""

    @model_validator(mode="after")
    def _has_a_range(self) -> "Line":
        if self.lowest >= self.highest:
            raise ValueError(f"lowest is {self.lowest:g}, not below highest, {self.highest:g}")
        return self

    def seen(self, scores: Floats) -> Floats:
        """Return scores, or the nearest one that was seen."""
        return np.clip(scores, self.lowest, self.highest)

    def log_lr(self, scores: Floats) -> Floats:
        """Return the log10 LRs of scores that were seen, bounded."""
        return self.bounded(self.intercept + self.slope * scores)

    def bounded(self, log_lr: Floats) -> Floats:
        """Return log10 LRs, or the nearest bound."""
        return np.clip(log_lr, self.lower_bound, self.upper_bound)


class Interval(_Section):
    """The confidence interval of log10 LR before it is bounded, at scores between which it is linear."""

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
    """What a calibration says of some scores."""

    log10: Floats
    """log10 LR, (N,)."""
    lo: Floats
    hi: Floats
    """Its confidence interval, (N,)."""
    bounded: NDArray[np.bool_]
    """Where log10 LR is at a bound, (N,): the evidence may be stronger, and the data do not tell."""
    outside: NDArray[np.bool_]
    """Where the score is outside the range that was seen, (N,): the nearest score that was seen is taken for it."""


class Calibration(_Section):
    """A calibration of scores to log10 LRs, and what it was fitted on."""

    format: Literal[1]
    kind: Literal["logistic"]
    """Logistic regression with balanced priors."""
    judge: str | None
    """The recognizer whose scores these are; None: it is not known."""
    sha256: str | None
    preprocessing: str | None
    """The SHA-256 of its weights, and what its input is."""
    score: ScoreKind
    resolution: str | None
    condition: str | None
    protocol: str | None
    """What the caller says of the faces: nothing here depends on it."""
    people: Count
    genuine: Count
    impostor: Count
    """How many people and scores it was fitted on."""
    line: Line
    interval: Interval
    metrics: Metrics

    @property
    def recognizer(self) -> dict[str, str]:
        """The judge as the metadata of its tables give it."""
        found = {"recognizer": self.judge, "sha256": self.sha256, "preprocessing": self.preprocessing}
        return {name: value for name, value in found.items() if value is not None}

    def apply(self, scores: ArrayLike) -> LikelihoodRatios:
        """Turn scores into log10 LRs, never beyond the scores that were seen nor the bounds.

        Args:
            scores: in the unit of `score`, (N,): cosines of the same judge's embeddings, of faces as those it was
                fitted on.

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
        """Write the calibration as JSON: the same calibration, the same bytes.

        Raises:
            DataError: if the file can't be written.
        """
        with writing(path):
            path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Read a calibration, and check each of its fields.

        Raises:
            DataError: if the file is not there, or not such a calibration.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: there is no such file") from None
        except ValidationError as error:
            problem = _one_line(error.errors(include_url=False)[0])
            raise DataError(f"{path}: is no calibration: {problem}; make it again by ftlgan calibrate") from None


def _one_line(problem: ErrorDetails) -> str:
    """The field, its value and what is wrong with it."""
    field = ".".join(str(part) for part in problem["loc"])
    message = " ".join(problem["msg"].removeprefix("Value error, ").split())
    message = message[0].lower() + message[1:]
    if problem["type"] == "missing":
        return f"{field} is missing"
    if problem["type"] in ("value_error", "json_invalid", "model_type", "extra_forbidden"):
        return f"{field}: {message}" if field else message
    return f"{field} is {str(problem['input'])[:80]!r}: {message}"


def named(recognizer: Mapping[str, str]) -> dict[str, str | None]:
    """Return the fields of a calibration that say whose scores it is for, given the metadata of a table."""
    return {
        "judge": recognizer.get("recognizer"),
        "sha256": recognizer.get("sha256"),
        "preprocessing": recognizer.get("preprocessing"),
    }
