"""FTLGAN: face super-resolution trained and judged by face recognition."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftlgan.tool.matching import Match, Matcher, match
    from ftlgan.tool.restorer import RestoredFace, RestoredPhoto, Restorer

__all__ = ["Match", "Matcher", "RestoredFace", "RestoredPhoto", "Restorer", "match"]

_MODULES = {
    "ftlgan.tool.matching": ("Match", "Matcher", "match"),
    "ftlgan.tool.restorer": ("RestoredFace", "RestoredPhoto", "Restorer"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: importing torch takes seconds, and most of this package does not need it."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
