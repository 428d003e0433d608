"""Loads recognizers (judges and teachers) by name, for extraction. Their modules are imported on first use."""

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, RecognizerFile
from ftlgan.recognition import Recognizer


def load(name: str, file: RecognizerFile | None = None) -> Recognizer:
    """Load a recognizer for extraction.

    Args:
        name: its name in params.yaml.
        file: its entry in `recognizers`; None for a built-in recognizer.

    Raises:
        DataError: if its weights can't be downloaded.
        ParamsError: if it has no file and is not built in.
        WeightsError: if its weights are missing, corrupted, or not those of a recognizer.
    """
    if file is not None:
        from ftlgan.recognition.files import find
        from ftlgan.recognition.onnx_file import OnnxRecognizer, fastest_providers

        return OnnxRecognizer(name, find(name, file), fastest_providers())
    match name:
        case "sface":
            from ftlgan.recognition import sface
            from ftlgan.recognition.onnx_file import OnnxRecognizer

            return OnnxRecognizer(name, sface.found())  # on the CPU, because other providers round differently
        case "dlib":
            from ftlgan.recognition.dlib import Dlib

            return Dlib()
        case _:
            raise ParamsError(
                f"recognizer {name!r} is unknown: use one of {', '.join(BUILT_IN)}, or give its file in "
                f"recognizers.{name}"
            )
