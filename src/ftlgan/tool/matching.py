"""Compare two faces: their similarity, the false match rate at that similarity, and the strength of the evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftlgan.errors import DataError
from ftlgan.faces import HR
from ftlgan.photos import NoFaceError
from ftlgan.recognition import recognizers
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.kit import MATCH, Comparisons, MatchFile, Protocol
from ftlgan.tool.restorer import DETECTION_SCORE, RestoredFace, Restorer, Weights, weight_files
from ftlgan.weights.packaged import sha256_of

STRENGTHS = ((0.3, "hardly any"), (1, "weak"), (2, "moderate"), (3, "moderately strong"), (4, "strong"))
"""The words for |log10 LR| up to each bound, after ENFSI, "Guideline for evaluative reporting in forensic science"
(2015): an LR up to 10 is weak, 100 moderate, 1,000 moderately strong, 10,000 strong. "Hardly any", up to 2, is ours."""
VERY_STRONG = "very strong"


@dataclass(frozen=True, eq=False)
class Match:
    """The result of the comparison of two faces."""

    similarity: float
    """The cosine of the embeddings, -1 to 1."""
    false_match_rate: float
    """The share of comparisons of different people, at this face size, that are at least as similar."""
    log10_lr: float
    """log10 of the likelihood ratio: how much more often photos of one person are this similar than of two."""
    interval: tuple[float, float]
    """The confidence interval of `log10_lr`, from a bootstrap over people."""
    bounded: bool
    """Whether log10 LR is at a bound. The evidence may be stronger, but the data can't tell."""
    protocol: Protocol
    """`lr-hr` for a restored face against a high-resolution one, `lr-lr` for two restored faces."""
    size: int
    """The face size that the statistics are for, pixels."""
    known: Comparisons
    """The statistics of such comparisons."""

    @property
    def words(self) -> str:
        """The strength of the evidence in words."""
        strength = next((word for bound, word in STRENGTHS if abs(self.log10_lr) <= bound), VERY_STRONG)
        side = "the same person" if self.log10_lr > 0 else "different people"
        return f"{strength} support for {side}"


class SeveralFacesError(NoFaceError):
    """A photo that should show one person shows several."""


class Matcher:
    """Restores faces with the generators of one kit, and compares them."""

    def __init__(self, restorer: Restorer, knowledge: MatchFile) -> None:
        """Use a loaded kit; `Matcher.load` loads one.

        Args:
            restorer: the restorer of small faces.
            knowledge: the statistics of faces that it restored.

        Raises:
            DataError: if the judge of the statistics is missing here, or has another version.
        """
        self.restorer, self.knowledge = restorer, knowledge
        self.judge = recognizers.load(knowledge.judge)
        if self.judge.sha256 != knowledge.sha256:
            raise DataError(
                f"{MATCH}: its scores are by {knowledge.judge} {knowledge.sha256[:12]}, but {self.judge.sha256[:12]} "
                "is installed; make it again with ftlgan pack"
            )
        self._finder = FaceFinder(DETECTION_SCORE)

    @classmethod
    def load(cls, weights: Weights = "lfw", device: str = "cpu") -> "Matcher":
        """Load a kit.

        Args:
            weights: the name of a packaged set, or the folder of a kit that `ftlgan pack` made.
            device: `cpu` or `cuda`.

        Raises:
            DataError: if there are no statistics of faces that these generators restored.
            WeightsError: if a file is missing, or not the weights of a generator.
        """
        files = weight_files(weights)
        path = files[0].parent / MATCH
        if not path.exists():
            raise DataError(
                f"{files[0]}: a match needs statistics of the faces that it restores ({MATCH}); make a kit of it with "
                "ftlgan pack, and give its folder"
            )
        knowledge = MatchFile.load(path)
        if knowledge.generators != tuple(sorted(sha256_of(file) for file in files)):
            raise DataError(
                f"{path}: is for other generators than those next to it; make the kit again with ftlgan pack"
            )
        return cls(Restorer.load(files, device), knowledge)

    def face(self, image: np.ndarray, main: bool = False) -> RestoredFace:
        """Find the one face of a photo, and restore it if it is small.

        Args:
            image: uint8 RGB, (H, W, 3), upright.
            main: whether to use the most central face if there are several.

        Raises:
            NoFaceError: if there is no face.
            SeveralFacesError: if there are several.
        """
        found = [self._finder.main_face(image)] if main else self._finder.all_faces(image)
        if len(found) > 1:
            raise SeveralFacesError(f"shows {len(found)} faces; cut out one")
        return self.restorer.restore_found(image, found)[0]

    def embed(self, faces: Sequence[RestoredFace]) -> np.ndarray:
        """Return the judge's embeddings of faces, of unit length, float32 (N, D)."""
        return self.judge.embed(np.stack([face.image for face in faces]))

    def compare(self, probe: RestoredFace, reference: RestoredFace) -> Match:
        """Compare two faces.

        Raises:
            DataError: if there are no statistics for faces of their sizes.
        """
        embeddings = self.embed([probe, reference])
        return self.judged(probe, reference, float(embeddings[0] @ embeddings[1]))

    def judged(self, probe: RestoredFace, reference: RestoredFace, similarity: float) -> Match:
        """Compute the strength of the evidence of a similarity between two faces of their sizes.

        Args:
            probe: a small face.
            reference: the face to compare it with, high-resolution or small.
            similarity: the cosine of their embeddings.

        Raises:
            DataError: if there are no statistics for faces of their sizes.
        """
        protocol: Protocol = "lr-hr" if reference.model is None or probe.model is None else "lr-lr"
        size = min(probe.size, reference.size)
        known = self.knowledge.known(protocol, size)
        if known is None or size > HR:
            sizes = self.knowledge.sizes(protocol)
            raise DataError(
                f"the smaller face is {size:.1f} px, but there are statistics only for {sizes[0]} to {HR} px; give "
                "other photos"
            )
        ratio = known.calibration.apply([similarity])
        return Match(
            similarity,
            known.false_match_rate(similarity),
            float(ratio.log10[0]),
            (float(ratio.lo[0]), float(ratio.hi[0])),
            bool(ratio.bounded[0]),
            protocol,
            known.size,
            known,
        )


def match(probe: np.ndarray, reference: np.ndarray, weights: Weights = "lfw", main: bool = False) -> Match:
    """Compare the faces in two photos: do they show the same person?

    For several comparisons use a `Matcher`, which loads the networks only once.

    Args:
        probe: a photo with one small face, uint8 RGB, (H, W, 3).
        reference: a photo of the person to compare it with, uint8 RGB, (H, W, 3).
        weights: the name of a packaged set, or the folder of a kit.
        main: whether to use the most central face of a photo with several faces.

    Raises:
        DataError: if a photo shows no face or several, or there are no statistics for faces of that size.
        WeightsError: if weights are missing.
    """
    matcher = Matcher.load(weights)
    faces: list[RestoredFace] = []
    for name, image in (("probe", probe), ("reference", reference)):
        try:
            faces.append(matcher.face(image, main))
        except NoFaceError as reason:
            raise DataError(f"the {name}: {reason}") from None
    return matcher.compare(*faces)
