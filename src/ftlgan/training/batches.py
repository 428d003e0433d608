"""What each step learns from: drawn by seed and step alone, and made while the step before it runs.

Cropping and degrading faces is work for a processor; a GPU, which is faster than that, would wait for it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ftlgan.augmentation import Augmentation
from ftlgan.faces import HR
from ftlgan.training.data import TrainingSet
from ftlgan.training.state import Schedule

ORDER, MIRROR, MOVE, REAL, NOISE = range(5)
"""What is drawn by seed and step, each from a stream of its own."""


@dataclass(frozen=True)
class Drawn:
    """A batch, of all processes together. Images are uint8 RGB, (B, H, W, 3), and varied already."""

    anchor: np.ndarray
    """int64 (B,): rows of the training faces."""
    positive: np.ndarray
    """int64 (B,): rows of the gallery."""
    negative: np.ndarray
    """int64 (B,): rows of the gallery."""
    lr: np.ndarray
    """The anchors, small."""
    hr: np.ndarray | None
    """Their twins, where anything needs them."""
    real: np.ndarray | None
    """Photos for the discriminator, where there are any."""
    noise: np.ndarray | None
    """float32 (B, 3, 112, 112), images in [0, 1]: what the teacher sees on restored faces, where it should."""


class Batches:
    """The batches of a training, one ahead of the step that asks.

    Args:
        data: what they are drawn from.
        augmentation: how faces are varied.
        schedule: seeds what is drawn, and says how much noise there is.
        size: triplets in each, no more than there are.
    """

    def __init__(self, data: TrainingSet, augmentation: Augmentation, schedule: Schedule, size: int) -> None:
        self._data, self._augmentation, self._schedule, self._size = data, augmentation, schedule, size
        self._order = (-1, np.empty(0, np.int64))
        self._thread = ThreadPoolExecutor(1, "batches")
        self._ahead: dict[int, Future[Drawn]] = {}

    def of(self, step: int) -> Drawn:
        """The batch of a step, from 1."""
        asked = self._ahead.pop(step, None) or self._thread.submit(self._draw, step)
        self._ahead = {step + 1: self._thread.submit(self._draw, step + 1)}
        return asked.result()

    def _draw(self, step: int) -> Drawn:
        anchor, positive, negative = self._triplets(step).T
        return Drawn(anchor, positive, negative, *self._anchors(step, anchor), self._real(step), self._noise(step))

    def _triplets(self, step: int) -> np.ndarray:
        """(B, 3): none twice an epoch, in an order that depends on seed and epoch alone."""
        size, index = self._size, self._data.triplets
        epoch, batch = divmod(step - 1, len(index) // size)
        if self._order[0] != epoch:
            self._order = epoch, self._schedule.rng(epoch, ORDER).permutation(len(index))
        return index[self._order[1][batch * size : (batch + 1) * size]]

    def _anchors(self, step: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Low-resolution faces and their twins, varied."""
        faces, vary, rng = self._data.train, self._augmentation, self._schedule.rng
        lr, hr = faces.lr[rows], faces.hr[rows] if faces.hr is not None else None
        if vary.shift:
            assert hr is not None, "a moved face is degraded anew, from its twin"
            lr, hr = vary.move_and_degrade(hr, lr.shape[1], rng(step, MOVE))
        return vary.mirror(lr, rng(step, MIRROR)), vary.mirror(hr, rng(step, MIRROR)) if hr is not None else None

    def _real(self, step: int) -> np.ndarray | None:
        photos, rng = self._data.real, self._schedule.rng(step, REAL)
        if not len(photos):
            return None
        return self._augmentation.mirror(photos[rng.integers(0, len(photos), self._size)], rng)

    def _noise(self, step: int) -> np.ndarray | None:
        deviation = self._schedule.teacher_noise
        if not deviation:
            return None
        noise = self._schedule.rng(step, NOISE).standard_normal((self._size, 3, HR, HR), np.float32)
        return noise * np.float32(deviation)
