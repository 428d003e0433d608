"""`ftlgan embed`: photos or aligned faces to a table of embeddings for `ftlgan verify`."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.faces import HR, embeddings_schema, write_table
from ftlgan.params import BUILT_IN, Align, RecognizerFile, load_params
from ftlgan.progress import progress
from ftlgan.recognition import Recognizer, recognizers
from ftlgan.recognition.embedding import FACES_PER_CALL
from ftlgan.recognition.inputs import Face, Input, groups, open_input
from ftlgan.recognition.parts import Parts, open_parts
from ftlgan.verification.parts import described

PARAMS = Path("params.yaml")
ALIGN = Align(detection_score=0.7, face_width=30, aligned=False, small_aligned=False)
"""The settings outside a project: the defaults of params.yaml."""
FACES_PER_PART = 64
"""The largest number of faces, in addition to those of one call, that a killed run loses."""
REJECTS = ["face_id", "identity", "reason"]
"""The header of the list of rejects."""


def embed(source: Path, recognizer: str, output: Path, aligned: bool) -> None:
    """Embed the faces of a folder of photos, or of a table, and write a Parquet file that `ftlgan verify` takes.

    A killed run can be resumed, and gives the same bytes. Until the end, its work is in OUTPUT.parts. Photos without a
    usable face are listed in OUTPUT.rejects.csv.

    Args:
        source: a folder with one folder of photos per person; or a folder of photos, whose output has no column
            identity; or a table of aligned faces: a Parquet file or a folder of them, with the columns image and
            face_id and, optionally, identity and split.
        recognizer: a name in `recognizers` of ./params.yaml, or of a built-in recognizer.
        output: the file to write; its name ends in .parquet.
        aligned: photos are already aligned faces, as with `align.aligned`.

    Raises:
        ParamsError: if the recognizer is unknown, or the output has another suffix.
        DataError: if the source has no faces, or the output is another file or can't be written.
        WeightsError: if the recognizer's weights are missing or corrupted.
    """
    file, align = _settings(recognizer, aligned)
    _check_output(output, source)
    faces = open_input(source, align)
    network = recognizers.load(recognizer, file)
    schema = _schema(network, faces)
    _refuse_to_overwrite(output, schema)
    origin = {
        "photos or faces": f"{type(faces).__name__} {faces.state}",
        "recognizer": f"{network.name} {network.sha256} {file.model_dump_json() if file else ''}",
        "options": align.model_dump_json() if faces.unit == "photo" else "",
        "version of ftlgan": version("ftlgan"),
    }
    with open_parts(output.with_suffix(".parts"), origin) as parts:
        _embed_rest(network, faces, parts)
        found = parts.read()
        rejects = _write_rejects(_rejects_file(output), found)
        if rejects == faces.count:
            parts.remove()
            raise DataError(f"{source}: none of {rejects} gives an embedding; {_rejects_file(output)} has the reasons")
        write_table(output, _embeddings(found, schema))
        parts.remove()
    print(f"{output}: {faces.count - rejects} embeddings by {recognizer}; {_counted(found, output)}")


def _settings(recognizer: str, aligned: bool) -> tuple[RecognizerFile | None, Align]:
    """Look up the recognizer's file (None if it is built in) and the settings of alignment."""
    known: dict[str, RecognizerFile | None] = dict.fromkeys(BUILT_IN)
    align = ALIGN
    if PARAMS.exists():
        params = load_params(PARAMS)
        known |= params.recognizers
        align = params.align
    if recognizer not in known:
        place = f"recognizers of {PARAMS}" if PARAMS.exists() else f"what is built in, and there is no {PARAMS} here"
        raise ParamsError(f"--recognizer {recognizer}: is not in {place}; use one of {', '.join(known)}")
    return known[recognizer], align.model_copy(update={"aligned": True}) if aligned else align


def _check_output(output: Path, source: Path) -> None:
    if output.suffix != ".parquet":
        raise ParamsError(f"--output {output}: must end in .parquet")
    if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
        raise ParamsError(f"--output {output}: is inside the input folder; choose a place outside {source}")
    if source.resolve() == output.resolve():
        raise ParamsError(f"--output {output}: is the input table; choose another name")
    rejects = _rejects_file(output)
    if rejects.exists() and not rejects.read_bytes().startswith(",".join(REJECTS).encode()):
        raise DataError(f"{rejects}: `ftlgan embed` did not write it; rename it, or choose another output")


def _rejects_file(output: Path) -> Path:
    return output.with_suffix(".rejects.csv")


def _refuse_to_overwrite(output: Path, schema: pa.Schema) -> None:
    """Refuse to overwrite anything but embeddings by the same recognizer.

    Raises:
        DataError: if the output exists and is something else.
    """
    if not output.exists():
        return
    try:
        there = pq.read_schema(output)
        by = {key.decode(): value.decode(errors="replace") for key, value in (there.metadata or {}).items()}
        embeddings = "embedding" in there.names
    except (pa.ArrowException, OSError):
        by, embeddings = {}, False
    if not embeddings or "recognizer" not in by:
        raise DataError(f"{output}: exists, but `ftlgan embed` did not write it; remove it, or choose another output")
    if any(by.get(key.decode()) != value.decode() for key, value in (schema.metadata or {}).items()):
        raise DataError(
            f"{output}: has embeddings by another recognizer, {described(by)}; remove it, or choose another output"
        )


def _schema(network: Recognizer, faces: Input) -> pa.Schema:
    """Return the schema of the pipeline's embeddings, without the columns that the input lacks."""
    every = embeddings_schema(network.dimension, network.name, network.sha256, network.settings)
    return pa.schema([field for field in every if field.name in (*faces.columns, "embedding")], every.metadata)


def _embed_rest(network: Recognizer, faces: Input, parts: Parts) -> None:
    """Embed the faces that are not in the parts yet."""
    done = parts.read().num_rows
    verb = f"embed by {network.name}"
    rows = chain.from_iterable(_embedded(network, group) for group in groups(faces.faces(done), FACES_PER_CALL))
    with progress(rows, verb, faces.count, faces.unit, initial=done) as bar:
        for part in groups(bar, FACES_PER_PART):
            parts.add(part)


def _embedded(network: Recognizer, faces: Sequence[Face]) -> list[dict[str, Any]]:
    """Return rows of `ftlgan.recognition.parts.SCHEMA`, in the order of the faces."""
    images = [face.image for face in faces if isinstance(face.image, np.ndarray)]
    embeddings = iter(network.embed(np.stack(images) if images else np.empty((0, HR, HR, 3), np.uint8)))
    rows: list[dict[str, Any]] = []
    for face in faces:
        if isinstance(face.image, str):
            rows.append({**face.names, "reason": face.image})
        elif np.isfinite(embedding := next(embeddings)).all():
            rows.append({**face.names, "embedding": embedding})
        else:
            rows.append({**face.names, "reason": f"no embedding: {network.name} gives numbers that are not finite"})
    return rows


def _embeddings(found: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with an embedding, in the schema of the output."""
    rows = found.filter(found.column("reason").is_null())
    numbers = pa.concat_arrays([chunk.flatten() for chunk in rows.column("embedding").chunks])
    size = schema.field("embedding").type.list_size
    columns = {name: rows.column(name) for name in schema.names if name != "embedding"}
    return pa.table(columns | {"embedding": pa.FixedSizeListArray.from_arrays(numbers, size)}, schema)


def _write_rejects(path: Path, found: pa.Table) -> int:
    """Write the list of rejects (only a header if there are none), and return their number."""
    rows = found.filter(found.column("reason").is_valid()).select(REJECTS).to_pylist()
    text = io.StringIO()
    table = csv.DictWriter(text, REJECTS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    aside = path.with_name(f".{path.name}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text.getvalue(), encoding="utf-8", newline="\n")
        aside.replace(path)
    return len(rows)


def _counted(found: pa.Table, output: Path) -> str:
    """Return the numbers of rejects by reason, as text."""
    count = Counter(reason.split(":")[0] for reason in found.column("reason").to_pylist() if reason)
    if not count:
        return "0 rejects"
    reasons = ", ".join(f"{n} {reason}" for reason, n in count.most_common())
    return f"{count.total()} rejects ({reasons}): {_rejects_file(output)}"
