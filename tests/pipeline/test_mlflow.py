"""What MLflow holds after a run of the pipeline."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from project import Project
from ruamel.yaml import YAML

LAST = ("evaluate", "identify", "calibrate", "quality")


@pytest.fixture(scope="module")
def client(reproduced: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{reproduced.root}/mlflow.db")


@pytest.fixture(scope="module")
def all_runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("ftlgan")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def runs(all_runs: list[Run]) -> dict[str, Run]:
    """The runs of stages, by name."""
    return {run.info.run_name or "": run for run in all_runs if "mlflow.parentRunId" in run.data.tags}


def test_each_execution_that_has_figures_is_a_finished_run(runs: dict[str, Run]) -> None:
    finished = dict.fromkeys(("train@ftlgan", "validate@ftlgan", *LAST), "FINISHED")
    assert {name: run.info.status for name, run in runs.items()} == finished


def test_the_experiment_is_one_run_with_the_figures_of_all_its_stages(
    all_runs: list[Run], runs: dict[str, Run], reproduced: Project
) -> None:
    [parent] = [run for run in all_runs if run not in runs.values()]
    commit = reproduced.run("git", "rev-list", "--max-parents=0", "HEAD").strip()
    assert (parent.info.run_name, parent.info.status) == (commit[:7], "FINISHED")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert parent.data.params == runs["train@ftlgan"].data.params
    headline = json.loads((reproduced.root / "metrics/metrics.json").read_text())
    expected = {f"{method}.d_prime": metrics["d'"] for method, metrics in headline.items()}
    assert "ftlgan.d_prime" in expected
    assert parent.data.metrics == expected
    states = {name.removeprefix("stage."): value for name, value in parent.data.tags.items() if "stage." in name}
    assert states == dict.fromkeys(("train_ftlgan", "validate_ftlgan", *LAST), "executed")
    assert parent.data.tags["mlflow.note.content"] == runs["evaluate"].data.tags["mlflow.note.content"]
    assert "judged by dlib, which is in no loss" in parent.data.tags["mlflow.note.content"]


def test_a_run_knows_params_commit_and_inputs(
    client: MlflowClient, runs: dict[str, Run], reproduced: Project, tmp_path: Path
) -> None:
    lock = YAML(typ="safe", pure=True).load(reproduced.root / "dvc.lock")["stages"]
    commit = reproduced.run("git", "rev-list", "--max-parents=0", "HEAD").strip()
    rests_on: dict[str, set[str]] = {}
    for name, run in runs.items():
        assert run.data.params["res"] == "14"
        assert run.data.params["train.steps"] == "2"
        assert run.data.tags["git.commit"] == commit
        assert len([tag for tag in run.data.tags if not tag.startswith("mlflow.")]) < 6
        file = client.download_artifacts(run.info.run_id, "inputs.json", str(tmp_path))
        for stage, entry in json.loads(Path(file).read_text()).items():
            executed_itself = stage in runs
            assert entry["state"] == ("restored" if executed_itself else "executed or restored")
            assert entry["outputs"] == {out["path"]: out["md5"] for out in lock[stage]["outs"]}
            rests_on.setdefault(name, set()).add(stage.partition("@")[0])
    photos = {"locate", "fetch", "align", "align_small"}
    training = photos | {"degrade", "embed_teacher", "triplets", "targets"}
    model = training | {"train", "degrade_test", "restore", "restore_model"}
    assert rests_on == {
        "train@ftlgan": training,
        "validate@ftlgan": training | {"train", "gallery"},
        **dict.fromkeys(LAST[:3], model | {"gallery", "embed", "embed_model"}),
        "quality": model,
    }


def test_losses_of_every_step_and_final_figures_are_there(client: MlflowClient, runs: dict[str, Run]) -> None:
    for name in ("total", "pixel", "identity", "triplet"):
        history = client.get_metric_history(runs["train@ftlgan"].info.run_id, name)
        assert [metric.step for metric in history] == [1, 2]
    validations = client.get_metric_history(runs["train@ftlgan"].info.run_id, "val_d_prime")
    assert [metric.step for metric in validations] == [0, 2]
    assert runs["evaluate"].data.metrics["dlib/lr-hr/ftlgan.d_prime"] > 0
    assert 0 <= runs["identify"].data.metrics["dlib/lr-hr/ftlgan.rank_1"] <= 1


def test_figures_and_model_are_kept(client: MlflowClient, runs: dict[str, Run]) -> None:
    def files(name: str, folder: str | None = None) -> set[str]:
        return {Path(file.path).name for file in client.list_artifacts(runs[name].info.run_id, folder)}

    assert files("train@ftlgan") == {"ftlgan", "inputs.json"}
    assert files("train@ftlgan", "ftlgan") == {"generator.safetensors", "losses.csv", "validation.csv"}
    assert files("evaluate", "figures") == {"conditions.png", "faces.png", "roc.png", "scores.png"}
    tables = {f"{name}.csv" for name in ("verification", "differences", "rejects", "roc", "scores")}
    assert files("evaluate") == {"figures", "inputs.json", "metrics.json", "origin.json", *tables}
    assert files("identify", "figures") == {"identification.png"}
    assert files("identify") == {"figures", "inputs.json", "identification.csv", "cmc.csv", "fnir.csv"}
    assert files("calibrate") == {"figures", "inputs.json", "calibration.csv"}
    assert files("quality") == {"inputs.json", "quality.json"}
