"""The similarity of restored faces to their high-resolution twins, as other work on super-resolution reports it.

PSNR and SSIM measure how faithful the pixels are, LPIPS how similar two faces look. None of them measures how well a
face is recognized. Next to the metrics of verification, they show the difference.

Sources: Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004), for SSIM;
Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018), for LPIPS.
"""

from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ftlgan.errors import DataError
from ftlgan.faces import decode_face, read_faces, stream_faces
from ftlgan.progress import progress

BATCH = 64
"""The number of pairs of faces that are compared at a time."""
ALEXNET_SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"

Distance = Callable[[np.ndarray, np.ndarray], list[float]]
"""Takes N faces and their twins, uint8 RGB, (N, H, W, 3) each; returns the distance of each pair, 0 for equal ones."""


def load_lpips() -> Distance:
    """Build LPIPS of AlexNet, version 0.1, with the weights in torchvision's cache.

    The digest is checked first, because torchmetrics downloads a missing file and unpickles any content.

    Returns:
        A function that compares faces with their twins.

    Raises:
        WeightsError: if the weights of AlexNet are missing or have another digest.
    """
    # LPIPS is optional, and these imports take seconds.
    import torch
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
    from torchvision.models import AlexNet_Weights

    from ftlgan.networks.images import to_tensor
    from ftlgan.weights.imagenet import imagenet_weights

    imagenet_weights(AlexNet_Weights.DEFAULT.url, ALEXNET_SHA256, "quality.lpips", "false")
    network = LearnedPerceptualImagePatchSimilarity(net_type="alex", reduction="none", normalize=True)

    def lpips(ours: np.ndarray, theirs: np.ndarray) -> list[float]:
        with torch.inference_mode():
            return network(to_tensor(ours), to_tensor(theirs)).double().reshape(-1).tolist()

    return lpips


def measure(restored: Path, aligned: Path, lpips: Distance | None = None) -> dict[str, float]:
    """Compute the mean of each metric over the test faces.

    Args:
        restored: the folder of the table of restored faces.
        aligned: the folder of the table of their high-resolution twins.
        lpips: the function that `load_lpips` returned; None leaves `lpips` out.

    Returns:
        `psnr` in decibels and `ssim`, of all RGB pixels, where higher is better; and `lpips`, where lower is better.

    Raises:
        DataError: if the tables do not hold the same faces.
    """
    named = set(read_faces(restored, ["face_id"], ["test"])["face_id"].to_pylist())
    twins = (row for row in _test_faces(aligned) if row["face_id"] in named)  # a condition may leave some out
    pairs = zip_longest(_test_faces(restored), twins, fillvalue={})
    pairs = iter(progress(pairs, f"look at {restored.name}", len(named)))
    found: dict[str, list[float]] = {"psnr": [], "ssim": []} | ({"lpips": []} if lpips else {})
    while batch := list(islice(pairs, BATCH)):
        if any(ours.get("face_id") != theirs.get("face_id") for ours, theirs in batch):
            raise DataError(f"{restored}: its faces are not the test faces of {aligned}; run `dvc repro`")
        ours, theirs = (np.stack([decode_face(row["image"]) for row in side]) for side in zip(*batch, strict=True))
        found["psnr"] += [_psnr(face, twin) for face, twin in zip(ours, theirs, strict=True)]
        found["ssim"] += [_ssim(face, twin) for face, twin in zip(ours, theirs, strict=True)]
        if lpips:
            found["lpips"] += lpips(ours, theirs)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _test_faces(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the test faces row by row, because the shards of two tables may end at different faces."""
    for batch in stream_faces(folder, ["test"]):
        yield from batch.to_pylist()


def _psnr(face: np.ndarray, twin: np.ndarray) -> float:
    """Compute PSNR in decibels; it is infinite for equal faces."""
    with np.errstate(divide="ignore"):
        return peak_signal_noise_ratio(twin, face)


def _ssim(face: np.ndarray, twin: np.ndarray) -> float:
    """Compute SSIM with a Gaussian window of 11x11, as its authors do; the faces are mirrored at their borders."""
    face, twin = (np.pad(image, ((5, 5), (5, 5), (0, 0)), mode="reflect") for image in (face, twin))
    ssim: Any = structural_similarity(
        face, twin, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return float(ssim)
