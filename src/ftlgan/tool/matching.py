"""Is it the same person? How similar two faces are, how often strangers are, and how strong the evidence is."""

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
"""Words for |log10 LR| up to a bound, after ENFSI, "Guideline for evaluative reporting in forensic science" (2015):
up to 10 weak, 100 moderate, 1,000 moderately strong, 10,000 strong; up to 2 we say that it hardly supports either."""
VERY_STRONG = "very strong"


@dataclass(frozen=True, eq=False)
class Match:
    """What the comparison of two faces says."""

    similarity: float
    """Cosine of the embeddings, -1 to 1."""
    false_match_rate: float
    """The share of comparisons of different people, of faces of this size, that are at least as similar."""
    log10_lr: float
    """log10 of the likelihood ratio: how much more often such a similarity comes from one person than from two."""
    interval: tuple[float, float]
    """Its confidence interval, from a bootstrap over people."""
    bounded: bool
    """Whether log10 LR is at the bound that the data allow: the evidence may be stronger, and the data do not tell."""
    protocol: Protocol
    """A restored face against a high-resolution one, or two restored faces."""
    size: int
    """The numbers are for faces of this size, pixels."""
    known: Comparisons
    """What is known of such comparisons."""

    @property
    def words(self) -> str:
        """The likelihood ratio in words."""
        strength = next((word for bound, word in STRENGTHS if abs(self.log10_lr) <= bound), VERY_STRONG)
        side = "the same person" if self.log10_lr > 0 else "different people"
        return f"{strength} support for {side}"


class Matcher:
    """Compares faces that were restored by one kit."""

    def __init__(self, restorer: Restorer, knowledge: MatchFile) -> None:
        """Take what is loaded already. `Matcher.load` loads it.

        Args:
            restorer: restores small faces.
            knowledge: of faces that it restored.

        Raises:
            DataError: if the judge of these faces is not here, or is another version.
        """
        self.restorer, self.knowledge = restorer, knowledge
        self.judge = recognizers.load(knowledge.judge)
        if self.judge.sha256 != knowledge.sha256:
            raise DataError(
                f"{MATCH}: its scores are by {knowledge.judge} {knowledge.sha256[:12]}, and here is "
                f"{self.judge.sha256[:12]}; make it again by ftlgan pack"
            )
        self._finder = FaceFinder(DETECTION_SCORE)

    @classmethod
    def load(cls, weights: Weights = "lfw", device: str = "cpu") -> "Matcher":
        """Load a kit.

        Args:
            weights: the name of a packaged set, or the folder of a kit that `ftlgan pack` made.
            device: `cpu` or `cuda`.

        Raises:
            DataError: if nothing is known of faces that these generators restored.
            WeightsError: if a file is missing, or not the weights of a generator.
        """
        files = weight_files(weights)
        path = files[0].parent / MATCH
        if not path.exists():
            raise DataError(
                f"{files[0]}: nothing is known of the faces that it restores, so no match is judged; make a kit of it "
                "by ftlgan pack, and give its folder"
            )
        knowledge = MatchFile.load(path)
        if knowledge.generators != tuple(sorted(sha256_of(file) for file in files)):
            raise DataError(f"{path}: is of other generators than those beside it; make the kit again by ftlgan pack")
        return cls(Restorer.load(files, device), knowledge)

    def face(self, image: np.ndarray, main: bool = False) -> RestoredFace:
        """Find the one face of a photo, and restore it if it is small.

        Args:
            image: uint8 RGB, (H, W, 3), upright.
            main: of several faces take the most central one.

        Raises:
            NoFaceError: if there is no face, or there are several.
        """
        found = [self._finder.main_face(image)] if main else self._finder.all_faces(image)
        if len(found) > 1:
            raise NoFaceError(f"shows {len(found)} faces; cut out one, or take the most central one by --main")
        return self.restorer.restore_found(image, found)[0]

    def embed(self, faces: Sequence[RestoredFace]) -> np.ndarray:
        """Embed faces by the judge: unit length, float32 (N, D)."""
        return self.judge.embed(np.stack([face.image for face in faces]))

    def compare(self, probe: RestoredFace, reference: RestoredFace) -> Match:
        """Compare two faces.

        Raises:
            DataError: if nothing is known of faces of their sizes.
        """
        embeddings = self.embed([probe, reference])
        return self.judged(probe, reference, float(embeddings[0] @ embeddings[1]))

    def judged(self, probe: RestoredFace, reference: RestoredFace, similarity: float) -> Match:
        """Say what a similarity means for two faces of their sizes.

        Args:
            probe: a small face.
            reference: of whom it may be: a high-resolution face, or a small one.
            similarity: cosine of their embeddings.

        Raises:
            DataError: if nothing is known of faces of their sizes.
        """
        protocol: Protocol = "lr-hr" if reference.model is None or probe.model is None else "lr-lr"
        size = min(probe.size, reference.size)
        known = self.knowledge.known(protocol, size)
        if known is None or size > HR:
            sizes = self.knowledge.sizes(protocol)
            raise DataError(
                f"the smaller face is {size:.0f} px; what a similarity means is known for {sizes[0]} to {HR} px, so no "
                "match is judged"
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
    """Compare the faces of two photos: is it the same person?

    For more than one comparison keep a `Matcher`, which loads the networks once.

    Args:
        probe: uint8 RGB, (H, W, 3): a photo with one face, a small one.
        reference: likewise: a photo of the person that it may be.
        weights: the name of a packaged set, or the folder of a kit.
        main: of several faces in a photo take the most central one.

    Raises:
        DataError: if a photo shows no face or several, or nothing is known of faces of that size.
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
