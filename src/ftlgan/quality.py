"""How near restored faces come to their high-resolution twins: what other work on super-resolution reports.

PSNR and SSIM say how faithful the pixels are, LPIPS how alike the two look. That is not how well a face is recognised,
which these figures make visible beside those of verification.
"""

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from ftlgan.errors import DataError
from ftlgan.faces import count_faces, decode_png, stream_faces
from ftlgan.networks.images import to_tensor
from ftlgan.progress import progress

BATCH = 64
"""Pairs of faces that are compared at a time."""


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
    pairs = zip_longest(_test_faces(restored), _test_faces(aligned), fillvalue={})
    pairs = iter(progress(pairs, f"look at {restored.name}", count_faces(restored, ["test"])))
    rows: list[torch.Tensor] = []
    while batch := list(islice(pairs, BATCH)):
        if any(ours.get("face_id") != theirs.get("face_id") for ours, theirs in batch):
            raise DataError(f"{restored}: its faces are not the test faces of {aligned}; run `dvc repro`")
        ours, theirs = (np.stack([decode_png(row["image"]) for row in side]) for side in zip(*batch, strict=True))
        with torch.inference_mode():
            rows.append(_compare(ours, theirs, lpips))
    names = ("psnr", "ssim", "lpips") if lpips else ("psnr", "ssim")
    return dict(zip(names, torch.cat(rows).double().mean(dim=0).tolist(), strict=True))


def _test_faces(folder: Path) -> Iterator[dict[str, Any]]:
    """Row by row: where one table's shards end says nothing of another's."""
    for batch in stream_faces(folder, ["test"]):
        yield from batch.to_pylist()


def _compare(restored: np.ndarray, hr: np.ndarray, lpips: nn.Module | None) -> torch.Tensor:
    """A row a face, a column a figure."""
    ours, theirs = to_tensor(restored), to_tensor(hr)
    psnr = peak_signal_noise_ratio(ours, theirs, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(ours, theirs, data_range=1.0, reduction="none")
    assert isinstance(ssim, torch.Tensor)
    return torch.stack([psnr, ssim, lpips(ours, theirs)] if lpips else [psnr, ssim], dim=1)
