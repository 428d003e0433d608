"""Embedding of face tables and of faces in memory."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ftlgan.engine import Engine, Local
from ftlgan.errors import DataError
from ftlgan.faces import SPLITS, count_faces, decode_images, embeddings_schema, stream_faces, write_faces
from ftlgan.processes import available_cores
from ftlgan.progress import progress
from ftlgan.recognition import Recognizer

FACES_PER_CORE = 16
"""Enough to keep the core busy, and few enough that the progress bar moves: a large ResNet takes 3 s."""
FACES_PER_CALL = FACES_PER_CORE * available_cores()


def embed_faces(
    recognizer: Recognizer,
    faces: Path,
    embeddings: Path,
    splits: Sequence[str] = SPLITS,
    engine: Engine | None = None,
) -> None:
    """Embed the faces of some splits, in order.

    Args:
        recognizer: the recognizer.
        faces: folder of a face table with images of 112x112.
        embeddings: folder to write.
        splits: splits of the faces to embed.
        engine: where the faces are embedded; by default on this machine.

    Raises:
        DataError: if an embedding is not finite.
    """
    schema = embeddings_schema(recognizer.dimension, recognizer.name, recognizer.sha256, recognizer.settings)
    rows = _embedded_rows(recognizer, faces, splits, engine or Local())
    write_faces(embeddings, schema, progress(rows, f"embed by {recognizer.name}", count_faces(faces, splits)))


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


def _embedded_rows(
    recognizer: Recognizer, faces: Path, splits: Sequence[str], engine: Engine
) -> Iterator[dict[str, Any]]:
    columns = ["face_id", "identity", "split", "image"]
    batches = (
        batch.select(columns).to_pylist() for batch in stream_faces(faces, splits, FACES_PER_CORE * engine.cores)
    )
    on_gpu = recognizer.device == "cuda"
    for rows, embeddings in engine.map(partial(_embed_rows, recognizer), batches, engine.cores, gpus=int(on_gpu)):
        for row, embedding in zip(rows, embeddings, strict=True):
            if not np.isfinite(embedding).all():
                raise DataError(
                    f"{faces}: {row['face_id']}: {recognizer.name} gives no finite embedding; remove the photo, "
                    "or use another recognizer"
                )
            yield {**row, "embedding": embedding}


def _embed_rows(recognizer: Recognizer, rows: list[dict[str, Any]]) -> np.ndarray:
    return recognizer.embed(decode_images([row["image"] for row in rows]))
