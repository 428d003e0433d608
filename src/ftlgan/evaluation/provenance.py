"""The provenance of a result: the photos, checked and counted, and every setting that changes its meaning."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ftlgan.detection import YUNET, YUNET_SHA256
from ftlgan.errors import DataError
from ftlgan.evaluation.judging import WHITE, Embedded, Result, Teachers, box
from ftlgan.faces import HR, SPLITS, stream_faces
from ftlgan.params import NATIVE, PACKAGED, Params

LIBRARIES = {
    "torch": "torch",
    "onnxruntime": "onnxruntime",
    "dlib": "dlib-bin",
    "opencv": "opencv-python",
    "pillow": "pillow",
    "numpy": "numpy",
}
"""The libraries that compute the results, and the packages that contain them."""


@dataclass(frozen=True)
class Photos:
    """The aligned photos of all splits."""

    sha256: str
    """The digest of names, people, splits and images."""
    people: Mapping[str, int]
    """The number of people in each split."""
    photos: Mapping[str, int]
    """The number of photos in each split."""
    single_photo_people: int
    """The number of people in train with a single photo."""
    unlabelled_photos: int
    """The number of photos in train of unknown people."""
    copies: frozenset[str]
    """The face_id of test photos that are byte-identical to a photo in train or val, or to an earlier test photo;
    native small photos are included."""
    without_reference: frozenset[str]
    """The face_id of native small test photos of people without high-resolution photos other than `copies`."""


def check_photos(aligned: Path, small: Path) -> Photos:
    """Check and count the aligned photos.

    Two identical files give byte-identical aligned faces, whatever their names and identities. So do two encodings of
    the same pixels.

    Args:
        aligned: the folder of the table of aligned faces.
        small: the folder of the table of aligned native small faces, which are not counted.

    Raises:
        DataError: if somebody is in two splits.
    """
    seen = hashlib.sha256()
    split_of: dict[str, str] = {}
    photos: Counter[str] = Counter()
    photos_of: Counter[str | None] = Counter()
    first: dict[bytes, str] = {}
    test: list[tuple[bytes, str, str | None]] = []
    native: list[tuple[bytes, str, str | None]] = []
    for batch in stream_faces(aligned):
        for row in batch.select(["face_id", "identity", "split", "image"]).to_pylist():
            name, person, split = row["face_id"], row["identity"], row["split"]
            if person is not None and split_of.setdefault(person, split) != split:
                raise DataError(
                    f"{aligned}: {person} is in {split_of[person]} and in {split}; run `dvc repro -f fetch`"
                )
            image = hashlib.sha256(row["image"]).digest()
            seen.update("\0".join((name, person or "", split, image.hex(), "")).encode())
            photos[split] += 1
            photos_of[person] += 1
            if split == "test":
                test.append((image, name, person))
            else:
                first[image] = name
    for batch in stream_faces(small):
        for row in batch.select(["face_id", "identity", "split", "image"]).to_pylist():
            image = hashlib.sha256(row["image"]).digest()
            if row["split"] == "test":
                native.append((image, row["face_id"], row["identity"]))
            else:
                first[image] = row["face_id"]
    copies = frozenset(name for image, name, _ in test + native if first.setdefault(image, name) != name)
    references = {person for _, name, person in test if name not in copies}
    people = Counter(split_of.values())
    return Photos(
        sha256=seen.hexdigest(),
        people={split: people[split] for split in SPLITS},
        photos={split: photos[split] for split in SPLITS},
        single_photo_people=sum(photos_of[person] == 1 for person, split in split_of.items() if split == "train"),
        unlabelled_photos=photos_of[None],
        copies=copies,
        without_reference=frozenset(name for _, name, person in native if person not in references),
    )


def origin(
    params: Params,
    photos: Photos,
    rejects: Mapping[str, int],
    galleries: Mapping[str, Embedded],
    small_faces: Mapping[str, int],
    native_photos: int,
    results: Sequence[Result],
    teachers: Teachers,
) -> dict[str, Any]:
    """Return the provenance of the results of the stage `evaluate`, as JSON.

    The versions are those of this environment. Results that DVC took from a cache may come from another one.

    Args:
        params: the params of the whole pipeline.
        photos: the photos that `check_photos` counted.
        rejects: the number of photos that could not be used, by reason.
        galleries: the high-resolution test faces, embedded by each judge.
        small_faces: the number of test faces that each condition left.
        native_photos: the number of small training photos without a twin.
        results: the results of all methods, judges and protocols.
        teachers: the recognizers in the loss of each model.
    """
    settings, start = params.evaluate, params.train.start
    split = {name: {"people": photos.people[name], "photos": photos.photos[name]} for name in SPLITS}
    split["train"] |= {"single_photo_people": photos.single_photo_people, "unlabelled_photos": photos.unlabelled_photos}
    split["train"] |= {"native_photos": native_photos}
    if params.align.aligned:
        crop = {"template": f"ArcFace, {HR}x{HR}", "aligned": "before, by whoever made the photos"}
    else:
        crop = {
            "template": f"ArcFace, five landmarks, similarity, {HR}x{HR}",
            "detector": YUNET.removesuffix(".onnx"),
            "detector_sha256": YUNET_SHA256,
        }
    return {
        "software": {library: version(package) for library, package in LIBRARIES.items()},
        "dataset": {"source": params.dataset.source, "aligned_sha256": photos.sha256},
        "split": {"by": "person", "seed": params.seed, **split},
        "left_out": {
            "rejects": dict(rejects),
            "byte_identical_copies": len(photos.copies),
            "native_without_reference": len(photos.without_reference),
        },
        "crop": crop | {"small_aligned": params.align.small_aligned},
        "degradation": {
            "res": params.res,
            "training": params.degradation.model_dump(),
            "resampler": "Pillow, antialiased",
        },
        "start": start if start is None or start == PACKAGED else {"sha256": start.sha256},
        "conditions": {
            condition: {"faces": count} | ({} if condition == NATIVE else {"not_found": photos.photos["test"] - count})
            for condition, count in small_faces.items()
        },
        "judges": {
            judge: {
                "sha256": gallery.recognizer["sha256"],
                "white_for": [model for model in params.models if box(judge, [model], teachers) == WHITE],
            }
            for judge, gallery in galleries.items()
        },
        "similarity": "cosine",
        "intervals": {
            "level": settings.confidence,
            "resampled": "people",
            "replicates": settings.replicates,
            "seed": params.seed,
            "kind": "percentile",
        },
        "results": [
            {
                "condition": result.condition,
                "method": result.method,
                "judge": result.judge,
                "protocol": result.protocol,
                "people": result.report.people,
                "photos": len(galleries[result.judge].faces.face_ids),
                "genuine": result.report.genuine,
                "impostor": result.report.impostor,
                "auc_error": result.report.auc_error,
                "bootstrap": "to first order" if result.report.first_order else "exact",
                "absent": dict(result.report.absent),
            }
            for result in results
        ],
    }
