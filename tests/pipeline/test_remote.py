"""A team's shared cache: results that somebody has computed are not computed again."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documentation import documented
from project import Project, executed
from remotes import KINDS, Remote

TEAMMATE = documented("dvc pull --run-cache &&")


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    folder = tmp_path / "remote"
    folder.mkdir()
    with KINDS[request.param](folder) as remote:
        yield remote


def share(project: Project, remote: Remote) -> None:
    remote.add_to(project)
    project.run("bash", "-c", documented("git commit -am").rpartition(" && ")[2])


OF_THIS_PLACE = ("located.txt", "located_small.txt", "README.txt")
"""What the stage `locate` makes, which runs where the photos are."""


def results(project: Project) -> dict[str, bytes]:
    """Every result, in git or not."""
    files = [path for folder in ("data", "metrics") for path in (project.root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(project.root)): path.read_bytes() for path in files if path.name not in OF_THIS_PLACE}


def test_a_teammate_gets_every_result_without_computing(project: Project, remote: Remote, tmp_path: Path) -> None:
    """A teammate does not need the photos, either."""
    share(project, remote)
    mate = project.clone_to(tmp_path / "mate")
    remote.configure(mate)
    assert executed(mate.run("bash", "-c", TEAMMATE)) == set()
    assert results(mate) == results(project)
    assert mate.run("git", "status", "--porcelain") == ""
    in_git = (mate.root / ".dvc/config").read_text()
    assert remote.url in in_git
    assert not any(f"{name} = " in in_git for name in remote.local)


def test_what_a_teammate_has_not_pulled_comes_when_it_is_needed(project: Project, tmp_path: Path) -> None:
    """Somebody else has mined with another margin: the triplets come from the run cache."""
    project.dvc("exp", "run", "-S", "triplets.margin=0.4", "triplets@sface")
    share(project, Remote(str(tmp_path / "remote")))
    project.run("git", "checkout", "-q", "HEAD~1", "--", "params.yaml", "dvc.lock")
    project.commit()
    mate = project.clone_to(tmp_path / "mate")
    shutil.copytree(project.photos, mate.photos)
    printed = mate.dvc("exp", "run", "--pull", "-S", "triplets.margin=0.4", "triplets@sface")
    assert executed(printed) <= {"locate"}
    assert "Stage 'triplets@sface' is cached - skipping run" in printed
    assert (mate.root / "data/triplets/sface/part-00000.parquet").is_file()


def columns(remote: Path) -> set[str]:
    """Return the columns of all tables in a remote or a cache."""
    names: set[str] = set()
    for path in (remote / "files").rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"PAR1":
            names |= set(pq.read_schema(pa.BufferReader(path.read_bytes())).names)
    return names


@pytest.mark.parametrize(
    ("kept", "still_shared"),
    [
        (["pictures"], {"embedding", "identity"}),
        (["pictures", "vectors"], set()),
    ],
)
def test_faces_stay_where_they_are_and_a_teammate_gets_the_results(
    project: Project, tmp_path: Path, kept: list[str], still_shared: set[str]
) -> None:
    switches = project.root / "dvc.yaml"
    for name in kept:
        share_it = f"{name}: &{name} {{push: true}}"
        assert share_it in switches.read_text()
        switches.write_text(switches.read_text().replace(share_it, share_it.replace("true", "false")))
    share(project, Remote(str(tmp_path / "remote")))
    assert columns(project.root / ".dvc/cache") >= {"image", "embedding", "identity"}
    assert columns(tmp_path / "remote") & {"image", "embedding", "identity"} == still_shared
    mate = project.clone_to(tmp_path / "mate")
    assert executed(mate.run("bash", "-c", documented("dvc pull --run-cache --allow-missing"))) == set()
    theirs, ours = results(mate), results(project)
    assert theirs == {name: ours[name] for name in theirs}
    assert {"data/model/ftlgan/generator.safetensors", "metrics/verification.csv"} <= theirs.keys()
    assert not any(name.startswith(("data/raw/", "data/aligned/", "data/restored/")) for name in theirs)
    assert json.loads(mate.dvc("metrics", "show", "--json"))
