"""Sets of natively small faces, in the layouts of their authors. Nothing is downloaded.

- TinyFace: `Testing_Set` with the folders Gallery_Match, Gallery_Distractor and Probe, and the lists of the people in
  their photos, gallery_match_img_ID_pairs.mat and probe_img_ID_pairs.mat, there or in `Face_Identification_Evaluation`.
- QMUL-SurvFace, identification: `Face_Identification_Test_Set` with gallery, mated_probe and unmated_probe; photos are
  named PERSON_camC_N.jpg.
- QMUL-SurvFace, verification: `Face_Verification_Test_Set` with verification_images and the lists of pairs
  positive_pairs_names.mat and negative_pairs_names.mat.
- SCface: mugshot_frontal_original_all with photos PERSON_frontal.jpg in high resolution, and surveillance_cameras_all
  with PERSON_camC_D.jpg from five cameras at three distances D. The infrared cameras 6 to 8 are left out.

Sources: Cheng, Zhu & Gong, "Low-resolution face recognition" (ACCV 2018) and "Surveillance face recognition challenge"
(2018); Grgic, Delac & Grgic, "SCface - surveillance cameras face database", Multimedia Tools and Applications (2011).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from ftlgan.errors import DataError
from ftlgan.photos import SUFFIXES
from ftlgan.verification.names import find_alike, is_missing, shown_apart

GALLERY, PROBES, NON_MATED, FACES = "gallery", "probes", "non_mated", "faces"
"""The tables of a set: enrolled people, probes of these people and of others; or all faces of a list of pairs."""
SURVEILLANCE = re.compile(r"(\d{3})_cam[1-5]_[123]")
"""The names of SCface's photos in visible light."""
Found = dict[str, list[tuple[str, Path]]]
"""For each table, the person in each photo, and the photo."""


@dataclass(frozen=True)
class NativeSet:
    """A set of small faces."""

    name: str
    tables: Mapping[str, Sequence[tuple[str, Path]]]
    """For each table, the person in each photo, and the photo."""
    large: str | None = None
    """The table with high-resolution photos."""
    pairs: Sequence[tuple[str, str, bool]] = ()
    """The stems of the two photos of each pair, and whether the pair is genuine."""
    face_ids: Mapping[Path, str] = field(default_factory=dict[Path, str])
    """The name of each photo: PERSON/STEM, or PERSON/TABLE/STEM where an earlier table has that name."""


def open_native_set(folder: Path) -> NativeSet:
    """Find the photos of a set.

    Args:
        folder: the folder with the subfolders of a set, or one of its parents.

    Raises:
        DataError: if it is none of these sets, a list does not match the photos, a table is empty, a person has no
            name or two, two photos of a table have one name, or a person in a probe is not in the gallery.
    """
    found = _find(folder)
    _check_people(folder, found)
    return replace(found, face_ids=_face_ids(found.tables))


def _find(folder: Path) -> NativeSet:
    for place in (folder, *(folder / name for name in ("Testing_Set", "tinyface/Testing_Set"))):
        if (place / "Gallery_Match").is_dir():
            return NativeSet("TinyFace", _tinyface(place))
    for place in (folder, folder / "Face_Identification_Test_Set"):
        if (place / "mated_probe").is_dir():
            return NativeSet("QMUL-SurvFace, identification", _survface(place))
    for place in (folder, folder / "Face_Verification_Test_Set"):
        if (place / "verification_images").is_dir():
            return NativeSet("QMUL-SurvFace, verification", *_survface_pairs(place))
    if (folder / "surveillance_cameras_all").is_dir():
        return NativeSet("SCface", _scface(folder), large=GALLERY)
    raise DataError(
        f"{folder}: is not a known set of small faces; give the folder of TinyFace's Testing_Set (Gallery_Match), "
        "QMUL-SurvFace's Face_Identification_Test_Set (mated_probe) or Face_Verification_Test_Set "
        "(verification_images), or SCface (surveillance_cameras_all)"
    )


def _check_people(folder: Path, found: NativeSet) -> None:
    for table, photos in found.tables.items():
        if not photos:
            raise DataError(f"{folder}: {found.name} has no photos in {table} here; get the set again")
        for who, path in photos:
            if is_missing(who):
                raise DataError(f"{path}: the person on it is called {who!r}, which is not a name; get the set again")
    people = {table: {who for who, _ in photos} for table, photos in found.tables.items()}
    if alike := find_alike(sorted(set().union(*people.values()))):
        one, other = shown_apart(*alike)
        raise DataError(f"{folder}: the people {one} and {other} look like one; spell the name one way, or rename one")
    if missing := sorted(people.get(PROBES, set()) - people.get(GALLERY, set())):
        probe = next(path for who, path in found.tables[PROBES] if who == missing[0])
        raise DataError(
            f"{probe}: the gallery has no photo of this person, {missing[0]} ({len(missing)} such people in all); get "
            "the set again, or remove the probes of these people"
        )


def _face_ids(tables: Mapping[str, Sequence[tuple[str, Path]]]) -> dict[Path, str]:
    """Return the name of each photo; see `NativeSet.face_ids`."""
    names: dict[Path, str] = {}
    first: dict[tuple[str, str], Path] = {}
    taken: set[str] = set()
    for table, photos in tables.items():
        for who, path in photos:
            name = f"{who}/{path.stem}"
            if path in names:
                other = names[path].split("/")[0]
                raise DataError(f"{path}: is listed twice, as a photo of {other} and of {who}; get the set again")
            if (same := first.setdefault((table, name), path)) != path:
                raise DataError(f"{path}: has the name of {same.name}, apart from its suffix; remove one of the two")
            names[path] = f"{who}/{table}/{path.stem}" if name in taken else name
        taken |= {names[path] for _, path in photos}
    return names


def _tinyface(place: Path) -> Found:
    found: Found = {}
    for table, subset, file, kind in (
        (GALLERY, "Gallery_Match", "gallery_match_img_ID_pairs.mat", "gallery"),
        (PROBES, "Probe", "probe_img_ID_pairs.mat", "probe"),
    ):
        path = next(
            (p for p in (place / file, place.parent / "Face_Identification_Evaluation" / file) if p.is_file()), None
        )
        if path is None:
            raise DataError(f"{place}: has no {file}, which lists the people in the photos of {subset}; put it there")
        names, people = _mat(path, f"{kind}_set"), _mat(path, f"{kind}_ids")
        if len(names) != len(people):
            raise DataError(f"{path}: names {len(names)} photos and {len(people)} people; get the file again")
        found[table] = [(who, _listed(path, place / subset, name)) for name, who in zip(names, people, strict=True)]
    distractors = place / "Gallery_Distractor"
    if distractors.is_dir():  # unlabeled: each is taken for a different person
        found[GALLERY] += [(f"distractor-{path.stem}", path) for path in _photos(distractors)]
    return found


def _survface(place: Path) -> Found:
    tables = {GALLERY: "gallery", PROBES: "mated_probe", NON_MATED: "unmated_probe"}
    if not (place / "gallery").is_dir():
        raise DataError(f"{place}: has mated_probe but no gallery; get the set again")
    found = {table: [(_first(path), path) for path in _photos(place / name)] for table, name in tables.items()}
    enrolled = {who for who, _ in found[GALLERY]}
    for who, path in found[NON_MATED]:
        if who in enrolled:
            raise DataError(f"{path}: {who} is also in the gallery, so this is not an unmated probe; get the set again")
    return {table: photos for table, photos in found.items() if photos or table != NON_MATED}


def _survface_pairs(place: Path) -> tuple[Found, None, list[tuple[str, str, bool]]]:
    images = place / "verification_images"
    pairs: list[tuple[str, str, bool]] = []
    listed: dict[Path, None] = {}
    for kind, genuine in (("positive", True), ("negative", False)):
        path = place / f"{kind}_pairs_names.mat"
        names = _mat(path, f"{kind}_pairs_names")
        half, rest = divmod(len(names), 2)
        if rest:
            raise DataError(f"{path}: names {len(names)} photos, which are not pairs; get the set again")
        for one, other in zip(names[:half], names[half:], strict=True):  # column by column
            photos = [_listed(path, images, name) for name in (one, other)]
            listed |= dict.fromkeys(photos)
            if (_first(photos[0]) == _first(photos[1])) != genuine:
                kinds = "one person" if genuine else "two people"
                raise DataError(f"{path}: {one} and {other} are not of {kinds} by their names; get the set again")
            pairs.append((photos[0].stem, photos[1].stem, genuine))
    return {FACES: [(_first(path), path) for path in sorted(listed)]}, None, pairs


def _scface(place: Path) -> Found:
    mugshots, cameras = place / "mugshot_frontal_original_all", place / "surveillance_cameras_all"
    gallery = [(_first(path), path) for path in _photos(mugshots)]
    small = [(found[1], path) for path in _photos(cameras) if (found := SURVEILLANCE.fullmatch(path.stem))]
    for folder, photos, names in ((mugshots, gallery, "PERSON_frontal.jpg"), (cameras, small, "PERSON_camC_D.jpg")):
        if not photos:
            raise DataError(f"{folder}: has no photos {names}; get the set again")
    enrolled = {who for who, _ in gallery}
    if missing := sorted({who for who, _ in small} - enrolled):
        raise DataError(f"{mugshots}: has no photo {missing[0]}_frontal.jpg of a person in surveillance_cameras_all")
    return {GALLERY: gallery, PROBES: small}


def _first(path: Path) -> str:
    return path.stem.split("_")[0]


def _photos(folder: Path) -> list[Path]:
    """Return the photos of a folder, by name."""
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _listed(source: Path, folder: Path, name: str) -> Path:
    """Return the photo that a list names."""
    path = folder / name
    if path.parent != folder or not path.is_file():
        raise DataError(f"{source}: names {name!a:.60}, which is not in {folder}; get the set again")
    return path


def _mat(path: Path, variable: str) -> list[str]:
    """Return the texts or numbers of a variable of a MATLAB file, column by column."""
    if not path.is_file():
        raise DataError(f"{path}: is missing; get the set again")
    try:
        content: dict[str, Any] = loadmat(path, variable_names=[variable])
    except (
        Exception
    ) as error:  # scipy raises many types of errors on damaged files: ValueError, TypeError, zlib.error, ...
        raise DataError(f"{path}: is not a readable MATLAB file ({type(error).__name__}); get it again") from None
    if variable not in content:
        raise DataError(f"{path}: has no variable {variable}; get the set again")
    cells = np.ravel(content[variable], order="F")
    return [_text(path, f"entry {number} of {variable}", cell) for number, cell in enumerate(cells, 1)]


def _text(path: Path, entry: str, cell: Any) -> str:
    """Return the one text or number in a cell. MATLAB's numbers are floats, so 1.0 is written as 1."""
    while isinstance(cell, np.ndarray | np.generic):
        if cell.size != 1:
            raise DataError(f"{path}: {entry} has {cell.size} values instead of one; get the set again")
        cell = cell.item()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
