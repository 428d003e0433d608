import pytest

from ftlgan.sources.synthetic.anatomy import HumanModel


@pytest.fixture(scope="session")
def model() -> HumanModel:
    return HumanModel()
