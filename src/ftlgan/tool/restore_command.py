"""`ftlgan restore`: restore the faces in photos, and put them back."""

import io
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from ftlgan.detection import Detection
from ftlgan.errors import DataError
from ftlgan.faces import HR, encode_png
from ftlgan.photos import NoFaceError, read_alpha, read_photo
from ftlgan.processes import available_cores, map_ahead
from ftlgan.progress import progress
from ftlgan.tool.crops import enlarged
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.inputs import Source, find_photos
from ftlgan.tool.output_folder import FACE_COLUMNS, OutputFolder, open_output
from ftlgan.tool.restorer import (
    DETECTION_SCORE,
    FACES_PER_CALL,
    RestoredFace,
    Restorer,
    weight_files,
    with_faces,
)
from ftlgan.tool.sheet import Entry, sheets
from ftlgan.weights.models import SETS
from ftlgan.weights.packaged import sha256_of

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""The formats, by suffix, that are kept for the written photo; any other becomes PNG."""
QUALITY = 95
"""The quality of JPEG and WebP, 0 to 100."""
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""The most pixels of a written photo, the same as of a photo that is read."""


@dataclass(frozen=True, eq=False)
class _Photo:
    """A photo in which faces have been found."""

    source: Source
    image: np.ndarray
    alpha: np.ndarray | None
    found: Sequence[Detection]


def restore(
    inputs: Sequence[str],
    output: Path,
    main: bool,
    aligned: bool,
    scale: int,
    background: str,
    weights: Sequence[str],
    device: str,
    force: bool,
) -> None:
    """Restore the faces in photos, and write them, the photos with the faces put back, a contact sheet and tables.

    An interrupted run resumes where it stopped. A photo that can't be used gets a row in rejects.csv, and the run
    continues. `ftlgan.tool.output_folder` lists the outputs.

    Args:
        inputs: photos, folders to search with their subfolders, or `-` for a photo on standard input.
        output: the folder to write.
        main: whether to restore only the most central face of each photo.
        aligned: whether the photos are square aligned faces (ArcFace template), of any size; nothing is detected.
        scale: the factor by which the written photos are enlarged: 1, 2 or 4.
        background: the method that enlarges the rest of a photo: `bicubic` or `realesrgan`.
        weights: the name of a packaged set, or files of weights.
        device: `cpu` or `cuda`.
        force: whether to overwrite the outputs in the folder.

    Raises:
        DataError: if an input is missing, the output can't be written or holds other files, or no face is restored.
        WeightsError: if weights are missing or not a generator's.
    """
    sources, skipped = find_photos(inputs, output)
    if skipped:
        _log(f"files skipped, because they do not have the suffix of a photo: {skipped}")
    files = weight_files(weights[0] if len(weights) == 1 else weights)
    if weights[0] in SETS:
        _log(f"weights: {weights[0]}, {SETS[weights[0]].terms}")
    restorer = Restorer.load(files, device)
    settings = {
        "version": version("ftlgan"),
        "weights": sorted(sha256_of(file) for file in files),
        "main": main,
        "aligned": aligned,
        "scale": scale,
        "background": background,
    }
    with open_output(output, settings, force) as folder:
        todo = _not_done(folder, sources, _aligned_path if aligned else _photo_path, force)
        folder.mend(source.shown for source in todo)
        if len(todo) < len(sources):
            _log(f"{len(sources) - len(todo)} of {len(sources)} photos were done before")
        done = (
            _restore_aligned(folder, restorer, todo)
            if aligned
            else _restore_photos(folder, restorer, todo, main, scale, _background(background))
        )
        bar = progress(done, "restore", len(todo), "photo", shown=len(todo) > 1)
        reasons = [message for message in bar if message]
        _write_sheets(folder, {source.shown: source for source in sources}, aligned)
        _summarize(folder, len(sources), reasons)


def _not_done(
    folder: OutputFolder, sources: Sequence[Source], last: Callable[[OutputFolder, Source], Path], force: bool
) -> list[Source]:
    """Return the photos that have neither a last output nor a row in rejects.csv.

    Raises:
        DataError: if the output exists, but is of another photo.
    """
    if force:
        return list(sources)
    known = {row["photo"] for row in folder.faces()}
    todo: list[Source] = []
    for source in sources:
        path = last(folder, source)
        if source.path is None or source.shown not in (known if path.exists() else folder.rejected):
            if path.exists():
                raise DataError(f"{path}: is of another photo; choose another folder, or overwrite with --force")
            todo.append(source)
    return todo


def _restore_photos(
    folder: OutputFolder,
    restorer: Restorer,
    sources: Sequence[Source],
    main: bool,
    scale: int,
    enlarge: Callable[[np.ndarray, int], np.ndarray],
) -> Iterator[str | None]:
    """Restore photos, and yield for each the reason why it can't be used, or None."""
    local = threading.local()  # a detector for each thread

    def prepare(source: Source) -> tuple[Source, _Photo | str]:
        if not hasattr(local, "finder"):
            local.finder = FaceFinder(DETECTION_SCORE)
        try:
            return source, _found(source, local.finder, main, scale)
        except NoFaceError as reason:
            return source, str(reason)

    cv2.setNumThreads(1)  # each core works on its own photo
    cores = available_cores()
    with ThreadPoolExecutor(cores) as pool:
        for source, photo in map_ahead(pool, prepare, sources, cores):
            if isinstance(photo, str):
                yield _reject(folder, source, photo)
                continue
            faces = restorer.restore_found(photo.image, photo.found)
            _write_faces(folder, source, faces)
            whole = with_faces(enlarge(photo.image, scale), faces, scale)
            alpha = None if photo.alpha is None else enlarged(photo.alpha, scale)
            path = _photo_path(folder, source)
            folder.write(path, _encoded(whole, alpha, FORMATS[path.suffix.lower()]))
            yield None


def _found(source: Source, finder: FaceFinder, main: bool, scale: int) -> _Photo:
    content = _read(source)
    image = read_photo(content)
    pixels = image.shape[0] * image.shape[1] * scale**2
    if pixels > MOST_PIXELS:
        raise NoFaceError(f"too large for --scale {scale}: {pixels / 10**6:.0f} megapixels; give a smaller scale")
    found = [finder.main_face(image)] if main else finder.all_faces(image)
    return _Photo(source, image, read_alpha(content), found)


def _restore_aligned(folder: OutputFolder, restorer: Restorer, sources: Sequence[Source]) -> Iterator[str | None]:
    remaining = iter(sources)
    while group := tuple(islice(remaining, FACES_PER_CALL)):
        images: list[np.ndarray] = []
        usable: list[Source] = []
        reasons: dict[Source, str] = {}
        for source in group:
            try:
                images.append(_square(read_photo(_read(source))))
                usable.append(source)
            except NoFaceError as reason:
                reasons[source] = str(reason)
        sizes = [len(image) for image in images]
        for source, size, small, face in zip(usable, sizes, *restorer.restore_each(images, sizes), strict=True):
            model = restorer.model_for(size)
            _warn_if_left(source, 1, size, model)
            path = _aligned_path(folder, source)
            row = {"photo": source.shown, "face": 1, "restored": path.relative_to(folder.folder), "size": size}
            folder.add_faces([dict.fromkeys(FACE_COLUMNS, "") | row | {"model": model or "none"}])
            folder.write(folder.path("small", source.name, ".png"), encode_png(small))
            folder.write(path, encode_png(face))
        for source in group:
            yield _reject(folder, source, reasons[source]) if source in reasons else None


def _read(source: Source) -> bytes:
    try:
        return source.read()
    except OSError as error:
        raise NoFaceError(f"unreadable: {error.strerror}") from None


def _square(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if height != width:
        raise NoFaceError(f"not square: {width}x{height} px, but --aligned takes square faces")
    return image


def _write_faces(folder: OutputFolder, source: Source, faces: Sequence[RestoredFace]) -> None:
    rows: list[dict[str, Any]] = []
    for number, face in enumerate(faces, 1):
        _warn_if_left(source, number, face.size, face.model)
        path = folder.path("faces", source.name, f"-{number}.png")
        folder.write(path, encode_png(face.image))
        folder.write(folder.path("small", source.name, f"-{number}.png"), encode_png(face.small))
        places = [*face.box, *face.landmarks.ravel()]
        numbers = [face.size, face.model or "none", f"{face.score:.3f}", *places[:4], face.turns, *places[4:]]
        values = [source.shown, number, path.relative_to(folder.folder), *numbers]
        rows.append(dict(zip(FACE_COLUMNS, (_rounded(value) for value in values), strict=True)))
    folder.add_faces(rows)


def _rounded(value: Any) -> Any:
    return f"{value:.2f}" if isinstance(value, float | np.floating) else value


def _warn_if_left(source: Source, number: int, size: float, model: int | None) -> None:
    if model is None:
        _log(f"{source.shown}: face {number} is {size:.0f} px, larger than {HR} px, and is left unchanged")


def _reject(folder: OutputFolder, source: Source, reason: str) -> str:
    folder.reject(source.shown, reason)
    message = f"{source.shown}: {reason}"
    _log(message)
    return message


def _photo_path(folder: OutputFolder, source: Source) -> Path:
    suffix = source.suffix if source.suffix in FORMATS else ".png"
    return folder.path("photos", source.name, "" if source.name.suffix.lower() == suffix else suffix)


def _aligned_path(folder: OutputFolder, source: Source) -> Path:
    return folder.path("faces", source.name, ".png")


def _encoded(image: np.ndarray, alpha: np.ndarray | None, format_: str) -> bytes:
    stream = io.BytesIO()
    if alpha is not None and format_ != "JPEG":
        image = np.dstack([image, alpha])
    Image.fromarray(image).save(stream, format_, quality=QUALITY)
    return stream.getvalue()


def _background(name: str) -> Callable[[np.ndarray, int], np.ndarray]:
    if name == "bicubic":
        return enlarged
    from ftlgan.tool.background import realesrgan_background

    return realesrgan_background()


def _write_sheets(folder: OutputFolder, sources: dict[str, Source], aligned: bool) -> None:
    def entries() -> Iterator[Entry]:
        for row in folder.faces():
            if (source := sources.get(row["photo"])) is None:
                continue
            ending = ".png" if aligned else f"-{row['face']}.png"
            paths = (folder.path(kind, source.name, ending) for kind in ("small", "faces"))
            small, restored = (read_photo(path.read_bytes()) for path in paths)
            name = f"{source.name}" if aligned else f"{source.name}-{row['face']}"
            yield Entry(small, restored, f"{name}: {float(row['size']):.0f} px")

    for number, page in enumerate(sheets(entries()), 1):
        folder.write(folder.folder / f"sheet-{number}.png", page)


def _summarize(folder: OutputFolder, photos: int, reasons: Sequence[str]) -> None:
    """Print a summary of the folder.

    Raises:
        DataError: if no face was restored.
    """
    models = Counter(row["model"] for row in folder.faces())
    if not models:
        raise DataError(f"{folder.folder}: no face is restored; {', '.join(reasons[:1]) or 'see rejects.csv'}")
    left = models.pop("none", 0)
    by_model = ", ".join(f"{models[name]} by the model for {name} px" for name in sorted(models, key=int))
    print(
        f"{folder.folder}: {_counted(models.total(), 'face')} restored"
        + (f" ({by_model})" if by_model else "")
        + (f", {left} larger than {HR} px left unchanged" if left else "")
        + f"; {_counted(photos, 'photo')}, {len(folder.rejected)} without a usable face"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _log(message: str) -> None:
    tqdm.write(message, file=sys.stderr)
