"""A project in which the real DVC has run, once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project, new_project, readme


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


@pytest.fixture(scope="session")
def experiments(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a remote, and with experiments that two workers of the queue ran. Read only, too."""
    project = reproduced.copy_to(tmp_path_factory.mktemp("experiments") / "here")
    project.dvc("remote", "add", "-d", "team", "../remote")
    project.commit()  # first: an experiment goes to the remote that its commit knows
    queue, start = readme("dvc exp run --queue").split(" && ")
    project.run("bash", "-c", queue)
    try:
        project.run("bash", "-c", f"{start} -j 2")
        project.wait_for_queue()
        yield project
    finally:
        project.dvc("queue", "stop", "--kill", check=False)
