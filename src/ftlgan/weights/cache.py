"""Where this machine keeps what is costly to get and the same for every project."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """`~/.cache/ftlgan/NAME`, or `$XDG_CACHE_HOME/ftlgan/NAME` where that is set; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ftlgan", name)
