"""Small photos of people of the data set, under the real DVC: they train, they are tested, and no twin is needed."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from project import Project, executed

JUDGES = ("sface", "dlib")
JUDGED = ("evaluate", "identify", "calibrate", "verify_pairs")
NATIVE_TEST = {
    *("degrade_test@native", "restore@bicubic-native", "restore_model@ftlgan-native"),
    *(f"embed@bicubic-{judge}-native" for judge in JUDGES),
    *(f"embed_model@ftlgan-{judge}-native" for judge in JUDGES),
}
TRAINING = {"triplets@sface", "targets@ftlgan", "degrade", "train@ftlgan", "validate@ftlgan"}
RESTORED = {"restore_model@ftlgan-bicubic", *(f"embed_model@ftlgan-{judge}-bicubic" for judge in JUDGES)}
TRIPLET_ALONE = {"ftlgan": {"pixel": 0, "identity": 0, "perceptual": 0}}


@pytest.fixture
def small(project: Project) -> Path:
    """A small photo of each person, in which the face is some 20 px wide."""
    folder = project.root.parent / "small"
    for person in sorted(project.photos.iterdir()):
        photo = sorted(person.iterdir())[0]
        (folder / person.name).mkdir(parents=True)
        with Image.open(photo) as image:
            scale = 40 / max(image.size)
            image.resize([round(side * scale) for side in image.size], Image.Resampling.BOX).save(
                folder / person.name / photo.with_suffix(".png").name
            )
    return folder


@pytest.mark.slow
def test_small_photos_train_and_are_tested_beside_the_others(project: Project, small: Path) -> None:
    project.set_params(dataset={"small": "../small"}, test={"conditions": ["bicubic", "native"]})
    assert executed(project.dvc("repro")) == {
        *("locate", "align_small", *TRAINING, *RESTORED, *NATIVE_TEST),
        *("degrade_test@bicubic", *JUDGED, "quality"),
    }, "and neither photos nor their embeddings were made again"
    splits = pq.read_table(project.root / "data/small", columns=["face_id", "split"]).to_pydict()
    assert all(name.startswith("small/") for name in splits["face_id"])
    assert set(splits["split"]) == {"train", "val", "test"}
    degraded = pq.read_table(project.root / "data/degraded", columns=["native", "split"]).to_pylist()
    assert sum(row["native"] for row in degraded) == splits["split"].count("train")
    origin = json.loads((project.root / "metrics/origin.json").read_text())
    assert origin["conditions"]["native"]["faces"] == splits["split"].count("test")
    headline = json.loads((project.root / "metrics/metrics.json").read_text())
    assert headline["ftlgan"].keys() == {"d'", "d' native"}

    name = splits["face_id"][splits["split"].index("train")].removeprefix("small/")
    (small / name).with_name("another.png").write_bytes((small / name).read_bytes())
    assert executed(project.dvc("repro")) == {
        *("align_small", *TRAINING, *RESTORED, "restore_model@ftlgan-native"),
        *(f"embed_model@ftlgan-{judge}-native" for judge in JUDGES),
        *("degrade_test@bicubic", "degrade_test@native", *JUDGED, "quality"),
    }, "and what was tested is as it was"

    project.set_params(train={"faces": "native"}, losses=TRIPLET_ALONE)
    assert "train@ftlgan" in executed(project.dvc("repro"))


def refused(project: Project) -> str:
    printed = project.dvc("repro", check=False).splitlines()
    return next(line for line in printed if "dataset.small" in line)


def test_what_is_wrong_with_small_photos_is_one_line(project: Project, small: Path) -> None:
    (small / "stranger").mkdir()
    (small / "stranger" / "1.png").write_bytes(next(small.rglob("*.png")).read_bytes())
    project.set_params(dataset={"small": "../small"})
    assert "../small/stranger: the data set has no person of this name" in refused(project)
    project.set_params(dataset={"small": "../nowhere"})
    assert "dataset.small: ../nowhere does not exist" in refused(project)
    project.set_params(dataset={"small": "../photos"})
    assert "dataset.small: ../photos is the same folder as ../photos, which is dataset.path" in refused(project)
    project.set_params(dataset={"small": "data/no-small-photos"}, test={"conditions": ["native"]})
    assert "test.conditions: native faces come from dataset.small; set that to a folder" in refused(project)
    project.set_params(dataset={"small": "../small"}, train={"faces": "native"}, test={"conditions": ["bicubic"]})
    printed = project.dvc("repro", check=False)
    assert "losses.ftlgan.pixel: 1, but native faces (train.faces) have no high-resolution twin" in printed
