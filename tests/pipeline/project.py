"""A clone of the project with a tiny configuration, and the real commands in it."""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML
from warm_python import warmed

ROOT = Path(__file__).parents[2]
FILES = [
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
    ".dvcignore",
    ".gitattributes",
    ".gitignore",
    "dvc.yaml",
    "params.yaml",
    "src",
    "stages",
]
TINY = {
    "methods": ["bicubic"],
    "dataset": {"path": "../photos", "people": None, "photos": None, "val": 0.2, "test": 0.3},
    "triplets": {"positives": 1, "negatives": 2, "hardest": 5},
    "generator": {"preset": "small", "features": 8, "blocks": 1, "growth": 4},
    "train": {"steps": 2, "batch": 4, "validate": 2, "warmup": 1},
    "test": {"conditions": ["bicubic"]},
    "evaluate": {"replicates": 100, "sheet": 2},
}

FORKS = multiprocessing.get_context("forkserver")
"""Starts processes that have imported DVC already: it takes a second, and the tests run `dvc` two hundred times."""
FORKS.set_forkserver_preload(
    [
        "dvc.cli.parser",
        "dvc.data_cloud",
        "dvc.repo.experiments.queue.celery",
        "dvc.repo.experiments.run",
        "dvc.repo.graph",
        "dvc.repo.index",
        "dvc.repo.plots",
        "dvc.repo.reproduce",
        "dvc.stage.cache",
        "dvc.utils.strictyaml",
        "dulwich.porcelain",
        "hydra.core.override_parser.overrides_parser",
        "hydra.utils",
        "networkx",
        "ruamel.yaml",
    ]
)


def dvc_command(arguments: list[str], folder: Path, environment: dict[str, str], printed: str) -> None:
    """Be `dvc` in a process of its own, as the program of that name is."""
    from dvc.cli import main

    file = os.open(printed, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dvc", *arguments]
    sys.exit(main(arguments))


@dataclass
class Project:
    """A clone of the project, beside a folder `photos`."""

    root: Path
    printed: str = ""
    """By the first `dvc repro`."""
    tracking: str = "off"
    """FTLGAN_TRACKING of its commands: MLflow takes seconds to start, and few tests look into it."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands: our programs on the path, nothing of the DVC and MLflow around the tests.

        A thread each: other tests run beside them, and on tiny data threads wait for each other.
        """
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        someone = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
        fast = {"DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", "FTLGAN_TRACKING": self.tracking}
        return {**outside, **someone, "PATH": path, **fast}

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the project's root; what it printed."""
        environment = warmed(self.environment)
        done = subprocess.run(command, cwd=self.root, env=environment, text=True, capture_output=True, check=False)
        printed = done.stdout + done.stderr
        assert done.returncode == 0 or not check, printed
        return printed

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a session of its own, in which it can be killed with all that it started.

        Its stages are run by the real Python.
        """
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def dvc(self, *arguments: str, check: bool = True) -> str:
        """Run `dvc` in the project's root; what it printed."""
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
            command = list(arguments), self.root, warmed(self.environment), file.name
            process = FORKS.Process(target=dvc_command, args=command)
            process.start()
            process.join()
            printed = file.read()
        assert process.exitcode == 0 or not check, printed
        return printed

    def set_params(self, **changed: object) -> None:
        """Write some values into params.yaml; of a section, those that are given."""
        yaml = YAML()
        params = yaml.load(self.root / "params.yaml")
        merge(params, changed)
        yaml.dump(params, self.root / "params.yaml")

    def stale(self) -> set[str]:
        """The stages of which DVC says that their params, data or code have changed, or an output is missing.

        Those that depend on them are stale once these have run, if their outputs change.
        """
        return set(json.loads(self.dvc("status", "--json")))

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state", "--allow-empty")

    @property
    def photos(self) -> Path:
        return self.root.parent / "photos"

    def clone_to(self, folder: Path) -> "Project":
        """A teammate's clone: what is in git, without cache, results or photos."""
        folder.mkdir()
        self.run("git", "clone", "-q", str(self.root), str(folder / self.root.name))
        return Project(folder / self.root.name)

    def wait_for_queue(self) -> str:
        """Wait until the workers of DVC's queue have done everything; what `dvc queue status` then says."""
        deadline = time.monotonic() + 300
        while re.search(r"\b(Queued|Preparing|Running)\b", status := self.dvc("queue", "status")):
            assert time.monotonic() < deadline, status
            time.sleep(2)
        return status

    def copy_to(self, folder: Path) -> "Project":
        """The same project and photos elsewhere, with cache and results."""
        shutil.copytree(self.root.parent, folder, symlinks=True)
        return Project(folder / self.root.name)


def merge(section: dict[str, Any], changed: Mapping[str, Any]) -> None:
    """Write values into nested mappings."""
    for key, value in changed.items():
        if isinstance(value, Mapping) and isinstance(section.get(key), dict):
            merge(section[key], cast("Mapping[str, Any]", value))
        else:
            section[key] = value


def executed(printed: str) -> set[str]:
    """The stages that DVC says it ran."""
    return set(re.findall(r"Running stage '([^']+)'", printed))


def new_project(folder: Path, photos: Path) -> Project:
    """A clone with the tiny configuration, in which nothing has run."""
    project = Project(folder / "project")
    for name in FILES:
        target = project.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    project.set_params(**TINY)
    shutil.copytree(photos, project.photos)
    project.run("git", "init", "-q")
    project.commit()
    return project
