"""The packaged generators, and what is known of the faces that they restore."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file

from ftlgan import Restorer
from ftlgan.degradation import downsample
from ftlgan.errors import WeightsError
from ftlgan.params import BUILT_IN
from ftlgan.recognition import recognizers
from ftlgan.restoration.bicubic import Bicubic
from ftlgan.tool.crops import aligned_crop
from ftlgan.tool.finding import FaceFinder
from ftlgan.tool.kit import MATCH, MatchFile
from ftlgan.tool.pack import SIZES
from ftlgan.weights.models import SETS, description_of, packaged_models
from ftlgan.weights.packaged import sha256_of

LARGEST = 4_000_000
"""Bytes of a file."""


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_a_kit_of_generators_in_half_precision(name: str) -> None:
    files = packaged_models(name)
    assert {res: sha256_of(path) for res, path in files.items()} == SETS[name].digests
    for res, path in files.items():
        description = description_of(path)
        assert description["res"] == res
        assert BUILT_IN["dlib"] not in {teacher["sha256"] for teacher in description["teachers"]}
        assert path.stat().st_size <= LARGEST
        assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float16}
    knowledge = MatchFile.load(next(iter(files.values())).parent / MATCH)
    assert knowledge.generators == tuple(sorted(map(sha256_of, files.values())))
    for protocol in ("lr-hr", "lr-lr"):
        assert knowledge.sizes(protocol) == list(SIZES)


def test_a_small_face_comes_nearer_to_its_original_than_by_interpolation() -> None:
    """By the recognizer that is in no loss, on a face that is in no data set of ours."""
    photo = skimage.data.astronaut()
    high = aligned_crop(photo, FaceFinder(0.75).main_face(photo))
    small = downsample(high, (14, 14), "bicubic")[None]
    faces = np.stack([high, Bicubic().restore(small)[0], Restorer.load().restore(small)[0]])
    original, bicubic, restored = recognizers.load("dlib").embed(faces)
    assert restored @ original > bicubic @ original


def test_another_name_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'mine': is neither a packaged set nor a file"):
        packaged_models("mine")
    with pytest.raises(WeightsError, match="there is no such file"):
        description_of(tmp_path / "gone")
    (tmp_path / "damaged").write_bytes(packaged_models("lfw")[14].read_bytes()[:1000])
    with pytest.raises(WeightsError, match="is not a whole safetensors file"):
        description_of(tmp_path / "damaged")
