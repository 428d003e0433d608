"""The preprocessing that a recognizer's file expects."""

from dataclasses import dataclass
from typing import Literal

Channels = tuple[float, float, float]
"""One number per channel."""


@dataclass(frozen=True)
class Preprocessing:
    """The steps from an aligned face to a network's input: resize, order the channels, and (pixel - mean) / std.

    Pixels are 0 to 255. `mean` and `std` have one number per channel, in the order of the network's channels: with
    color "bgr", the first is blue. The defaults are those of InsightFace.
    """

    size: int = 112
    """Height and width in pixels. Aligned faces of 112x112 are resized bilinearly."""
    color: Literal["rgb", "bgr"] = "rgb"
    mean: Channels = (127.5, 127.5, 127.5)
    std: Channels = (127.5, 127.5, 127.5)

    def __str__(self) -> str:
        """Return a text that identifies the preprocessing, e.g. `112 rgb mean 127.5 std 127.5`."""
        return f"{self.size} {self.color} mean {_numbers(self.mean)} std {_numbers(self.std)}"


def _numbers(channels: Channels) -> str:
    """Format one number if all channels have the same, and else one per channel."""
    return ",".join(f"{value:.9g}" for value in (channels[:1] if len(set(channels)) == 1 else channels))
