"""A face table -> a table of embeddings."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.errors import DataError
from ftlgan.faces import SPLITS, count_faces, decode_images, embeddings_schema, stream_faces, write_faces
from ftlgan.progress import progress
from ftlgan.recognition import Recognizer

FACES_PER_CALL = 256
"""Enough to keep every core busy, whatever the recognizer."""


def embed_faces(recognizer: Recognizer, faces: Path, embeddings: Path, splits: Sequence[str] = SPLITS) -> None:
    """Embed the faces of some splits, in their order.

    Args:
        recognizer: what embeds.
        faces: folder of a face table with images of 112x112.
        embeddings: folder to write.
        splits: whose faces.

    Raises:
        DataError: if a face gets an embedding that is not finite.
    """
    schema = embeddings_schema(recognizer.dimension, recognizer.name, recognizer.sha256, recognizer.settings)
    rows = progress(
        _embedded_rows(recognizer, faces, splits), f"embed by {recognizer.name}", count_faces(faces, splits)
    )
    write_faces(embeddings, schema, rows)


def _embedded_rows(recognizer: Recognizer, faces: Path, splits: Sequence[str]) -> Iterator[dict[str, Any]]:
    for batch in stream_faces(faces, splits, FACES_PER_CALL):
        embeddings = recognizer.embed(decode_images(batch["image"]))
        for row, embedding in zip(batch.select(["face_id", "identity", "split"]).to_pylist(), embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise DataError(
                    f"{faces}: {row['face_id']}: {recognizer.name} gives no finite embedding; take the photo "
                    "out, or use another recognizer"
                )
            yield {**row, "embedding": embedding}
