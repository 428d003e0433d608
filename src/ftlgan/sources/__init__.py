"""Where raw photos come from: a module for each `dataset.source`, `fetch`, which opens one, and the split of people."""

Photo = tuple[str, str, bytes]
"""Identity, path within the folder of that person, and the encoded image as the camera left it."""
