"""The lock files: two hold what the libraries ask for, the first is enough without a GPU, and one builds the site."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NEVER = {"opencv-python-headless", "warp-lang"}  # overridden in pyproject.toml


def locked(name: str) -> dict[str, list[str]]:
    """Return the versions in a lock file by package: several, where each is for other versions of Python."""
    versions = defaultdict[str, list[str]](list)
    for package, version in re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE):
        versions[package].append(version)
    return versions


def asked(package: str, extras: frozenset[str] = frozenset()) -> Iterator[Requirement]:
    """Yield what pyproject.toml, or an installed package, asks for here."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for line in own if package == "ftlgan" else requires(package) or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": x}) for x in extras | {""}):
            yield requirement


def test_the_locks_hold_all_that_is_asked_for() -> None:
    cpu, gpu = locked("requirements.lock"), locked("requirements-gpu.lock")
    assert not cpu.keys() & gpu.keys()
    seen, queue = set[tuple[str, frozenset[str]]](), [("ftlgan", frozenset[str]())]
    while queue:
        package, extras = queue.pop()
        if (package, extras) in seen:
            continue
        seen.add((package, extras))
        try:
            requirements = list(asked(package, extras))
        except PackageNotFoundError:
            assert package in gpu, f"{package} is in requirements.lock, but not installed"
            continue
        for requirement in requirements:
            name = canonicalize_name(requirement.name)
            if name not in NEVER:
                versions = cpu.get(name, []) + gpu.get(name, [])
                assert list(requirement.specifier.filter(versions, prereleases=True)), f"{package}: {requirement}"
                queue.append((name, frozenset(requirement.extras)))
    assert {name for name, _ in seen} >= {"torch", "anny"}
    if "triton" in {requirement.name for requirement in asked("torch")}:
        assert {name for name, _ in seen} >= gpu.keys() - {"cuda-pathfinder"}  # cuda-bindings asks for that one


def test_the_tools_of_the_documentation_leave_the_other_packages_as_they_are() -> None:
    """They are installed into the same environment, by name and hash alone."""
    all_, docs = locked("requirements.lock"), locked("requirements-docs.lock")
    assert {name: versions for name, versions in docs.items() if name in all_ and versions != all_[name]} == {}
    group = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["docs"]
    for requirement in map(Requirement, group):
        assert str(requirement.specifier) == f"=={docs[requirement.name][0]}"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-gpu.lock", "requirements-docs.lock"])
def test_a_lock_has_no_address_of_a_registry(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()
