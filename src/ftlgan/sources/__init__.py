"""Sources of raw photos: a module for each `dataset.source`, `fetch`, which opens a source, and the split of people."""

Photo = tuple[str, str, bytes]
"""The identity, the path within the folder of that person, and the original encoded image."""
