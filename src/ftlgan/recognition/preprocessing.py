"""What the network of a recognizer's file expects of a face."""

from dataclasses import dataclass
from typing import Literal

Channels = tuple[float, float, float]
"""A number a channel."""


@dataclass(frozen=True)
class Preprocessing:
    """The way from an aligned face to the input of a network: resized, its channels ordered, (pixel - mean) / std.

    Pixels are 0 to 255. `mean` and `std` are one number a channel, in the order in which the network takes its
    channels: with color "bgr" the first is that of blue. The defaults are those of InsightFace.
    """

    size: int = 112
    """Height and width in pixels; a face that is aligned to 112x112 is resized bilinearly."""
    color: Literal["rgb", "bgr"] = "rgb"
    mean: Channels = (127.5, 127.5, 127.5)
    std: Channels = (127.5, 127.5, 127.5)

    def __str__(self) -> str:
        """Return the same text for the same preprocessing, e.g. `112 rgb mean 127.5 std 127.5`."""
        return f"{self.size} {self.color} mean {_numbers(self.mean)} std {_numbers(self.std)}"


def _numbers(channels: Channels) -> str:
    """Write one number where all channels have the same, and else one a channel."""
    return ",".join(f"{value:.9g}" for value in (channels[:1] if len(set(channels)) == 1 else channels))
