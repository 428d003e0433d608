"""What the tests of training share."""

import pytest
from small import small_set

from ftlgan.training.data import TrainingSet


@pytest.fixture(scope="session")
def data() -> TrainingSet:
    """Read only."""
    return small_set()
