"""Faults from outside: kills, a full disk, a bad cache or remote, another pipeline, another clock.

After each of them `dvc repro` ends in the same bytes as an undisturbed run.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from documentation import documentation
from project import Project, executed
from remotes import s3_emulator
from ruamel.yaml import YAML
from servers import free_port
from small_disk import small_disk

SUDDEN_DEATH = Path(__file__).with_name("sudden_death")

HALF_WAY = {
    "locate": "data/located.txt",
    "align": "data/rejects.parquet",
    "evaluate": "metrics/scores.png",
}
"""A stage, and what it writes when it dies: of several outputs one, when those before it are there.

That a table is there whole or not at all is in tests/test_faces.py, that training goes on in test_training.py."""


def in_cache(project: Project, md5: str) -> Path:
    return project.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def objects(project: Project, stage: str) -> list[Path]:
    """Where the cache has the outputs of a stage: files, and lists of what is in a folder."""
    outs = YAML(typ="safe", pure=True).load(project.root / "dvc.lock")["stages"][stage]["outs"]
    return [path for out in outs if (path := in_cache(project, out["md5"])).exists()]


def shard(project: Project, stage: str) -> Path:
    """Where the cache has the first file of a folder that is the output of a stage."""
    (folder,) = objects(project, stage)
    return in_cache(project, json.loads(folder.read_text())[0]["md5"])


def forget(project: Project, stage: str) -> None:
    """Take the outputs of a stage out of the cache, from which they would come back without a run."""
    for path in objects(project, stage):
        path.unlink()


def kill(project: Project, *command: str, at: str | Path) -> None:
    """Kill a command, and all that it started, when one of them writes a file."""
    running = project.start(*command, PYTHONPATH=str(SUDDEN_DEATH), DIE_AT=str(at))
    printed, _ = running.communicate(timeout=300)
    assert running.returncode == -signal.SIGKILL, printed


def is_as(project: Project, reproduced: Project) -> None:
    """Assert byte-identical results, nothing stale, and no leftovers."""
    assert (project.root / "dvc.lock").read_bytes() == (reproduced.root / "dvc.lock").read_bytes()
    assert project.run("git", "status", "--porcelain") == ""
    assert json.loads(project.dvc("status", "--json")) == {}


@pytest.mark.parametrize("stage", HALF_WAY)
def test_a_stage_that_was_killed_runs_again_to_the_same_bytes(
    project: Project, reproduced: Project, stage: str
) -> None:
    forget(project, stage)
    kill(project, "dvc", "repro", "--force", "--single-item", stage, at=HALF_WAY[stage])
    assert executed(project.dvc("repro")) == {stage}
    is_as(project, reproduced)


def test_killed_while_dvc_stores_a_result_its_stage_runs_again(project: Project, reproduced: Project) -> None:
    """The result is complete, but only half of it is in the cache, and dvc.lock has no entry."""
    stored = shard(project, "degrade")
    stored.unlink()
    forget(project, "degrade")
    kill(project, "dvc", "repro", "--force", "--single-item", "degrade", at=stored)
    assert executed(project.dvc("repro")) == {"degrade"}
    is_as(project, reproduced)


@pytest.mark.parametrize(
    ("file", "said", "remedy"),
    [
        ("dvc.lock", "'./dvc.lock' validation failed", "git checkout dvc.lock"),
        (".dvc/tmp/rwlock", "Unable to read RWLock-file '.dvc/tmp/rwlock'", "rm .dvc/tmp/rwlock"),
    ],
)
def test_killed_while_dvc_writes_its_own_files_there_is_a_way_out(
    project: Project, reproduced: Project, file: str, said: str, remedy: str
) -> None:
    """DVC writes them in place. Stages that have run are restored without a run."""
    kill(project, "dvc", "repro", "--force", "--single-item", "triplets@sface", at=project.root / file)
    assert said in project.dvc("repro", check=False)
    assert f"`{remedy}`" in documentation()
    project.run(*remedy.split())
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)


def test_of_two_pipelines_at_once_the_second_says_who_is_at_work(project: Project, reproduced: Project) -> None:
    first = project.start("dvc", "repro", "--force", "--single-item", "gallery@dlib")
    assert first.stdout
    assert any(line.startswith("> python stages/gallery.py") for line in first.stdout)
    second = project.dvc("repro", check=False)
    assert first.poll() is None, "it was done before the second began"
    first.communicate(timeout=300)
    assert first.returncode == 0
    assert "is busy, it is being blocked by:" in second
    assert f"(PID {first.pid})" in second
    assert executed(second) == set()
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)


@contextmanager
def aside(folder: Path) -> Generator[Path, None, None]:
    """Put a folder out of the way, so that something else can have its place."""
    away = folder.with_name("away")
    folder.rename(away)
    try:
        yield folder
    finally:
        folder.rmdir()
        away.rename(folder)


def test_a_cache_without_room_is_said_and_nothing_is_lost(project: Project, reproduced: Project) -> None:
    with aside(project.root / ".dvc/cache") as cache, small_disk(cache, kib=100):
        printed = project.dvc("repro", "fetch", check=False)
        assert "No space left on device" in printed
        assert str(cache) in printed
        assert "Traceback" not in printed
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)


def test_results_without_room_are_one_line(project: Project, reproduced: Project) -> None:
    with aside(project.root / "metrics") as metrics, small_disk(metrics, kib=44):
        (metrics / "full").write_bytes(bytes(4096))
        printed = project.dvc("repro", "--force", "--single-item", "evaluate", check=False)
        (line,) = [line for line in printed.splitlines() if line.startswith("ERROR: metrics")]
        assert "the disk is full" in line
        assert "Traceback" not in printed
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)


@contextmanager
def read_only(folder: Path) -> Generator[None, None, None]:
    """Let nobody write into a folder, not even root; the test is skipped where that is not permitted."""
    try:
        subprocess.run(["mount", "--bind", folder, folder], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {getattr(error, 'stderr', error)}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_read_only_cache_is_named_when_something_is_stale(project: Project, reproduced: Project) -> None:
    cache = project.root / ".dvc/cache"
    with read_only(cache):
        assert executed(project.dvc("repro")) == set()
        (project.root / "data/triplets/sface/part-00000.parquet").unlink()
        (line,) = [line for line in project.dvc("repro", check=False).splitlines() if line.startswith("ERROR: ")]
        assert "Read-only file system" in line
        assert str(cache) in line
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)


def spoil(path: Path) -> None:
    """Flip a bit of a file without changing its size or time, as a bad disk does."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_cache_that_went_bad_is_found_by_reading_it_again_and_mended(project: Project, reproduced: Project) -> None:
    """DVC trusts a write-protected file in the cache whose size and time are unchanged."""
    again = "find data .dvc/cache/files -type f -exec touch {} + -exec chmod u+w {} +"
    assert again in documentation()
    spoil(shard(project, "degrade"))
    shutil.rmtree(project.root / "data/degraded")
    project.dvc("checkout")
    project.run("bash", "-c", again)
    stale = set(json.loads(project.dvc("status", "--json")))
    assert {"degrade", "train@ftlgan"} <= stale
    assert stale.isdisjoint({"fetch", "align", "embed_teacher@sface", "gallery@dlib", "triplets@sface"})
    assert executed(project.dvc("repro")) == {"degrade"}
    is_as(project, reproduced)


def clone(project: Project, folder: Path) -> Project:
    """A teammate's clone, with the same photos and without any result."""
    teammate = project.clone_to(folder)
    shutil.copytree(project.photos, teammate.photos)
    return teammate


def has_everything(teammate: Project, reproduced: Project) -> None:
    """Assert that a clone gets every result from the remote, and computes nothing."""
    teammate.dvc("pull")
    assert executed(teammate.dvc("repro")) == {"locate"}
    is_as(teammate, reproduced)


@pytest.fixture
def remote(project: Project, tmp_path: Path) -> Path:
    """Where the project's remote will be: a folder that nobody has made yet."""
    project.dvc("remote", "add", "--quiet", "--default", "team", str(tmp_path / "remote"))
    project.dvc("remote", "modify", "team", "verify", "true")
    project.commit()
    return tmp_path / "remote"


def test_a_push_that_was_killed_or_found_no_room_is_made_up_for(
    project: Project, reproduced: Project, remote: Path, tmp_path: Path
) -> None:
    """Everything pushed to the small disk is lost with it."""
    with small_disk(remote, kib=500):
        printed = project.dvc("push", check=False)
        assert "No space left on device" in printed
        assert "ERROR: failed to push data to the cloud" in printed
    remote.rmdir()
    stored = shard(project, "degrade").relative_to(project.root / ".dvc/cache")
    kill(project, "dvc", "push", "--jobs", "1", at=remote / stored)
    project.dvc("push")
    has_everything(clone(project, tmp_path / "clone"), reproduced)


def test_a_remote_that_went_bad_is_noticed_by_pull(
    project: Project, reproduced: Project, remote: Path, tmp_path: Path
) -> None:
    """A push does not check the contents of the remote. An empty remote fixes this."""
    project.dvc("push")
    stored = shard(project, "degrade").relative_to(project.root / ".dvc/cache")
    spoil(remote / stored)
    teammate = clone(project, tmp_path / "clone")
    assert "Checkout failed for following targets:\ndata/degraded\n" in teammate.dvc("pull", check=False)
    assert not (teammate.root / "data/degraded").exists()
    shutil.rmtree(remote)
    project.dvc("push")
    has_everything(teammate, reproduced)


def test_a_remote_that_goes_away_is_named_and_the_next_push_makes_up_for_it(
    project: Project, reproduced: Project, tmp_path: Path
) -> None:
    """A server that is killed, and comes back with nothing."""
    port = free_port()
    with s3_emulator(tmp_path, port) as remote:
        remote.add_to(project)
        push = project.start("dvc", "push", "--jobs", "1")
        while '"PUT /our-bucket/ftlgan/files/' not in (tmp_path / "moto.log").read_text():
            assert push.poll() is None, "it was done before the server was killed"
            time.sleep(0.01)
        assert remote.server
        remote.server.kill()
        printed, _ = push.communicate(timeout=300)
    assert push.returncode != 0
    errors = [line for line in printed.splitlines() if line.startswith("ERROR: ")]
    assert errors
    assert all(f'Could not connect to the endpoint URL: "http://127.0.0.1:{port}/our-bucket' in line for line in errors)
    assert "Traceback" not in printed
    with s3_emulator(tmp_path, port):
        project.dvc("push")
        teammate = clone(project, tmp_path / "clone")
        remote.configure(teammate)
        has_everything(teammate, reproduced)


def test_a_clock_that_was_set_back_makes_nothing_stale_and_hides_no_change(
    project: Project, reproduced: Project
) -> None:
    """Every file has a time in the next year."""
    then = time.time() + 365 * 24 * 3600
    for path in [*project.root.rglob("*"), *project.photos.rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)
    assert executed(project.dvc("repro")) == set()
    photo, another = (project.photos / "person-0000" / name for name in ("0000.jpg", "0001.jpg"))
    before = photo.read_bytes()
    photo.write_bytes(another.read_bytes())
    assert executed(project.dvc("repro", "align")) == {"fetch", "align"}
    photo.write_bytes(before)
    assert executed(project.dvc("repro")) == set()
    is_as(project, reproduced)
