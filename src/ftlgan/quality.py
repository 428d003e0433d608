"""How restored faces look beside their high-resolution twins: what other work on super-resolution reports.

A prettier face is not a more recognisable one, which these figures make visible beside those of verification.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from ftlgan.errors import DataError
from ftlgan.faces import decode_images, stream_faces
from ftlgan.networks.images import to_tensor
from ftlgan.progress import progress


def measure(restored: Path, aligned: Path, lpips: nn.Module | None = None) -> dict[str, float]:
    """Means over the test faces.

    Args:
        restored: folder of the table of restored faces.
        aligned: folder of the table of their high-resolution twins.
        lpips: a network that says how far two batches of faces are apart, see `ftlgan.networks.lpips`.

    Returns:
        `psnr` in decibels and `ssim`, of RGB and the whole face, higher is better; and `lpips`, lower is better.

    Raises:
        DataError: if the tables do not hold the same faces.
    """
    batches = zip(stream_faces(restored, ["test"]), stream_faces(aligned, ["test"]), strict=True)
    rows: list[torch.Tensor] = []
    for ours, theirs in progress(batches, f"look at {restored.name}", unit="batch"):
        if ours["face_id"] != theirs["face_id"]:
            raise DataError(f"{restored}: its faces are not the test faces of {aligned}; run `dvc repro`")
        with torch.inference_mode():
            rows.append(_compare(decode_images(ours["image"]), decode_images(theirs["image"]), lpips))
    names = ("psnr", "ssim", "lpips") if lpips else ("psnr", "ssim")
    return dict(zip(names, torch.cat(rows).double().mean(dim=0).tolist(), strict=True))


def _compare(restored: np.ndarray, hr: np.ndarray, lpips: nn.Module | None) -> torch.Tensor:
    """A row a face, a column a figure."""
    ours, theirs = to_tensor(restored), to_tensor(hr)
    psnr = peak_signal_noise_ratio(ours, theirs, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(ours, theirs, data_range=1.0, reduction="none")
    assert isinstance(ssim, torch.Tensor)
    return torch.stack([psnr, ssim, lpips(ours, theirs)] if lpips else [psnr, ssim], dim=1)
