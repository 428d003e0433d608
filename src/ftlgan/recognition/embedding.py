"""Embedding of face tables and of faces in memory."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError
from ftlgan.faces import SPLITS, count_faces, decode_images, embeddings_schema, stream_faces, write_faces
from ftlgan.processes import available_cores
from ftlgan.progress import progress
from ftlgan.recognition import Recognizer

FACES_PER_CALL = 16 * available_cores()
"""Enough to keep every core busy, and few enough that the progress bar moves: a large ResNet takes 3 s."""


def embed_faces(recognizer: Recognizer, faces: Path, embeddings: Path, splits: Sequence[str] = SPLITS) -> None:
    """Embed the faces of some splits, in order.

    Args:
        recognizer: the recognizer.
        faces: folder of a face table with images of 112x112.
        embeddings: folder to write.
        splits: splits of the faces to embed.

    Raises:
        DataError: if an embedding is not finite.
    """
    schema = embeddings_schema(recognizer.dimension, recognizer.name, recognizer.sha256, recognizer.settings)
    rows = progress(
        _embedded_rows(recognizer, faces, splits), f"embed by {recognizer.name}", count_faces(faces, splits)
    )
    write_faces(embeddings, schema, rows)


def embed_images(recognizer: Recognizer, images: np.ndarray) -> np.ndarray:
    """Embed faces in memory, with a progress bar.

    Args:
        recognizer: the recognizer.
        images: uint8 RGB, (N, 112, 112, 3), N >= 1.

    Returns:
        Embeddings of unit length, float32, (N, D).
    """
    calls = (images[start : start + FACES_PER_CALL] for start in range(0, len(images), FACES_PER_CALL))
    embeddings = chain.from_iterable(map(recognizer.embed, calls))
    return np.stack(list(progress(embeddings, f"embed by {recognizer.name}", len(images))))


def _embedded_rows(recognizer: Recognizer, faces: Path, splits: Sequence[str]) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(faces, splits, FACES_PER_CALL):
        embeddings = recognizer.embed(decode_images(batch["image"]))
        for row, embedding in zip(batch.select(["face_id", "identity", "split"]).to_pylist(), embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise DataError(
                    f"{faces}: {row['face_id']}: {recognizer.name} gives no finite embedding; remove the photo, "
                    "or use another recognizer"
                )
            yield {**row, "embedding": embedding}
