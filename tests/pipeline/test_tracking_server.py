"""A team's tracking server, MLflow on PostgreSQL, and what reaches it from real pipelines."""

import csv
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from project import Project, executed
from ruamel.yaml import YAML
from team import PASSWORD, Server, binaries, serving

from ftlgan import tracking
from ftlgan.params import load_params
from ftlgan.tracking.__main__ import main as deliver_pending
from ftlgan.tracking.names import flatten
from ftlgan.tracking.spool import Spool
from ftlgan.tracking.store import Store

BINARIES = binaries()
pytestmark = [
    pytest.mark.skipif(BINARIES is None, reason="PostgreSQL is not installed here"),
    pytest.mark.xdist_group("tracking server"),
]
YAML_ = YAML()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    assert BINARIES
    with serving(BINARIES) as running:
        yield running


def run(project: Project, server: Server, *command: str) -> str:
    return project.run("env", "FTLGAN_TRACKING=on", f"MLFLOW_TRACKING_URI={server.uri}", *command)


def start(project: Project, server: Server, *command: str) -> Future[str]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(run, project, server, *command)
    pool.shutdown(wait=False)
    return future


def pending(project: Project) -> list[Path]:
    return list((project.root / ".mlflow-pending").glob("*/events.jsonl"))


def flat_params(project: Project) -> dict[str, str]:
    return flatten(load_params(project.root / "params.yaml").model_dump(by_alias=True))


def headline(project: Project) -> dict[str, float]:
    content = json.loads((project.root / "metrics/metrics.json").read_text())
    return {f"{method}.d_prime": metrics["d'"] for method, metrics in content.items()}


def inputs_of_evaluation(server: Server, parent: Run) -> dict[str, Any]:
    """Return the inputs, by stage, of an experiment that ran only `evaluate`."""
    [child] = server.children(parent)
    return json.loads(Path(server.client.download_artifacts(child.info.run_id, "inputs.json")).read_text())


def hold_evaluation(server: Server, parent: Run, project: Project) -> None:
    """Assert that an experiment in which `evaluate` alone was executed has all that it left in `metrics/`, once."""
    [child] = server.children(parent)
    assert (child.info.run_name, child.info.status, parent.info.status) == ("evaluate", "FINISHED", "FINISHED")
    assert parent.data.metrics == headline(project)
    assert parent.data.params == child.data.params == flat_params(project)

    with (project.root / "metrics/verification.csv").open() as file:
        for row in csv.DictReader(file):
            logged = child.data.metrics[f"{row['judge']}/{row['protocol']}/{row['method']}.d_prime"]
            assert logged == pytest.approx(float(row["d_prime"]), abs=1e-4)
    for run in (child, parent):
        for name in run.data.metrics:
            assert len(server.client.get_metric_history(run.info.run_id, name)) == 1

    written = {path.name: path.read_bytes() for path in (project.root / "metrics").glob("*.*")}
    for other in ("quality.json", "pairs.csv", "identification.csv", "identification.png", "cmc.csv", "fnir.csv"):
        written.pop(other, None)  # which other stages log
    folder = Path(server.client.download_artifacts(child.info.run_id, ""))
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.name != "inputs.json"} == written


def states(parent: Run) -> dict[str, str]:
    return {name: value for name, value in parent.data.tags.items() if name.startswith("stage.")}


def test_two_pipelines_at_once_lose_and_double_nothing(
    project: Project, reproduced: Project, server: Server, tmp_path: Path
) -> None:
    other = reproduced.copy_to(tmp_path / "other")
    other.run("git", "rm", "-q", "dvc.lock")  # so everything comes from the run cache
    other.commit()
    params = YAML_.load(other.root / "params.yaml")
    params["evaluate"]["sheet"] = 1
    YAML_.dump(params, other.root / "params.yaml")

    first = start(project, server, "dvc", "exp", "run", "--name", "at-once", "-S", "evaluate.sheet=3")
    second = start(other, server, "dvc", "repro", "evaluate")
    printed = first.result() + second.result()
    assert "WARNING" not in printed
    assert executed(first.result()) == {"evaluate"}
    assert "train@ftlgan" not in executed(second.result())
    assert pending(project) == pending(other) == []

    [experiment] = server.parents("at-once")
    commit = other.run("git", "rev-parse", "HEAD").strip()
    [repro] = server.parents(f"{commit[:7]}-dirty")
    hold_evaluation(server, experiment, project)
    hold_evaluation(server, repro, other)
    assert len(server.runs()) == 4

    for parent in (experiment, repro):
        assert states(parent)["stage.evaluate"] == "executed"
        assert states(parent)["stage.train_ftlgan"] == "restored"
        assert "stage.quality" not in states(parent)  # on which evaluate does not depend
    lock = YAML(typ="safe", pure=True).load(project.root / "dvc.lock")
    [model] = lock["stages"]["train@ftlgan"]["outs"]
    of_experiment, of_repro = (inputs_of_evaluation(server, parent) for parent in (experiment, repro))
    assert of_experiment["align"]["state"] == "restored"
    assert of_repro["align"]["state"] == "executed or restored"
    assert of_experiment["train@ftlgan"]["outputs"] == {"data/model/ftlgan": model["md5"]}


def test_a_plain_repro_in_two_commands_is_one_experiment(project: Project, server: Server) -> None:
    params = YAML_.load(project.root / "params.yaml")
    params["evaluate"]["sheet"] = 1
    YAML_.dump(params, project.root / "params.yaml")
    run(project, server, "dvc", "repro", "evaluate")
    run(project, server, "dvc", "repro", "--force", "--single-item", "quality")
    commit = project.run("git", "rev-parse", "HEAD").strip()
    [parent] = server.parents(f"{commit[:7]}-dirty")
    assert sorted(child.info.run_name or "" for child in server.children(parent)) == ["evaluate", "quality"]
    assert parent.data.metrics == headline(project)
    assert states(parent)["stage.quality"] == "executed"


def test_many_who_start_an_experiment_at_once_make_one_parent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_EXP_NAME", "crowded")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # where nobody listens
    for number in range(8):
        with tracking.run(f"validate@{number}", {"res": 14}):
            pass
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    logs = [log.parent for log in tmp_path.glob(".mlflow-pending/*/events.jsonl")]
    together = threading.Barrier(len(logs))

    def deliver(log: Path) -> None:
        store = Store(tmp_path)
        together.wait()
        store.deliver(Spool(log))

    with ThreadPoolExecutor(len(logs)) as pool:
        list(pool.map(deliver, logs))
    [parent] = server.parents("crowded")
    names = [f"validate@{number}" for number in range(8)]
    assert sorted(child.info.run_name or "" for child in server.children(parent)) == names
    assert states(parent) == {f"stage.validate_{number}": "executed" for number in range(8)}


@pytest.mark.parametrize("gone", ["server", "database of the server", "database"])
def test_what_goes_away_during_a_stage_loses_nothing_and_the_password_is_not_shown(
    server: Server, gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """tests/tracking checks that nothing is lost if the server is away from the start."""
    away = server if gone == "server" else server.postgres
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_EXP_NAME", gone)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.postgres.uri if gone == "database" else server.uri)
    with tracking.run("validate", {"res": 14}) as log:
        log.log(1, {"d_prime": 1.5})
        away.kill()
        log.log(2, {"d_prime": 2.5})
    printed = capfd.readouterr().err
    assert printed.count("WARNING: MLflow at ") == 1
    assert PASSWORD not in printed
    away.start()
    [parent] = server.parents(gone)
    assert parent.info.status == "RUNNING"
    deliver_pending()
    assert capfd.readouterr().out.endswith("delivered, FINISHED\n")
    [parent] = server.parents(gone)
    assert parent.info.status == "FINISHED"
    [child] = server.children(parent)
    history = server.client.get_metric_history(child.info.run_id, "d_prime")
    assert [(point.step, point.value) for point in history] == [(1, 1.5), (2, 2.5)]
