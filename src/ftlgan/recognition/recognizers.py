"""Recognizers by name, for extraction: judges and teachers. Each is imported when it is asked for."""

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, RecognizerFile
from ftlgan.recognition import Recognizer


def load(name: str, file: RecognizerFile | None = None) -> Recognizer:
    """Load a recognizer for extraction.

    Args:
        name: as params.yaml names it.
        file: its entry in `recognizers`; None for one that is built in.

    Raises:
        DataError: if its weights can't be downloaded.
        ParamsError: if it has no file, and is not built in.
        WeightsError: if its weights are missing or corrupted, or no recognizer's.
    """
    if file is not None:
        from ftlgan.recognition.files import find
        from ftlgan.recognition.onnx_file import OnnxRecognizer, fastest_providers

        return OnnxRecognizer(name, find(name, file), fastest_providers())
    match name:
        case "sface":
            from ftlgan.recognition import sface
            from ftlgan.recognition.onnx_file import OnnxRecognizer

            return OnnxRecognizer(name, sface.found())  # on the CPU: other providers round otherwise
        case "dlib":
            from ftlgan.recognition.dlib import Dlib

            return Dlib()
        case _:
            raise ParamsError(
                f"recognizer {name!r} is unknown: use one of {', '.join(BUILT_IN)}, or say in recognizers.{name} which "
                "file it is"
            )
