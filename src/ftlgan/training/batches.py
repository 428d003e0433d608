"""The batches of a training. They depend only on seed and step, and are made while the previous step runs.

The CPU crops and degrades the faces. Without this, a GPU would have to wait for it.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from ftlgan.faces import HR
from ftlgan.params import Training
from ftlgan.training.augmentation import degrade_each, draw_moves, mirror, move
from ftlgan.training.data import TrainingSet

ORDER, MIRROR, MOVE, REAL, NOISE, DEGRADE = range(6)
"""The purposes of random numbers. Each has its own stream by seed and step, `NOISE` and `DEGRADE` also by place."""


def random_stream(seed: int, step: int, purpose: int, *place: int) -> np.random.Generator:
    """Return the random numbers of a step (or of an epoch, for `ORDER`) for one purpose.

    Args:
        seed: the seed of the training.
        step: the step or the epoch.
        purpose: one of those above.
        place: the place of a triplet in the batch, if each has numbers of its own.
    """
    return np.random.default_rng([seed, step, purpose, *place])


@dataclass(frozen=True)
class TrainingBatch:
    """What a process takes of a batch of B triplets. Images are uint8 RGB, (B, H, W, 3), and already augmented."""

    anchor: np.ndarray
    """int64 (B,): rows of the training faces."""
    positive: np.ndarray
    """int64 (B,): rows of the references."""
    negative: np.ndarray
    """int64 (B,): rows of the references."""
    lr: np.ndarray
    """The anchors at low resolution."""
    hr: np.ndarray | None
    """Their twins, if they are needed."""
    native: np.ndarray
    """bool (B,): True for anchors without a twin, whose `hr` is black."""
    real: np.ndarray | None
    """Photos for the discriminator, if there is one."""
    noise: np.ndarray | None
    """float32 (B, 3, 112, 112), for images in [0, 1]: added to restored faces before the teacher sees them."""


class Batches:
    """The batches of a training, made one step ahead. Use it as a context manager, which ends its thread.

    Args:
        data: the training set.
        config: the seed, the augmentation and the noise.
        size: triplets per batch of all processes together, at most the number of triplets.
        share: the part of each batch that this process takes. Only its faces are decoded.
    """

    def __init__(self, data: TrainingSet, config: Training, size: int, share: slice = slice(None)) -> None:
        self._data, self._config, self._size, self._share = data, config, size, share
        self._order = (-1, np.empty(0, np.int64))
        self._thread = ThreadPoolExecutor(1, "batches")
        self._ahead: dict[int, Future[TrainingBatch]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def __getitem__(self, step: int) -> TrainingBatch:
        """Return the batch of a step. Steps start at 1."""
        asked = self._ahead.pop(step, None) or self._thread.submit(self._draw, step)
        self._ahead = {step + 1: self._thread.submit(self._draw, step + 1)}
        return asked.result()

    def _draw(self, step: int) -> TrainingBatch:
        anchor, positive, negative = self._triplets(step)[self._share].T
        lr, hr = self._anchors(step, anchor)
        native = self._data.train.native[anchor]
        return TrainingBatch(anchor, positive, negative, lr, hr, native, self._real(step), self._noise(step))

    def _stream(self, step: int, purpose: int) -> np.random.Generator:
        return random_stream(self._config.train.seed, step, purpose)

    def _streams(self, step: int, purpose: int) -> list[np.random.Generator]:
        """Return a stream for each triplet of this process."""
        places = range(self._size)[self._share]
        return [random_stream(self._config.train.seed, step, purpose, place) for place in places]

    def _triplets(self, step: int) -> np.ndarray:
        """Return the triplets of all processes, (B, 3). None repeats in an epoch. Only seed and epoch order them."""
        size, index = self._size, self._data.triplets
        epoch, batch = divmod(step - 1, len(index) // size)
        if self._order[0] != epoch:
            self._order = epoch, self._stream(epoch, ORDER).permutation(len(index))
        return index[self._order[1][batch * size : (batch + 1) * size]]

    def _anchors(self, step: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return augmented low-resolution faces and their twins. The only augmentation of native faces is mirroring."""
        faces, config = self._data.train, self._config
        hr = faces.hr[rows] if faces.hr is not None else None
        if config.degrades_anew:
            assert hr is not None, "degradation in each step needs the twins"
            res, native = faces.lr.shape[1], faces.native[rows]
            moves = draw_moves(self._size, res, config.augmentation, self._stream(step, MOVE))
            hr = move(hr, moves[self._share])
            lr = degrade_each(hr, res, config.degradation, self._streams(step, DEGRADE))
            if native.any():
                lr[native] = faces.lr[rows[native]]
        else:
            lr = faces.lr[rows]
        mirrored = self._mirrored(self._stream(step, MIRROR))  # the same faces in both
        return mirror(lr, mirrored), None if hr is None else mirror(hr, mirrored)

    def _real(self, step: int) -> np.ndarray | None:
        photos, rng = self._data.real, self._stream(step, REAL)
        if photos is None:
            return None
        rows = rng.integers(0, len(photos), self._size)[self._share]
        return mirror(photos[rows], self._mirrored(rng))

    def _mirrored(self, rng: np.random.Generator) -> np.ndarray:
        """Draw which faces of this process are mirrored: about half, or none."""
        return (rng.random(self._size) < self._config.augmentation.flip / 2)[self._share]

    def _noise(self, step: int) -> np.ndarray | None:
        deviation = self._config.train.teacher_noise
        if not deviation:
            return None
        drawn = [rng.standard_normal((3, HR, HR), np.float32) for rng in self._streams(step, NOISE)]
        return np.stack(drawn) * np.float32(deviation)
