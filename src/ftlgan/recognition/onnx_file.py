"""Runs a recognizer's ONNX file by onnxruntime, for extraction. In a loss it is a `RecognizerNetwork`."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import onnxruntime

from ftlgan.errors import WeightsError
from ftlgan.faces import HR
from ftlgan.processes import available_cores
from ftlgan.recognition import check_faces, unit_length
from ftlgan.recognition.files import FoundFile
from ftlgan.recognition.folding import faces_input
from ftlgan.recognition.preprocessing import Preprocessing

BATCH = 16
"""The fastest batch size on one core."""
MOST_DIFFERENCE = 1e-4
"""The largest relative change of an embedding when another face is in the batch. Beyond it, the file mixes faces."""

Provider = str | tuple[str, dict[str, Any]]
CPU: Sequence[Provider] = ("CPUExecutionProvider",)
CUDA: Provider = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
"""In float32, and without the search for the fastest algorithm, whose result varies."""


def fastest_providers() -> Sequence[Provider]:
    """Return onnxruntime's providers: the GPU, if there is one, then the CPU."""
    return (CUDA, *CPU) if CUDA[0] in onnxruntime.get_available_providers() else CPU


class OnnxRecognizer:
    """A file as a `Recognizer`, on all cores.

    Each core has its own batch. Cores that share a batch spin at every layer until the slowest is done. When another
    program ran on one of two cores, SFace embedded 8 faces per second with a shared batch, and 29 in this way.

    Faces are embedded one by one if the file's batch is fixed at 1, or if the file mixes the faces of a batch.
    """

    def __init__(self, name: str, found: FoundFile, providers: Sequence[Provider] = CPU) -> None:
        """Load the file, and test it on two faces.

        Args:
            name: its name in params.yaml.
            found: the file.
            providers: onnxruntime's providers, best first.

        Raises:
            WeightsError: if onnxruntime can't run it, or its output is not an embedding.
        """
        self.name, self.sha256, self.settings = name, found.sha256, found.settings
        self.device = "cpu" if tuple(providers) == CPU else "cuda"
        self._found, self._providers = found, providers
        self._preprocessing, self._output, self._label = found.preprocessing, found.output, found.label
        faces = faces_input(found.model, found.label, found.preprocessing.size)
        self._input = faces.name
        declared = faces.type.tensor_type.shape.dim[0].dim_value  # 0 for any number
        if declared > 1:
            raise WeightsError(f"{self._label}: takes {declared} faces at a time; export it for one, or any number")
        self._session = self._start(found, providers)
        # onnxruntime lets other threads run while it computes; a GPU has one queue anyway.
        self._cores = ThreadPoolExecutor(available_cores() if self.device == "cpu" else 1)
        self.dimension = self._embedding_size()
        self._batch = 1 if declared == 1 else self._largest_batch()

    def __reduce__(self) -> tuple[type["OnnxRecognizer"], tuple[str, FoundFile, Sequence[Provider]]]:
        return OnnxRecognizer, (self.name, self._found, self._providers)

    def embed(self, faces: np.ndarray) -> np.ndarray:
        """See `Recognizer.embed`."""
        check_faces(faces)
        batches = [faces[start : start + self._batch] for start in range(0, len(faces), self._batch)]
        return unit_length(
            np.concatenate([np.empty((0, self.dimension), np.float32), *self._cores.map(self._run, batches)])
        )

    def _start(self, found: FoundFile, providers: Sequence[Provider]) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only
        options.use_deterministic_compute = True
        options.intra_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(found.model.SerializeToString(), options, providers=list(providers))
        except Exception as error:  # onnxruntime's errors have no other base class
            raise self._cannot_run(error) from None

    def _run(self, faces: np.ndarray) -> np.ndarray:
        """Run the network on uint8 of shape (N, 112, 112, 3)."""
        pixels = prepare(faces, self._preprocessing)
        quiet = onnxruntime.RunOptions()
        quiet.log_severity_level = 4  # a failure already raises an exception
        return np.asarray(self._session.run([self._output], {self._input: pixels}, quiet)[0])

    def _embedding_size(self) -> int:
        """Test one face twice, and another face, and return the length of an embedding."""
        try:
            one, again, other = (self._run(trial_faces()[[index]]) for index in (0, 0, 1))
        except Exception as error:
            raise self._cannot_run(error) from None
        shape = one.shape
        if len(shape) != 2 or shape[0] != 1 or shape[1] < 2:
            raise WeightsError(
                f"{self._label}: output {self._output!r} has shape {shape} for a face, not (1, D), D > 1; set output "
                "to that of the embeddings, or use another file"
            )
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            raise WeightsError(f"{self._label}: gives numbers that are not finite; get the file again, or use another")
        if not np.allclose(one, again, rtol=MOST_DIFFERENCE, atol=MOST_DIFFERENCE * np.abs(one).max()):
            raise WeightsError(f"{self._label}: gives the same face a different embedding each time; use another file")
        if np.array_equal(one, other):
            raise WeightsError(
                f"{self._label}: gives every face the same embedding; set output to another, or use another file"
            )
        return shape[1]

    def _largest_batch(self) -> int:
        """Return the batch size: 1 if the network can't take two faces or mixes them, else `BATCH`."""
        faces = trial_faces()
        alone = np.concatenate([self._run(face[None]) for face in faces])
        try:
            together = self._run(faces)
        except Exception:  # the file declares any batch size, but reshapes to 1
            return 1
        if together.shape != alone.shape:
            return 1
        return BATCH if np.abs(together - alone).max() < MOST_DIFFERENCE * np.abs(alone).max() else 1

    def _cannot_run(self, error: Exception) -> WeightsError:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return WeightsError(f"{self._label}: onnxruntime can't run it ({reason}); export it again, or use another file")


def prepare(faces: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Preprocess faces, uint8 RGB of shape (N, 112, 112, 3), for a file: float32 of shape (N, 3, S, S).

    The arithmetic is that of OpenCV's blobFromImages, which insightface uses, but resized pixels are not rounded.
    """
    size, pixels = preprocessing.size, faces.astype(np.float32)
    if size != HR:
        pixels = np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR) for face in pixels])
    if preprocessing.color == "bgr":
        pixels = pixels[..., ::-1]
    mean, scale = np.array(preprocessing.mean, np.float32), (1 / np.array(preprocessing.std)).astype(np.float32)
    return np.ascontiguousarray(((pixels - mean) * scale).transpose(0, 3, 1, 2))


def trial_faces() -> np.ndarray:
    """Return two different images, uint8 of shape (2, 112, 112, 3)."""
    return np.linspace(0, 255, 2 * HR * HR * 3).reshape(2, HR, HR, 3).astype(np.uint8)
