"""A project in which the real DVC has run, once a test run."""

from pathlib import Path

import pytest
from documentation import documented
from project import Project, new_project
from sharing import MadeOnce


@pytest.fixture(scope="session")
def reproduced(made_once: MadeOnce, photos: Path) -> Project:
    """A project in which `dvc repro` has run and the result is committed. Read only: see `project`."""

    def make(folder: Path) -> None:
        project = new_project(folder / "here", photos)
        project.tracking = "on"
        (folder / "printed").write_text(project.dvc("repro"))
        project.commit()

    folder = made_once("reproduced", make)
    return Project(folder / "here/project", printed=(folder / "printed").read_text())


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of a reproduced project that the test may change."""
    return reproduced.copy_to(tmp_path / "there")


@pytest.fixture(scope="session")
def experiments(reproduced: Project, made_once: MadeOnce) -> Project:
    """A project with a remote, and with experiments that two workers of the queue ran. Read only, too."""

    def make(folder: Path) -> None:
        project = reproduced.copy_to(folder / "here")
        project.dvc("remote", "add", "-d", "team", "../remote")
        project.commit()  # first: an experiment goes to the remote that its commit knows
        queue, start = documented("dvc exp run --queue").split(" && ")
        project.run("bash", "-c", queue)
        try:
            project.run("bash", "-c", f"{start} -j 2")
            project.wait_for_queue()
        finally:
            project.dvc("queue", "stop", "--kill", check=False)

    return Project(made_once("experiments", make) / "here/project")
