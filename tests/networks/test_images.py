"""Stored images become tensors and come back."""

import warnings

import numpy as np
import pytest

from ftlgan.networks.images import to_faces, to_tensor


@pytest.mark.parametrize("writable", [True, False])
def test_images_come_back_and_an_array_that_is_read_only_gives_no_warning(writable: bool) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (2, 14, 14, 3), dtype=np.uint8)
    faces.flags.writeable = writable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = to_tensor(faces)
    assert tensor.shape == (2, 3, 14, 14)
    assert 0 <= float(tensor.min()) < float(tensor.max()) <= 1
    assert np.array_equal(to_faces(tensor), faces)
