"""A project in which the real DVC has run, once a session."""

from pathlib import Path

import pytest
from project import Project, new_project


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Project:
    """A project in which `dvc repro` has run and the result is committed. Read only: see `project`."""
    project = new_project(tmp_path_factory.mktemp("reproduced") / "here", photos)
    project.printed = project.dvc("repro")
    project.commit()
    return project


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of a reproduced project, to do with as the test likes."""
    return reproduced.copy_to(tmp_path / "there")
