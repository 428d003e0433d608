"""The uploads of a visitor, and the faces found in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ftlgan.errors import DataError
from ftlgan.photos import NoFaceError, read_photo
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.matching import Match, Matcher
from ftlgan.tool.restorer import DETECTION_SCORE, RestoredFace


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that a visitor dropped."""

    name: str
    content: bytes

    @classmethod
    def take(cls, path: Path) -> "Upload":
        """Read an uploaded file, and delete it.

        Raises:
            NoFaceError: if it is gone, because the same file came from two pages at once, and the other one took it.
        """
        try:
            content = path.read_bytes()
            path.unlink()
        except FileNotFoundError:
            raise NoFaceError("is gone; drop it again") from None
        return cls(path.name, content)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and its faces."""

    name: str
    image: np.ndarray
    """uint8 RGB, (H, W, 3), upright."""
    faces: tuple[RestoredFace, ...]
    """The faces found in it, from left to right."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A face compared with a reference photo."""

    name: str
    reference: RestoredFace | None
    """The face in the photo; None if the photo can't be used."""
    match: Match | None
    problem: str = ""
    """The reason if there is no match."""


class Service:
    """Finds, restores and compares faces for all visitors, one call at a time, because the detector has state."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self._finder = FaceFinder(DETECTION_SCORE)

    def open_photo(self, upload: Upload) -> Photo:
        """Find the faces of a photo, and restore them.

        Raises:
            NoFaceError: if the upload is not a photo, or shows no face.
        """
        image = read_photo(upload.content)
        found = self._finder.all_faces(image)
        return Photo(upload.name, image, self.matcher.restorer.restore_found(image, found))

    def compare(self, probe: RestoredFace, upload: Upload) -> Compared:
        """Compare a face with a photo of one face."""
        try:
            reference = self.matcher.face(read_photo(upload.content))
        except NoFaceError as reason:
            return Compared(upload.name, None, None, str(reason))
        try:
            return Compared(upload.name, reference, self.matcher.compare(probe, reference))
        except DataError as error:
            return Compared(upload.name, reference, None, str(error))
