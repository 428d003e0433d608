"""A recognizer's ONNX file as a frozen torch module that passes gradients to the faces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from ftlgan.errors import WeightsError
from ftlgan.faces import HR
from ftlgan.recognition.folding import supported
from ftlgan.recognition.graph import Graph, Node, read_graph
from ftlgan.recognition.operations import OPERATIONS, scale_shift, without_autocast
from ftlgan.recognition.preprocessing import Preprocessing


class RecognizerNetwork(nn.Module):
    """The operations of a file, in sequence.

    No operation has a training mode, so `train()` on a parent changes no output. The weights are buffers, not
    parameters, so that no optimizer or `requires_grad_()` of a parent can change them. They are not in its
    `state_dict`, because they belong to the file.
    """

    scale: Tensor
    shift: Tensor
    resize: Tensor | None

    def __init__(
        self, model: onnx.ModelProto, preprocessing: Preprocessing, file: str, output: str | None = None
    ) -> None:
        """Build the network, and test it on two faces.

        Args:
            model: the file's model. It takes faces of shape (N, 3, size, size) and gives embeddings of shape (N, D).
                If N is fixed at 1 in the file, it is free here.
            preprocessing: the preprocessing that it expects.
            file: its name, for messages.
            output: name of the output with the embeddings; None for the only one.

        Raises:
            WeightsError: if an operation or its form is not supported, or the file is not a recognizer.
        """
        super().__init__()
        graph = read_graph(model, file, preprocessing.size, output)
        self._input, self._output, self._taps, self._color = graph.input, graph.output, graph.taps, preprocessing.color
        self._numbers: dict[str, Any] = {"": None}
        """Constant numbers and lists of integers, as Python objects. The empty name is an optional input not given."""
        self._weights: list[str] = []
        """The names of the other constants, in the order of the buffers."""
        for name, constant in graph.constants.items():
            if constant.ndim == 0 or np.issubdtype(constant.dtype, np.integer):
                self._numbers[name] = constant.tolist()
            else:
                self.register_buffer(f"weight{len(self._weights)}", _float32(constant), persistent=False)
                self._weights.append(name)
        std, mean = np.array(preprocessing.std), np.array(preprocessing.mean)
        self.register_buffer("scale", _float32(255 / std), persistent=False)
        self.register_buffer("shift", _float32(-mean / std), persistent=False)
        resize = _interpolation(HR, preprocessing.size) if preprocessing.size != HR else None
        self.register_buffer("resize", resize, persistent=False)
        self._steps = _compile(graph, file)
        self._try_out(file)

    @property
    def layers(self) -> int:
        """The number of layers whose features `features` returns."""
        return len(self._taps)

    def forward(self, faces: Tensor) -> Tensor:
        """Embed faces.

        Args:
            faces: RGB in [0, 1], aligned to the ArcFace template, float32, shape (N, 3, 112, 112).

        Returns:
            Embeddings of unit length, float32, shape (N, D).
        """
        return _unit_length(self._compute(faces, [self._output])[0])

    def features(self, faces: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Embed faces, and return also the features before each halving of the resolution.

        Args:
            faces: see `forward`.

        Returns:
            Embeddings of unit length, float32 (N, D), and features, one (N, C, S, S) per layer. A network that halves
            no resolution, such as a vision transformer, has no features.
        """
        *features, embeddings = self._compute(faces, [*self._taps, self._output])
        return _unit_length(embeddings), features

    def _compute(self, faces: Tensor, wanted: Sequence[str]) -> list[Tensor]:
        """Return some values of the graph, in the order of `wanted`. Others are freed after their last use."""
        values, found = self._values(faces), dict[str, Tensor]()
        for step in self._steps:
            step.compute(values)
            found |= {name: values[name] for name in step.node.outputs if name in wanted}
            for name in step.last_read:
                del values[name]
        return [found[name] for name in wanted]

    def _values(self, faces: Tensor) -> dict[str, Any]:
        """Return the values before the first step: constants and the prepared faces."""
        weights = {name: self.get_buffer(f"weight{number}") for number, name in enumerate(self._weights)}
        return self._numbers | weights | {self._input: self._prepare(faces)}

    def _prepare(self, faces: Tensor) -> Tensor:
        """Preprocess faces, RGB in [0, 1], for the file."""
        if self.resize is not None:
            with without_autocast(faces.device.type):
                faces = self.resize @ faces.to(self.resize.dtype) @ self.resize.T
        return scale_shift(faces.flip(1) if self._color == "bgr" else faces, self.scale, self.shift)

    @torch.no_grad()
    def _try_out(self, file: str) -> None:
        """Check that every operation works, and that the embedding of a face does not depend on other faces.

        Raises:
            WeightsError: if an operation fails, or the output is not an embedding.
        """
        faces = torch.linspace(0, 1, 2 * 3 * HR * HR).view(2, 3, HR, HR)
        values = self._values(faces)
        for step in self._steps:
            with supported(file, step.node.operation, step.node.name):
                step.compute(values)
        together = values[self._output]
        if together.ndim != 2 or together.shape[1] < 2:
            raise WeightsError(
                f"{file}: gives {list(together.shape)} for two faces, not (2, D), D > 1; name another output"
            )
        if not together.isfinite().all():
            raise WeightsError(f"{file}: gives numbers that are not finite; get the file again, or use another")
        if len(together) != 2 or not torch.allclose(_unit_length(together)[1:], self(faces[1:]), atol=1e-4):
            raise WeightsError(
                f"{file}: mixes faces, or reshapes a value whose first axis is not the batch, which is not supported "
                "in a loss; use it as a judge"
            )


@dataclass(frozen=True)
class _Step:
    """A node that is ready to compute."""

    node: Node
    function: Callable[..., Tensor | Sequence[Tensor]]
    last_read: tuple[str, ...]
    """The values that no later step reads."""

    def compute(self, values: dict[str, Any]) -> None:
        """Add the node's outputs to the values."""
        results = self.function(*(values[name] for name in self.node.inputs), **self.node.attributes)
        values.update(zip(self.node.outputs, [results] if isinstance(results, Tensor) else results, strict=True))


def _compile(graph: Graph, file: str) -> list[_Step]:
    """Look up the function of each node.

    Raises:
        WeightsError: if an operation is not supported.
    """
    last_use = {name: index for index, node in enumerate(graph.nodes) for name in (*node.outputs, *node.inputs)}
    steps: list[_Step] = []
    for index, node in enumerate(graph.nodes):
        with supported(file, node.operation, node.name):
            if node.operation not in OPERATIONS:
                raise NotImplementedError("unknown operation")
        last_read = {name for name in (*node.inputs, *node.outputs) if last_use[name] == index}
        steps.append(_Step(node, OPERATIONS[node.operation], tuple(last_read - graph.constants.keys() - {""})))
    return steps


def _float32(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def _interpolation(size: int, to: int) -> Tensor:
    """Return the matrix, (to, size), that resizes a column as OpenCV's INTER_LINEAR does.

    A matrix is used because the gradient of torch's interpolation is nondeterministic on a GPU.
    """
    return functional.interpolate(torch.eye(size)[None], to, mode="linear", align_corners=False)[0].T


def _unit_length(embeddings: Tensor) -> Tensor:
    """Divide each row by its Euclidean length, in float32 at least."""
    return functional.normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))
