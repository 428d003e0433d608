"""A kit: a folder with generators and the statistics of restored faces that `ftlgan match` needs.

    14.safetensors, 28.safetensors, 56.safetensors    generators, at least one
    match.json                                        calibrations and false match rates, by the size of the faces

The sets that come with this package are kits. `ftlgan pack` makes a kit of your own models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ftlgan.errors import DataError, writing
from ftlgan.verification.calibration.model import Calibration

MATCH = "match.json"
Protocol = Literal["lr-hr", "lr-lr"]
"""A restored face against a high-resolution photo, or two restored faces."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Curves(_Section):
    """The distributions of genuine and impostor scores, for a plot."""

    edges: tuple[FiniteFloat, ...]
    """The edges of the bins, rising, (B + 1,)."""
    genuine: tuple[FiniteFloat, ...]
    """The share of the genuine scores in each bin, (B,)."""
    impostor: tuple[FiniteFloat, ...]
    """The share of the impostor scores in each bin, (B,)."""

    @model_validator(mode="after")
    def _has_bins(self) -> "Curves":
        if not len(self.edges) - 1 == len(self.genuine) == len(self.impostor) >= 1:
            raise ValueError(
                f"has {len(self.edges)} edges, {len(self.genuine)} genuine and {len(self.impostor)} impostor shares"
            )
        return self


class HeldOut(_Section):
    """How good the likelihood ratios are for people who were not in the fit."""

    cllr: FiniteFloat
    """What they cost, in bits: 0 is perfect, 1 is no better than LR = 1."""
    cllr_min: FiniteFloat
    """What the best calibration of the same scores would cost."""


class Comparisons(_Section):
    """The statistics of comparisons of faces of one size."""

    size: Annotated[int, Field(ge=1)]
    """The size of the smaller face: the side of its aligned crop in the photo, pixels."""
    protocol: Protocol
    calibration: Calibration
    held_out: HeldOut
    """Of calibrations that were fitted on one half of the people and tested on the other."""
    false_match_scores: tuple[FiniteFloat, ...]
    """Some scores, rising."""
    false_match_rates: tuple[Annotated[FiniteFloat, Field(gt=0)], ...]
    """The share of impostor scores at or above each of these scores, falling, above 0."""
    curves: Curves

    @model_validator(mode="after")
    def _rates_fall(self) -> "Comparisons":
        scores, rates = np.array(self.false_match_scores), np.array(self.false_match_rates)
        if not len(scores) == len(rates) >= 1 or (np.diff(scores) < 0).any() or (np.diff(rates) > 0).any():
            raise ValueError(f"false match scores of {self.size} px don't rise, or their rates don't fall")
        return self

    def false_match_rate(self, score: float) -> float:
        """Return the share of impostor comparisons that are at least as similar, interpolated logarithmically.

        Above the highest stored score, it is the lowest stored rate; the true rate may be lower.
        """
        return float(np.exp(np.interp(score, self.false_match_scores, np.log(self.false_match_rates))))


class MatchFile(_Section):
    """The content of `match.json`."""

    format: Literal[2]
    judge: str
    """The recognizer whose embeddings are compared."""
    sha256: str
    """The SHA-256 of the recognizer's weights."""
    generators: tuple[str, ...]
    """The SHA-256 of each generator that restored the faces, sorted."""
    photos: str
    """A description of the photos, in a sentence."""
    comparisons: tuple[Comparisons, ...]

    def sizes(self, protocol: Protocol) -> list[int]:
        """Return the sizes that have statistics, rising."""
        return sorted(known.size for known in self.comparisons if known.protocol == protocol)

    def known(self, protocol: Protocol, size: float) -> Comparisons | None:
        """Return the statistics for the largest size that is at most the given one; None if all are larger."""
        fitting = [known for known in self.comparisons if known.protocol == protocol and known.size <= size]
        return max(fitting, key=lambda known: known.size, default=None)

    def save(self, path: Path) -> None:
        """Write the file as JSON.

        Raises:
            DataError: if it can't be written.
        """
        with writing(path):
            path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path) -> "MatchFile":
        """Read the file, and check each of its fields.

        Raises:
            DataError: if the file is missing or invalid.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: there is no such file; make it with ftlgan pack") from None
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in problem["loc"])
            message = problem["msg"][0].lower() + problem["msg"][1:]
            raise DataError(f"{path}: {field}: {message}; make it again with ftlgan pack") from None


def curves_of(scores: np.ndarray, genuine: np.ndarray, impostor: np.ndarray, bins: int = 40) -> Curves:
    """Count scores in bins of equal width.

    Args:
        scores: the distinct scores, rising, (N,).
        genuine: the share of the genuine scores at each of these scores, (N,).
        impostor: the share of the impostor scores at each of these scores, (N,).
        bins: the number of bins.
    """
    seen = (genuine > 0) | (impostor > 0)
    edges = np.linspace(scores[seen][0], scores[seen][-1], bins + 1)
    shares = (np.histogram(scores, edges, weights=weights)[0].round(6).tolist() for weights in (genuine, impostor))
    return Curves(
        edges=tuple(edges.round(6).tolist()), **dict(zip(("genuine", "impostor"), map(tuple, shares), strict=True))
    )


def kit_files(folder: Path) -> list[Path]:
    """Return the files of the generators in a kit.

    Raises:
        DataError: if there is none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise DataError(f"{folder}: holds no generator (*.safetensors); give a kit that ftlgan pack made, or a file")
    return files


def false_matches(scores: np.ndarray, shares: np.ndarray, points: int = 120) -> tuple[Sequence[float], Sequence[float]]:
    """Compute the false match rate at each score, thinned to equal steps of the logarithm of the rate.

    Args:
        scores: the distinct scores, rising, (N,).
        shares: the share of impostor scores at each of these scores, (N,).
        points: the largest number of points to keep.

    Returns:
        The scores, rising, and their rates, falling.
    """
    rates = np.cumsum(shares[::-1])[::-1]
    seen = shares > 0
    scores, rates = scores[seen], rates[seen]
    wanted = np.geomspace(1, rates[-1], points)
    places = len(rates) - 1 - np.searchsorted(rates[::-1], wanted * (1 - 1e-12))
    chosen = np.unique(places.clip(0))  # the shares may add up to a little less than 1
    return scores[chosen].round(6).tolist(), rates[chosen].tolist()
