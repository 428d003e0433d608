"""What tracking promises, held against a real MLflow, DVC and git."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from documentation import documentation
from hypothesis import given
from hypothesis import strategies as st
from servers import free_port, served

from ftlgan import tracking
from ftlgan.errors import ParamsError
from ftlgan.repository import locked_stages, stages_in
from ftlgan.tracking.__main__ import main as deliver_pending
from ftlgan.tracking.artifacts import local_path
from ftlgan.tracking.names import flatten, mend
from ftlgan.tracking.spool import Spool, repository_root
from ftlgan.tracking.store import Store, tracking_uri
from ftlgan.tracking.tags import identifying_tags, inputs
from ftlgan.tracking.view import VIEW_TAG, with_columns

PARAMS = {"res": 14, "train": {"steps": 800, "rate": 1e-4}, "methods": ["bicubic", "ftlgan"]}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite store without experiments of ours: making one takes seconds, copying it none."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    client(f"sqlite:///{database}").search_experiments()
    return database


@pytest.fixture
def root(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with an empty store, and neither git, DVC nor a server around."""
    for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_TRACKING"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path)
    return tmp_path


@pytest.fixture
def nowhere() -> str:
    """Address of a server that is not there."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def server(tmp_path: Path, empty_store: Path) -> Iterator[str]:
    """Address of an MLflow server of its own."""
    home = tmp_path / "server"
    home.mkdir()
    shutil.copy(empty_store, home)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with served([*command, "--backend-store-uri", "sqlite:///mlflow.db"], port, home / "log"):
        yield f"http://127.0.0.1:{port}"


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def all_runs(uri: str) -> list[Any]:
    store = client(uri)
    experiment = store.get_experiment_by_name("ftlgan")
    return store.search_runs([experiment.experiment_id]) if experiment else []


def runs(uri: str) -> list[Any]:
    """Return the runs of stages."""
    return [run for run in all_runs(uri) if "mlflow.parentRunId" in run.data.tags]


def parents(uri: str) -> list[Any]:
    """Return the runs of experiments."""
    return [run for run in all_runs(uri) if "mlflow.parentRunId" not in run.data.tags]


def history(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    points = client(uri).get_metric_history(run.info.run_id, metric)
    return sorted((point.step, point.value) for point in points)


def python(code: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, stderr=subprocess.PIPE, text=True)


def pending(root: Path) -> list[Path]:
    return list((root / ".mlflow-pending").iterdir())


def database(root: Path) -> str:
    return f"sqlite:///{root}/mlflow.db"


def test_a_run_is_found_again_with_its_params_history_and_artifacts(root: Path) -> None:
    (root / "roc.png").write_bytes(b"a figure")
    (root / "model").mkdir()
    (root / "model" / "weights").write_bytes(b"a model")
    started = time.time() * 1000
    with tracking.run("train", PARAMS) as run:
        for step in range(2500):
            run.log(step, {"loss/triplet": 1 / (step + 1), "FNMR@1e-3": 0.5})
        logged = time.time() * 1000
        run.log_figure(Path("roc.png"))
        run.log_artifact(Path("model"))
        shutil.rmtree(root / "model")  # what was logged is what it was then
        run.log_final({"auc": 0.78})

    [found] = runs(database(root))
    assert (found.info.run_name, found.info.status) == ("train", "FINISHED")
    assert found.data.params == {
        "res": "14",
        "train.steps": "800",
        "train.rate": "0.0001",
        "methods": "['bicubic', 'ftlgan']",
    }
    assert history(database(root), found, "loss/triplet") == [(step, 1 / (step + 1)) for step in range(2500)]
    assert len(history(database(root), found, "FNMR_1e-3")) == 2500
    assert history(database(root), found, "auc") == [(2499, 0.78)]
    stamps = [point.timestamp for point in client(database(root)).get_metric_history(found.info.run_id, "FNMR_1e-3")]
    assert started - 1 <= min(stamps) <= max(stamps) <= logged
    artifacts = root / "mlartifacts" / found.info.run_id / "artifacts"
    assert (artifacts / "figures" / "roc.png").read_bytes() == b"a figure"
    assert (artifacts / "model" / "weights").read_bytes() == b"a model"
    assert pending(root) == []


def test_runs_of_a_temporary_copy_go_to_the_original_repository(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    with tracking.run("train", PARAMS):
        pass
    assert len(runs(database(root))) == 1
    assert list(copy.iterdir()) == []


@pytest.mark.slow
def test_processes_that_start_together_on_no_store_lose_nothing_and_say_nothing(tmp_path: Path) -> None:
    code = """
from ftlgan import tracking
with tracking.run("train", {}) as run:
    for step in range(1500):
        run.log(step, {"loss": step})
"""
    processes = [python(code, tmp_path) for _ in range(2)]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    found = runs(database(tmp_path))
    assert [run.info.status for run in found] == ["FINISHED"] * 2
    for run in found:
        assert history(database(tmp_path), run, "loss") == [(step, step) for step in range(1500)]


def test_without_a_server_the_stage_goes_on_and_a_later_run_brings_everything_once(
    root: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere.replace("//", "//user:secret@"))
    (root / "roc.png").write_bytes(b"a figure")
    with tracking.run("train", PARAMS) as run:
        run.log(1, {"loss": 0.5})
        run.log_figure(Path("roc.png"))
    output = capfd.readouterr()
    [folder] = [path for path in pending(root) if path.is_dir()]
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    for part in (f"MLflow at {nowhere} ", "refused", str(folder), "the next run", "python -m ftlgan.tracking"):
        assert part in output.err
    assert "secret" not in output.err

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for _ in range(2):
        with tracking.run("evaluate", PARAMS):
            pass
    assert sorted(run.info.run_name for run in runs(database(root))) == ["evaluate", "evaluate", "train"]
    [train] = [run for run in runs(database(root)) if run.info.run_name == "train"]
    assert (train.info.status, train.data.params["res"]) == ("FINISHED", "14")
    assert history(database(root), train, "loss") == [(1, 0.5)]
    assert (root / "mlartifacts" / train.info.run_id / "artifacts" / "figures" / "roc.png").exists()
    assert (pending(root), capfd.readouterr().err) == ([], "")


def test_pending_runs_are_delivered_by_hand_with_a_line_each(
    root: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with tracking.run("train", PARAMS):
        pass
    capsys.readouterr()
    with pytest.raises(SystemExit, match=rf"^ERROR: MLflow at {nowhere} can't be opened"):
        deliver_pending()

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    deliver_pending()
    deliver_pending()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("train of 20")
    assert first.endswith("delivered, FINISHED")
    assert second == "nothing to deliver"


def test_a_log_that_mlflow_refuses_holds_up_no_other(
    root: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    for _ in range(3):
        with tracking.run("train", PARAMS):
            pass
    capsys.readouterr()
    broken = min(path for path in pending(root) if path.is_dir())  # the first to be delivered
    (broken / "events.jsonl").write_text("not a log\n")

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with tracking.run("evaluate", PARAMS):
        pass
    assert len(runs(database(root))) == 3
    assert capsys.readouterr().err.startswith(f"WARNING: {broken} cannot be delivered (")
    assert broken.exists()


@pytest.mark.parametrize("noted", [True, False])
def test_a_delivery_that_is_repeated_after_a_kill_doubles_nothing(
    root: Path, nowhere: str, noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "roc.png").write_bytes(b"a figure")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with tracking.run("train", PARAMS) as run:
        for step in range(1200):
            run.log(step, {"loss": math.nan if step % 2 else step})
        run.log_figure(Path("roc.png"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    [folder] = [path for path in pending(root) if path.is_dir()]
    if noted:  # killed between the end of the run and the removal of its log
        Store(root).deliver(Spool(folder))
    shutil.copytree(folder, root / "copy")
    deliver_pending()
    shutil.move(root / "copy", folder)
    deliver_pending()

    [found] = runs(database(root))
    assert found.info.status == "FINISHED"
    assert [step for step, _ in history(database(root), found, "loss")] == list(range(1200))


def test_a_run_that_was_deleted_before_its_log_was_complete_gets_all_of_it_again(
    root: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with tracking.run("train", PARAMS) as run:
        run.log(1, {"loss": 0.5})
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        Store(root).deliver(run._spool)
        [first] = runs(database(root))
        client(database(root)).delete_run(first.info.run_id)
        run.log(2, {"loss": 0.25})
    [second] = runs(database(root))
    assert second.info.run_id != first.info.run_id
    assert second.data.params["res"] == "14"
    assert history(database(root), second, "loss") == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (SystemExit, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_stage_that_raises_ends_its_run(root: Path, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), tracking.run("train", PARAMS) as run:
        run.log(1, {"loss": 0.5})
        raise error
    [found] = runs(database(root))
    assert found.info.status == status
    assert history(database(root), found, "loss") == [(1, 0.5)]


def test_the_run_of_a_killed_process_is_delivered_by_the_next_one(root: Path) -> None:
    code = """
import os, signal
from ftlgan import tracking
with tracking.run("train", {"res": 14}) as run:
    run.log(1, {"loss": 0.5})
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert python(code, root).wait() == -signal.SIGKILL
    [folder] = [path for path in pending(root) if path.is_dir()]
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"metric": "lo')  # as if it had been killed while it wrote
    with tracking.run("evaluate", PARAMS):
        pass
    [killed] = [run for run in runs(database(root)) if run.info.run_name == "train"]
    assert (killed.info.status, killed.data.params) == ("KILLED", {"res": "14"})
    assert history(database(root), killed, "loss") == [(1, 0.5)]
    assert pending(root) == []


def test_the_log_of_a_live_process_is_left_to_it(
    root: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", nowhere)
    with tracking.run("train", PARAMS) as run:
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        deliver_pending()
        assert capsys.readouterr().out == "nothing to deliver\n"
        assert runs(database(root)) == []
        run.log(1, {"loss": 0.5})
    [found] = runs(database(root))  # the end of the run tried again
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 0.5})


def test_a_server_gets_everything_and_values_that_are_no_numbers(
    root: Path, server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    many = {f"key{number}": "x" * 7000 for number in range(150)}
    (root / "roc.png").write_bytes(b"a figure")
    with tracking.run("train", PARAMS | many) as run:
        run.log_figure(Path("roc.png"))
        for step, value in enumerate([math.nan, math.inf, -math.inf, 0.5]):
            run.log(step, {"loss": value})
        for step in range(1200):  # more than a server takes at once, as are the params
            run.log(step, {"auc": step})
    assert capfd.readouterr() == ("", "")
    [found] = runs(server)
    assert len(found.data.params) == 154
    nan, high, low, half = (value for _, value in history(server, found, "loss"))
    assert math.isnan(nan)
    assert history(server, found, "auc") == [(step, step) for step in range(1200)]
    assert (high, low, half) == (sys.float_info.max, -sys.float_info.max, 0.5)
    [figure] = client(server).list_artifacts(found.info.run_id, "figures")
    assert figure.path == "figures/roc.png"


NOT_SQLITE = b"a text, as long as the header of a database: " * 3
BROKEN_STORES: dict[str, tuple[Callable[[Path, bytes], object], str]] = {
    "a dangling link": (lambda path, _: path.symlink_to("/nowhere/mlflow.db"), "unable to open database file"),
    "a folder": (lambda path, _: path.mkdir(), "unable to open database file"),
    "a pipe": (lambda path, _: os.mkfifo(path), "disk I/O error"),
    "no database": (lambda path, _: path.write_bytes(NOT_SQLITE), "file is not a database"),
    "cut short": (lambda path, good: path.write_bytes(good[:4096]), "database disk image is malformed"),
    "overwritten": (lambda path, good: path.write_bytes(good[:4096] + b"?" * 200_000), "malformed"),
}


@pytest.mark.parametrize("kind", BROKEN_STORES)
def test_a_store_that_cannot_be_opened_is_looked_at_once_and_the_log_is_kept(
    root: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module("mlflow.store.db.utils")  # takes seconds
    good = (root / "mlflow.db").read_bytes()
    (root / "mlflow.db").unlink()
    spoil, reason = BROKEN_STORES[kind]
    spoil(root / "mlflow.db", good)
    began = time.monotonic()
    with tracking.run("train", PARAMS) as run:
        run.log(1, {"loss": 0.5})
    assert time.monotonic() - began < 30  # it was 102 s: a stall, not a matter of speed
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"WARNING: MLflow at {database(root)} does not take the log of this run (")
    assert reason in line
    with pytest.raises(SystemExit, match=reason):
        deliver_pending()

    (root / "mended.db").write_bytes(good)  # another file, because in this process MLflow holds on to the broken one
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mended := f"sqlite:///{root}/mended.db")
    deliver_pending()
    [found] = runs(mended)
    assert history(mended, found, "loss") == [(1, 0.5)]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("mode", "folder", "reason"),
    [(0o600, 0o777, "unable to open"), (0o444, 0o777, "readonly database"), (0o666, 0o555, "Permission denied")],
)
def test_a_store_of_another_user_is_looked_at_once(root: Path, mode: int, folder: int, reason: str) -> None:
    """As `nobody`, in a process that has imported what it needs as root; MLflow's own error needs its files as well."""
    libraries = Path(sys.prefix)
    if reason == "readonly database" and not all(path.stat().st_mode & 1 for path in [libraries, *libraries.parents]):
        pytest.skip(f"nobody may read {libraries}")
    home = Path(tempfile.mkdtemp())  # pytest's folders let no other user in
    try:
        shutil.copy(root / "mlflow.db", home)
        (home / ".mlflow-pending").mkdir()
        for path, bits in (("mlflow.db", mode), (".mlflow-pending", 0o777), ("", folder)):
            (home / path).chmod(bits)
        code = f"""
import os
from ftlgan import tracking
os.chdir({str(root)!r})
with tracking.run("train", {{}}):  # imports everything: the libraries may lie where nobody may read
    pass
os.setgid(65534), os.setuid(65534), os.chdir({str(home)!r})
with tracking.run("train", {{}}):
    pass
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        (line,) = done.stderr.splitlines()
        assert reason in line
        assert len([path for path in pending(home) if path.is_dir()]) == 1
    finally:
        shutil.rmtree(home)


def run_with_artifact(name: str) -> None:
    """Execute a stage that logs a file of this name."""
    Path(name).write_text(name)
    with tracking.run("train", PARAMS) as run:
        run.log_artifact(Path(name))


def artifacts(root: Path) -> dict[str, Path]:
    """Return the files of artifacts that MLflow knows by their names, and in which folder it finds them."""
    store, found = client(database(root)), dict[str, Path]()
    for run in runs(database(root)):
        for artifact in store.list_artifacts(run.info.run_id):
            folder = local_path(run.info.artifact_uri)
            assert folder is not None
            found[artifact.path] = folder / artifact.path
            assert found[artifact.path].read_text() == artifact.path
    return found


def begin_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with one run and its artifact, in which the test works."""
    folder = root / "old"
    folder.mkdir()
    shutil.move(root / "mlflow.db", folder)
    monkeypatch.chdir(folder)
    run_with_artifact("first")
    return folder


def test_a_project_that_is_renamed_takes_its_artifacts_along(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = begin_project(root, monkeypatch), root / "a new náme"
    with tracking.run("evaluate", PARAMS):  # without artifacts
        pass
    old.rename(new)
    monkeypatch.chdir(new)
    run_with_artifact("second")
    run_with_artifact("third")
    assert not old.exists()
    assert {name: path.parents[2] for name, path in artifacts(new).items()} == dict.fromkeys(
        ("first", "second", "third"), new / "mlartifacts"
    )
    assert [run.info.artifact_uri for run in all_runs(database(new)) if "/old/" in run.info.artifact_uri] == []
    assert capsys.readouterr().err == (
        f"WARNING: {new}/mlflow.db was moved from {old}: its artifacts are now in {new}/mlartifacts\n"
    )


def test_what_was_written_into_the_old_folder_before_is_still_found(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An earlier version made the folder again."""
    old, new = begin_project(root, monkeypatch), root / "new"
    [first] = runs(database(old))
    run_with_artifact("second")
    old.rename(new)
    (old / "mlartifacts").mkdir(parents=True)
    [second] = {run.info.run_id for run in runs(database(new))} - {first.info.run_id}
    shutil.move(new / "mlartifacts" / second, old / "mlartifacts")
    monkeypatch.chdir(new)
    run_with_artifact("third")
    assert "the artifacts of 1 of its runs are still there, move them by hand" in capsys.readouterr().err
    assert {name: path.parents[2].parent for name, path in artifacts(new).items()} == {
        "first": new,
        "second": old,
        "third": new,
    }
    shutil.move(old / "mlartifacts" / second, new / "mlartifacts")
    run_with_artifact("fourth")
    assert {path.parents[2].parent for path in artifacts(new).values()} == {new}


def test_a_copy_of_a_project_leaves_the_artifacts_of_the_original_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, whole, bare = root / "one", root / "whole", root / "bare"
    one.mkdir()
    shutil.move(root / "mlflow.db", one)
    monkeypatch.chdir(one)
    run_with_artifact("first")
    shutil.copytree(one, whole)
    bare.mkdir()
    shutil.copy(one / "mlflow.db", bare)  # without the artifacts
    for copy, first in ((whole, whole), (bare, one)):
        monkeypatch.chdir(copy)
        run_with_artifact("second")
        found = {name: path.parents[2].parent for name, path in artifacts(copy).items()}
        assert found == {"first": first, "second": copy}
    assert len(list((one / "mlartifacts").iterdir())) == 1


@pytest.mark.parametrize("name", ["chosen", "mlartifacts"])
def test_a_folder_of_artifacts_that_was_chosen_is_left(
    root: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = root / "disk" / name
    chosen.mkdir(parents=True)
    client(database(root)).create_experiment("ftlgan", chosen.as_uri())
    run_with_artifact("first")
    run_with_artifact("second")
    assert {path.parents[2] for path in artifacts(root).values()} == {chosen}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        (None, "sqlite:///{root}/mlflow.db"),
        ("", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///x.db", "sqlite:///{root}/x.db"),
        ("sqlite:///runs/x.db?timeout=9", "sqlite:///{root}/runs/x.db?timeout=9"),
        ("sqlite+pysqlite:///x.db", "sqlite+pysqlite:///{root}/x.db"),
        ("sqlite:////srv/x.db", "sqlite:////srv/x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("file:runs", "file://{root}/runs"),
        ("file:./my%20runs", "file://{root}/my%20runs"),
        ("file:../runs", "file://{root}/../runs"),
        ("file:///srv/runs", "file:///srv/runs"),
        ("file://localhost/srv/runs", "file:///srv/runs"),
        ("file://elsewhere/srv/runs", "file://elsewhere/srv/runs"),
        ("runs", "file://{root}/runs"),
        ("./runs", "file://{root}/runs"),
        ("/srv/runs", "file:///srv/runs"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("postgresql+psycopg2:///mlflow", "postgresql+psycopg2:///mlflow"),
        ("databricks", "databricks"),
    ],
)
def test_a_relative_store_is_seen_from_the_repository(
    uri: str | None, right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if uri is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert tracking_uri(tmp_path) == right.format(root=tmp_path)


def test_a_command_in_a_subfolder_finds_the_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (".dvc", "src/package"):
        (root / folder).mkdir(parents=True)
    with tracking.run("train", PARAMS):
        monkeypatch.chdir(root / "src/package")
        assert repository_root() == root
        deliver_pending()
    assert list((root / "src/package").iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite:///x.db?timeout=9", "file:runs", "runs"])
def test_a_copy_that_is_thrown_away_keeps_nothing_of_a_run(
    uri: str, root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_with_artifact("first")
    assert [path.name for path in copy.iterdir()] == ["first"]
    assert len(list(root.rglob("artifacts/first"))) == 1


def test_a_run_has_the_hashes_of_all_that_it_rests_on(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], check=True)
    Path("dvc.yaml").write_text(
        """
stages:
  degrade:
    cmd: mkdir -p data/degraded && echo faces > data/degraded/0.parquet
    outs: [data/degraded]
  embed:
    matrix:
      method: [bicubic, ftlgan]
    cmd: mkdir -p data/probes && cp data/degraded/0.parquet data/probes/${item.method}
    deps: [data/degraded]
    outs: ["data/probes/${item.method}"]
  other:
    cmd: echo other > data/probes.txt
    deps: [data/degraded]
    outs: [data/probes.txt]
  evaluate:
    cmd: python evaluate.py
    deps: [data/probes]
    outs: [done]
""".replace("python", sys.executable)
    )
    Path("evaluate.py").write_text(
        "from ftlgan import tracking\nwith tracking.run('x', {}):\n    open('done', 'w').close()\n"
    )
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], check=True)

    lock = stages_in(Path("dvc.lock"))
    rests_on = ("degrade", "embed@bicubic", "embed@ftlgan")
    [run] = runs(database(root))
    assert json.loads((root / "mlartifacts" / run.info.run_id / "artifacts" / "inputs.json").read_text()) == {
        stage: {"state": "executed or restored", "outputs": {out["path"]: out["md5"] for out in lock[stage]["outs"]}}
        for stage in rests_on
    }
    assert run.data.tags["dvc.stage"] == "evaluate"
    assert not [name for name in run.data.tags if "data/" in name]


def test_a_dependency_that_is_a_template_stands_for_its_folder(root: Path) -> None:
    Path("dvc.yaml").write_text("stages: {a: {}, b: {}, embed: {deps: ['data/restored/${item.method}', '${any}/x']}}")
    Path("dvc.lock").write_text("stages: {a: {outs: [{path: data/restored/b, md5: '1'}]}, b: {outs: [{path: c}]}}")
    assert inputs("embed@b", locked_stages({})) == {
        "a": {"state": "executed or restored", "outputs": {"data/restored/b": "1"}}
    }


@pytest.mark.parametrize("content", [None, "", "1", "stages: {", "<<<<<<< HEAD\nstages:\n=======\n"])
def test_a_lock_that_cannot_be_read_costs_only_the_hashes(root: Path, content: str | None) -> None:
    Path("dvc.yaml").write_text("stages: {train: {deps: [data/aligned]}}")
    if content is not None:
        Path("dvc.lock").write_text(content)
    assert inputs("train", locked_stages(PARAMS)) == {}


def commit_all(root: Path) -> str:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_commit_experiment_and_changed_code_are_tagged(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("code.py", "dvc.lock"):
        Path(name).write_text("1")
    commit = commit_all(root)
    monkeypatch.setenv("DVC_EXP_NAME", "wise-owl")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", commit)

    Path("dvc.lock").write_text("stages: {}")  # DVC's doing, in the midst of a pipeline
    expected = {"git.commit": commit, "git.dirty": "false", "dvc.exp_name": "wise-owl", "dvc.exp_baseline_rev": commit}
    assert identifying_tags() == expected
    Path("code.py").write_text("2")
    assert identifying_tags() == expected | {"git.dirty": "true"}
    with tracking.run("train", PARAMS):
        pass
    for found in all_runs(database(root)):
        assert (expected | {"git.dirty": "true"}).items() <= found.data.tags.items()


def test_an_experiment_is_one_run_with_those_of_its_stages_below_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "wise-owl")
    Path("dvc.yaml").write_text("stages: {evaluate: {metrics: [metrics.json: {cache: false}]}}")
    with pytest.raises(ValueError, match="too many"), tracking.run("evaluate", PARAMS):
        raise ValueError("too many faces")
    [parent] = parents(database(root))
    assert (parent.info.run_name, parent.info.status, parent.data.metrics) == ("wise-owl", "FAILED", {})
    assert parent.data.tags["stage.evaluate"] == "failed"

    with tracking.run("train@ftlgan", PARAMS) as run:
        run.log(1, {"loss": 0.5})
        [parent] = parents(database(root))
        assert (parent.info.status, parent.data.params["res"]) == ("RUNNING", "14")
    with tracking.run("evaluate", PARAMS):
        Path("metrics.json").write_text('{"hr": {"auc": 1, "d_prime": 2.5}, "judge": "dlib"}')
    [parent] = parents(database(root))
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"hr.auc": 1, "hr.d_prime": 2.5}
    assert parent.data.params == {name: str(value) for name, value in flatten(PARAMS).items()}
    assert {name: value for name, value in parent.data.tags.items() if name.startswith("stage.")} == {
        "stage.train_ftlgan": "executed",
        "stage.evaluate": "executed",
    }
    children = runs(database(root))
    assert sorted(child.info.run_name for child in children) == ["evaluate", "evaluate", "train@ftlgan"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}


def test_the_headline_is_described_and_has_columns_in_the_table_of_runs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "wise-owl")
    Path("dvc.yaml").write_text("stages: {evaluate: {metrics: [metrics.json: {cache: false}]}}")

    def evaluate(description: str, methods: list[str]) -> Any:
        with tracking.run("evaluate", PARAMS) as run:
            Path("metrics.json").write_text(json.dumps({method: {"d'": 2.5} for method in methods}))
            run.describe(description)
        [parent] = parents(database(root))
        return parent

    def columns() -> list[str]:
        tags = client(database(root)).get_experiment_by_name("ftlgan").tags
        return json.loads(json.loads(tags[VIEW_TAG])["state"])["selectedColumns"]

    assert evaluate("hr: 2.5", ["hr", "bicubic"]).data.tags["mlflow.note.content"] == "hr: 2.5"
    assert columns() == ["metrics.`hr.d_prime`", "metrics.`bicubic.d_prime`"]
    parent = evaluate("hr: 2.6", ["hr", "ftlgan"])
    assert parent.data.tags["mlflow.note.content"] == "hr: 2.6"
    assert columns() == ["metrics.`hr.d_prime`", "metrics.`bicubic.d_prime`", "metrics.`ftlgan.d_prime`"]
    client(database(root)).set_tag(parent.info.run_id, "mlflow.note.content", "hr: 2.6. What I think of it")
    assert evaluate("hr: 2.7", ["hr"]).data.tags["mlflow.note.content"] == "hr: 2.6. What I think of it"
    notes = {run.data.tags["mlflow.note.content"] for run in runs(database(root))}
    assert notes == {"hr: 2.5", "hr: 2.6", "hr: 2.7"}


def test_a_column_that_somebody_has_taken_out_of_the_view_stays_out() -> None:
    view = json.loads(with_columns(None, ["hr.d_prime", "ftlgan.d_prime"], 0) or "")
    view["state"] = json.dumps({"selectedColumns": ["params.`res`"], "columnWidths": {"params.`res`": 60}})
    assert with_columns(json.dumps(view), ["ftlgan.d_prime"], 1) is None
    state = json.loads(json.loads(with_columns(json.dumps(view), ["gfpgan.d_prime"], 1) or "")["state"])
    assert state["selectedColumns"] == ["params.`res`", "metrics.`gfpgan.d_prime`"]
    assert state["columnWidths"]["params.`res`"] == 60


ODD_VIEWS = [
    *("deflate;eJw=", "[]", '{"state": "deflate;eJw="}', '{"state": 1}', '{"state": "[]"}'),
    *(json.dumps({"state": json.dumps({"selectedColumns": odd})}) for odd in (None, 5, [[1]])),
]


@pytest.mark.parametrize("view", ODD_VIEWS)
def test_a_view_that_somebody_has_saved_is_left(view: str) -> None:
    assert with_columns(view, ["auc"], 0) is None


def test_a_plain_repro_is_known_by_its_commit_code_and_params(root: Path) -> None:
    def execute(params: dict[str, Any] = PARAMS) -> None:
        with tracking.run("evaluate", params):
            pass

    Path("src").mkdir()
    for name in ("src/code.py", "README.md"):
        Path(name).write_text("1")
    commit = commit_all(root)
    execute()
    Path("README.md").write_text("2")
    execute()
    [parent] = parents(database(root))
    assert parent.info.run_name == commit[:7]
    execute(PARAMS | {"res": 28})
    assert len(parents(database(root))) == 2
    Path("src/code.py").write_text("caf\xe9", encoding="latin-1")
    execute()
    assert len(parents(database(root))) == 3
    assert parents(database(root))[0].info.run_name == f"{commit[:7]}-dirty"
    commit_all(root)
    execute()
    assert len(parents(database(root))) == 4


def test_two_parents_that_were_made_at_once_become_one(root: Path) -> None:
    with tracking.run("train", PARAMS) as run:
        store = client(database(root))
        [parent] = parents(database(root))
        tags = {"ftlgan.experiment": parent.data.tags["ftlgan.experiment"]}
        earlier = store.create_run(parent.info.experiment_id, parent.info.start_time - 1, tags)
        run.log(1, {"loss": 0.5})
    with tracking.run("validate", PARAMS):
        later = store.create_run(parent.info.experiment_id, parent.info.start_time + 1, tags)
        store.log_metric(later.info.run_id, "auc", 0.75)
        store.set_tag(later.info.run_id, "stage.quality", "executed")
        store.create_run(parent.info.experiment_id, tags={"mlflow.parentRunId": later.info.run_id}, run_name="quality")
    [left] = parents(database(root))
    assert left.info.run_id == earlier.info.run_id
    assert left.data.params["res"] == "14"
    assert left.data.metrics == {"auc": 0.75}
    for name in ("train", "validate", "quality"):
        assert left.data.tags[f"stage.{name}"] == "executed"
    children = {run.info.run_name: run.data.tags["mlflow.parentRunId"] for run in runs(database(root))}
    assert children == dict.fromkeys(("train", "validate", "quality"), earlier.info.run_id)


def test_a_parent_that_another_process_merges_away_is_looked_for_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find, merged = Store._parent, list[str]()

    def find_and_merge(self: Store, start: dict[str, Any]) -> Any:
        parent = find(self, start)
        if not merged:
            merged.append(parent.info.run_id)
            tags = {"ftlgan.experiment": parent.data.tags["ftlgan.experiment"]}
            self._client.create_run(self._experiment_id, parent.info.start_time - 1, tags)
            self._client.delete_run(parent.info.run_id)
        return parent

    monkeypatch.setattr(Store, "_parent", find_and_merge)
    with tracking.run("train", PARAMS) as run:
        run.log(1, {"loss": 0.5})
    assert "WARNING" not in capsys.readouterr().err
    [parent], [child] = parents(database(root)), runs(database(root))
    assert merged
    assert merged != [parent.info.run_id]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.tags["stage.train"] == "executed"


def test_a_deleted_experiment_is_said_in_mlflow_s_words(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.run("train", PARAMS):
        pass
    store = client(database(root))
    store.delete_experiment(store.get_experiment_by_name("ftlgan").experiment_id)
    with tracking.run("train", PARAMS):
        pass
    assert "must be in the 'active' state" in capsys.readouterr().err


def test_no_documented_command_tells_others_listens_to_them_or_starts_workers_for_jobs() -> None:
    """Faces are personal data; and a server of MLflow starts seven processes for jobs that are not ours."""
    commands = [
        line for line in documentation().replace("\\\n", " ").splitlines() if re.search(r"\bmlflow (ui|server)\b", line)
    ]
    assert len(commands) > 1
    for command in commands:
        assert command.startswith("MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ")
        assert re.search(r"--host 127\.0\.0\.1\b", command) or "--host" not in command  # MLflow's default


@given(st.text(max_size=300))
def test_a_mended_name_is_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric, _validate_param_name

    _validate_metric(mend(name), 0.0, 0, 0)
    _validate_param_name(mend(name))


def test_where_tracking_is_off_nothing_is_kept_and_mlflow_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "roc.png").touch()
    code = """
import sys
from pathlib import Path
from ftlgan import tracking
with tracking.run("train", {"res": 14}) as run:
    run.log(1, {"loss": 0.5})
    run.log_final({"d_prime": 1.5})
    run.describe("d_prime: 1.5")
    run.log_figure(Path("roc.png"))
    run.log_artifact(Path("roc.png"))
sys.exit("mlflow" in sys.modules)
"""
    environment = os.environ | {"FTLGAN_TRACKING": "off"}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["roc.png"]


def test_tracking_is_on_or_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTLGAN_TRACKING", "no")
    with pytest.raises(ParamsError, match="FTLGAN_TRACKING: 'no' is neither on nor off"), tracking.run("train", PARAMS):
        pass
    assert not (root / ".mlflow-pending").exists()


def test_importing_tracking_does_not_import_mlflow() -> None:
    code = "import sys; from ftlgan import tracking; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
