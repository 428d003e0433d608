"""How close drawn people come to real ones: a table with a column per set of photos, then who was drawn.

`python tests/benchmarks/synthetic.py [--people 50] [--photos 6] [--seed 0] [--real FOLDER] [--beside NAME=FOLDER ...]
[--sheet FILE.jpg]`, from the root of the project. FOLDER holds a folder of photos per person: photos of real people, an
older version's drawings. Every set gives at most so many people and photos of each; all go through the same alignment.

The Fréchet distance between the SFace embeddings of a set and those of real photos, with means m and covariances C,

    ||m1 - m2||^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)

says how far a set as a whole is from real people. Source: Heusel et al., "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium" (2017), where SFace stands in for Inception: it looks at what tells people apart,
in faces as the pipeline sees them. The estimate grows as photos become fewer, so every set gives equally many, against
the same real photos of people who are in no column. The column `real` is therefore the floor: real people against other
real people, with as many photos.
"""

import argparse
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ftlgan.alignment import Aligner
from ftlgan.degradation import degrade
from ftlgan.errors import DataError, one_line_errors
from ftlgan.params import Align, load_params
from ftlgan.photos import NoFaceError
from ftlgan.recognition import Recognizer, recognizers
from ftlgan.restoration.bicubic import Bicubic
from ftlgan.sources import Photo, folder, synthetic
from ftlgan.sources.split import shuffled
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.pairs import compare
from ftlgan.verification.report import report

RES = 14
REFERENCE_PEOPLE = 300
"""Real people whom every set is held against, at most: a large folder should not take all day."""
NOSE = 0.6
"""How far the tip of the nose stands out from the eyes, in distances between the eyes: yaw is read off its shift."""
LUMA = np.array([0.2126, 0.7152, 0.0722])
"""The weights of ITU-R BT.709."""
CELL = 21
"""Characters of a column."""
SHEET_PEOPLE, SHEET_PHOTOS, SHEET_SIDE = 8, 6, 125

TARGETS: dict[str, Callable[[float], bool]] = {
    "photos/s": lambda value: value >= 6,
    "memory, GB": lambda value: value < 6,
    "faces found, %": lambda value: value >= 99,
    "HR d', sface": lambda value: value >= 3.0,
    "HR d', dlib": lambda value: value >= 2.5,
    "bicubic 14 px lr-hr d', sface": lambda value: 1.2 <= value <= 2.2,
}
"""What the drawn set should reach."""


@dataclass(frozen=True)
class Faces:
    """The aligned faces of a set."""

    identities: list[str]
    images: np.ndarray
    """uint8 RGB, (N, 112, 112, 3)."""
    landmarks: np.ndarray
    """(N, 5, 2), pixels of the photos."""
    photos: int
    """How many photos the faces were sought in."""


Metrics = dict[str, tuple[float, str]]
"""Value and what is printed of it, by row of the table."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50, help="people of each set, at most")
    parser.add_argument("--photos", type=int, default=6, help="photos of each person, at most")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn people, and of the choice among the others")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="photos of real people")
    parser.add_argument("--beside", type=named, nargs="*", default=[], metavar="NAME=FOLDER", help="other sets")
    parser.add_argument("--sheet", type=Path, metavar="FILE.jpg", help="contact sheet of the drawn people, to write")
    return parser.parse_args()


def named(text: str) -> tuple[str, Path]:
    name, path = text.split("=", 1)
    return name, Path(path)


def draw(people: int, photos: int, seed: int) -> tuple[list[Photo], Metrics]:
    """The drawn photos, and what drawing them cost. The speed leaves the start-up out: up to the first photo."""
    with PeakMemory() as memory:
        start = time.perf_counter()
        stream = synthetic.photographs(people, photos, seed)
        drawn = [next(stream)]
        first = time.perf_counter()
        drawn += stream
        end = time.perf_counter()
    speed = (len(drawn) - 1) / (end - first)
    return drawn, {
        "start-up, s": (first - start, f"{first - start:.1f}"),
        "photos/s": (speed, f"{speed:.1f}"),
        "memory, GB": (memory.peak / 1e9, f"{memory.peak / 1e9:.2f}"),
    }


class PeakMemory:
    """Most memory of this process and its descendants together, bytes, looked at every 0.2 s.

    A page that several processes share is divided among them (PSS of Linux), so that the sum counts it once.
    """

    peak = 0

    def __enter__(self) -> "PeakMemory":
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            self.peak = max(self.peak, sum(map(_memory, _descendants(os.getpid()))))


def _descendants(pid: int) -> Iterator[int]:
    """A process and all that came from it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(children).split():
            yield from _descendants(int(child))


def _memory(pid: int) -> int:
    """PSS of a process in bytes, 0 if it is gone."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def real_sets(path: Path, people: int, photos: int, seed: int) -> tuple[list[Photo], list[Photo]]:
    """Photos of real people for the column `real`, and of others to hold all sets against.

    Only people with `photos` photos are taken, as the drawn ones have: others may be other kinds of people.
    """
    album = folder.people(path, None, photos, seed)
    order = shuffled((name for name, paths in album.items() if len(paths) == photos), seed)
    column = min(people, len(order) // 2)
    if column < 2:
        raise DataError(f"{path}: {len(order)} people have {photos} photos, and 4 are needed; lower --photos")
    chosen = order[:column], order[column:][:REFERENCE_PEOPLE]
    shown, held_against = (list(folder.photographs(path, {name: album[name] for name in names})) for names in chosen)
    return shown, held_against


def align(photos: Sequence[Photo], params: Align) -> Faces:
    aligner = Aligner(params.detection_score, params.face_width)
    found = []
    for identity, _, photo in photos:
        try:
            found.append((identity, aligner(photo)))
        except NoFaceError:
            continue
    if not found:
        raise DataError(f"{photos[0][0]} and the others: no face was found in {len(photos)} photos")
    images = np.stack([face.image for _, face in found])
    return Faces([name for name, _ in found], images, np.stack([face.landmarks for _, face in found]), len(photos))


def metrics(faces: Faces, judges: Sequence[Recognizer], seed: int) -> Metrics:
    """Everything about a set but its distance to another."""
    share = 100 * len(faces.images) / faces.photos
    rows: Metrics = {
        "people": (0, f"{len(set(faces.identities))}"),
        "photos": (0, f"{faces.photos}"),
        "faces found, %": (share, f"{share:.1f}"),
    }
    for recognizer in judges:
        embeddings = recognizer.embed(faces.images)
        rows |= verification(f"HR %s, {recognizer.name}", embeddings, None, faces.identities, seed)
        if recognizer.name == "sface":
            small = np.stack([degrade(face, RES) for face in faces.images])
            restored = recognizer.embed(Bicubic().restore(small))
            rows |= verification(f"bicubic {RES} px lr-hr %s, sface", restored, embeddings, faces.identities, seed)
    luma = faces.images @ LUMA
    return rows | {
        "yaw, mean degrees off front": plain(np.abs(yaw(faces.landmarks)).mean(), 1),
        "luminance, mean (0 to 255)": plain(luma.mean(), 0),
        "luminance, std between photos": plain(luma.mean(axis=(1, 2)).std(), 0),
        "luminance, std within a face": plain(luma.std(axis=(1, 2)).mean(), 0),
    }


def plain(value: float, digits: int) -> tuple[float, str]:
    return float(value), f"{value:.{digits}f}"


def verification(
    row: str, probes: np.ndarray, references: np.ndarray | None, identities: Sequence[str], seed: int
) -> Metrics:
    """d' with a 95% interval over people, and AUC."""
    metrics = report(score_histogram(compare(probes, references, identities)), replicates=200, seed=seed).metrics
    d_prime = metrics["d_prime"]
    return {
        row % "d'": (d_prime.value, f"{d_prime.value:.2f} [{d_prime.lo:.2f}, {d_prime.hi:.2f}]"),
        row % "AUC": plain(metrics["auc"].value, 3),
    }


def yaw(landmarks: np.ndarray) -> np.ndarray:
    """Rough yaw in degrees, (N,), 0 from the front: how far the nose is from between the eyes, along their line."""
    left, right, nose = landmarks[:, 0], landmarks[:, 1], landmarks[:, 2]
    eye_line = right - left
    shift = ((nose - (left + right) / 2) * eye_line).sum(axis=1) / (eye_line**2).sum(axis=1)
    return np.degrees(np.arctan(shift / NOSE))


def frechet(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The Fréchet distance of normal distributions fitted to samples (N, D) and (M, D), and its part ||m1 - m2||^2.

    tr (C1 C2)^1/2 is the sum of the roots of the eigenvalues of C1 C2, which are those of the symmetric
    C1^1/2 C2 C1^1/2.
    """
    one, other = one.astype(np.float64), other.astype(np.float64)
    covariance, other_covariance = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ other_covariance @ root).clip(0)).sum()
    means = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    return float(means + np.trace(covariance) + np.trace(other_covariance) - 2 * cross), float(means)


def distances(sets: dict[str, Faces], reference: Faces, sface: Recognizer, seed: int) -> dict[str, Metrics]:
    """The Fréchet distance of equally many photos of each set to the reference."""
    photos = min(len(faces.images) for faces in sets.values())
    real = sface.embed(reference.images)
    row = f"Fréchet distance, {photos} photos against {len(real)}"
    rows: dict[str, Metrics] = {}
    for name, faces in sets.items():
        chosen = np.random.default_rng(seed).permutation(len(faces.images))[:photos]
        distance, of_means = frechet(sface.embed(faces.images[chosen]), real)
        rows[name] = {row: plain(distance, 3), "of which between the means": plain(of_means, 3)}
    return rows


def print_table(columns: dict[str, Metrics]) -> None:
    drawn = columns["drawn"]
    width = max(map(len, drawn))
    print(f"{'':{width}}", *(f"{name:>{CELL}}" for name in columns), "  target", sep="")
    for row, (value, _) in drawn.items():
        cells = (f"{column[row][1] if row in column else '-':>{CELL}}" for column in columns.values())
        target = ("yes" if TARGETS[row](value) else "no") if row in TARGETS else ""
        print(f"{row:{width}}", *cells, f"  {target}", sep="")


def print_traits(people: int, seed: int) -> None:
    """Who was drawn, as histograms."""
    traits = [each for _, each in synthetic.traits(people, seed)]
    tenths = [f"{tenth / 10}" for tenth in range(10)]
    decades = [f"{10 * decade} to {10 * decade + 9}" for decade in range(1, 9)]
    ancestries = ["african", "asian", "caucasian"]
    print_histogram("gender", ["female", "male"], [int(each.male) for each in traits])
    print_histogram("age, years", decades, [int(each.years // 10) - 1 for each in traits])
    print_histogram("melanin, from", tenths, [min(9, int(10 * each.melanin)) for each in traits])
    print_histogram("most of the ancestry", ancestries, [int(np.argmax(each.ancestry)) for each in traits])


def print_histogram(title: str, bins: Sequence[str], values: Sequence[int]) -> None:
    """Args: the name of each bin, and in which bin each person is."""
    print(f"\n{title}")
    for name, count in zip(bins, np.bincount(values, minlength=len(bins)), strict=True):
        print(f"  {name:10} {count:4} {'#' * round(50 * count / len(values))}")


def write_sheet(path: Path, photos: Sequence[Photo]) -> None:
    """The first people, a row each, their first photos side by side."""
    rows: dict[str, list[bytes]] = {}
    for identity, _, photo in photos:
        rows.setdefault(identity, []).append(photo)
    sheet = Image.new("RGB", (SHEET_PHOTOS * SHEET_SIDE, min(SHEET_PEOPLE, len(rows)) * SHEET_SIDE), "white")
    for row, own in enumerate([*rows.values()][:SHEET_PEOPLE]):
        for column, photo in enumerate(own[:SHEET_PHOTOS]):
            small = Image.open(io.BytesIO(photo)).resize((SHEET_SIDE, SHEET_SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (column * SHEET_SIDE, row * SHEET_SIDE))
    sheet.save(path, quality=88)


@one_line_errors
def main() -> None:
    options, params = arguments(), load_params()
    people, photos, seed = options.people, options.photos, options.seed
    drawn, cost = draw(people, photos, seed)
    if options.sheet:
        write_sheet(options.sheet, drawn)

    sets = {"drawn": align(drawn, params.align)}
    for name, path in options.beside:
        sets[name] = align(list(folder.photographs(path, folder.people(path, people, photos, seed))), params.align)
    others: Faces | None = None
    if options.real:
        sets["real"], others = (align(some, params.align) for some in real_sets(options.real, people, photos, seed))

    judges = [recognizers.load("sface"), recognizers.load("dlib")]
    columns = {name: metrics(faces, judges, seed) for name, faces in sets.items()}
    columns["drawn"] |= cost
    if others:
        for name, distance in distances(sets, others, judges[0], seed).items():
            columns[name] |= distance
    print_table(columns)
    print_traits(people, seed)


if __name__ == "__main__":
    main()
