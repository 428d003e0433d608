"""Recognizers by name, for extraction: judges and the teacher. Each is imported when it is asked for."""

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, RecognizerFile
from ftlgan.recognition import Recognizer

NAMES = BUILT_IN


def load(name: str, file: RecognizerFile | None = None) -> Recognizer:
    """Load a recognizer for extraction.

    Raises:
        ParamsError: if `name` is not one of `NAMES`.
        WeightsError: if its weights are missing or corrupted.
    """
    match name:
        case "sface":
            from ftlgan.recognition.sface import SFace

            return SFace()
        case "dlib":
            from ftlgan.recognition.dlib import Dlib

            return Dlib()
        case _:
            raise ParamsError(f"recognizer {name!r} is unknown: use one of {', '.join(NAMES)}")
