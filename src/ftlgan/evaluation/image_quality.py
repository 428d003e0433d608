"""How near restored faces come to their high-resolution twins: what other work on super-resolution reports.

PSNR and SSIM say how faithful the pixels are, LPIPS how alike the two look. That is not how well a face is recognised,
which these metrics make visible beside those of verification.

Source of LPIPS: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (2018).
"""

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights

from ftlgan.errors import DataError
from ftlgan.faces import count_faces, decode_png, stream_faces
from ftlgan.networks.images import to_tensor
from ftlgan.progress import progress
from ftlgan.weights.imagenet import imagenet_weights

BATCH = 64
"""Pairs of faces that are compared at a time."""
ALEXNET_SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"


def load_lpips() -> LearnedPerceptualImagePatchSimilarity:
    """Build LPIPS of AlexNet, version 0.1, with the weights that lie where torchvision keeps them.

    The digest is checked first, because torchmetrics downloads a missing file and unpickles whatever it holds.

    Returns:
        A metric of faces, RGB in [0, 1], that keeps the distance of each pair.

    Raises:
        WeightsError: if the weights of AlexNet are missing or have another digest.
    """
    imagenet_weights(AlexNet_Weights.DEFAULT.url, ALEXNET_SHA256, "quality.lpips", "false")
    return LearnedPerceptualImagePatchSimilarity(net_type="alex", reduction="none", normalize=True)


def measure(
    restored: Path, aligned: Path, lpips: LearnedPerceptualImagePatchSimilarity | None = None
) -> dict[str, float]:
    """Compute the mean of each metric over the test faces.

    Args:
        restored: folder of the table of restored faces.
        aligned: folder of the table of their high-resolution twins.
        lpips: what `load_lpips` returns; None leaves `lpips` out.

    Returns:
        `psnr` in decibels and `ssim`, of RGB and the whole face, higher is better; and `lpips`, lower is better.

    Raises:
        DataError: if the tables do not hold the same faces.
    """
    pairs = zip_longest(_test_faces(restored), _test_faces(aligned), fillvalue={})
    pairs = iter(progress(pairs, f"look at {restored.name}", count_faces(restored, ["test"])))
    rows: list[torch.Tensor] = []
    if lpips is not None:
        lpips.reset()  # it may hold the faces of another method
    while batch := list(islice(pairs, BATCH)):
        if any(ours.get("face_id") != theirs.get("face_id") for ours, theirs in batch):
            raise DataError(f"{restored}: its faces are not the test faces of {aligned}; run `dvc repro`")
        ours, theirs = (
            to_tensor(np.stack([decode_png(row["image"]) for row in side])) for side in zip(*batch, strict=True)
        )
        with torch.inference_mode():
            rows.append(_psnr_and_ssim(ours, theirs))
            if lpips is not None:
                lpips.update(ours, theirs)
    psnr, ssim = torch.cat(rows).double().mean(dim=0).tolist()
    metrics: dict[str, float] = {"psnr": psnr, "ssim": ssim}
    if lpips is not None:
        metrics["lpips"] = lpips.compute().double().mean().item()
    return metrics


def _test_faces(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield row by row, because the shards of two tables may end at different faces."""
    for batch in stream_faces(folder, ["test"]):
        yield from batch.to_pylist()


def _psnr_and_ssim(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Compare faces, RGB in [0, 1], (N, 3, H, W) each: a row for each face, a column for each metric, (N, 2)."""
    psnr = peak_signal_noise_ratio(ours, theirs, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(ours, theirs, data_range=1.0, reduction="none")
    assert isinstance(ssim, torch.Tensor)
    return torch.stack([psnr, ssim], dim=1)
