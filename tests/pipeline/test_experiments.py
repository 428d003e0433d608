"""Experiments: run here and by the queue, compared, and handed to a teammate."""

import csv
import io
import json
from pathlib import Path

import pytest
from documentation import documented
from project import Project, executed


def shown(project: Project) -> list[dict[str, str]]:
    """The experiments of `dvc exp show`, a row each."""
    rows = csv.DictReader(io.StringIO(project.dvc("exp", "show", "--csv", "--sort-by", "res")))
    return [row for row in rows if (row["typ"] or "").startswith("branch")]


@pytest.fixture
def of_28_px(experiments: Project) -> str:
    return next(row["Experiment"] for row in shown(experiments) if row["res"] == "28")


def test_two_workers_of_the_queue_run_what_is_new(experiments: Project) -> None:
    status = experiments.dvc("queue", "status")
    assert status.count("Success") == 3
    assert "Failed" not in status
    assert {row["res"] for row in shown(experiments)} == {"14", "28", "56"}
    assert experiments.run("git", "status", "--porcelain") == "", "the workspace is as it was"


def test_a_table_of_experiments_says_who_is_recognised_better_in_100_columns(experiments: Project) -> None:
    """With the default's third method, which is not in this project, it is wider by one column."""
    table = experiments.run("bash", "-c", documented("dvc exp show --only-changed")).splitlines()
    third_method = len("realesrgan.d'") + 3
    assert max(len(line) for line in table) <= 100 - third_method
    header = next(line for line in table if "Experiment" in line)
    assert header.split() == ["Experiment", "Created", "bicubic.d'", "ftlgan.d'", "res"]
    for row in shown(experiments):
        found = json.loads(experiments.run("git", "show", f"{row['rev']}:metrics/metrics.json"))
        assert {name: float(row[f"{name}.d'"]) for name in found} == {name: each["d'"] for name, each in found.items()}


def test_metrics_params_and_plots_of_an_experiment_beside_the_commit(experiments: Project, of_28_px: str) -> None:
    def said(what: str) -> str:
        return experiments.run(
            "bash", "-c", documented(f"dvc {what} diff HEAD EXPERIMENT").replace("EXPERIMENT", of_28_px)
        )

    metrics = {line.split()[1]: line.split()[2:4] for line in said("metrics").splitlines()[1:]}
    assert set(metrics) == {"bicubic.d'", "ftlgan.d'"}, "the ceiling is the same at any resolution"
    assert all(float(there) != float(here) for here, there in metrics.values())
    assert said("params").split()[-4:] == ["params.yaml", "res", "14", "28"]
    page = said("plots")
    assert "failed" not in page.lower()
    html = Path(page.strip().splitlines()[-1].removeprefix("file://")).read_text()
    assert f'"rev": "{of_28_px}"' in html


def test_the_documented_way_back_from_an_experiment(experiments: Project, of_28_px: str, tmp_path: Path) -> None:
    project = experiments.copy_to(tmp_path / "there")
    project.dvc("exp", "apply", of_28_px)
    assert project.run("git", "status", "--porcelain")
    project.run("bash", "-c", documented("git restore . &&"))
    assert project.run("git", "status", "--porcelain") == ""
    assert project.stale() == set()


def test_metrics_and_params_of_two_commits(experiments: Project, of_28_px: str, tmp_path: Path) -> None:
    project = experiments.copy_to(tmp_path / "there")
    project.dvc("exp", "apply", of_28_px)
    assert project.run("git", "diff", "--numstat", "params.yaml").split()[:2] == ["1", "1"], "res alone"
    project.commit()
    assert "bicubic.d'" in project.dvc("metrics", "diff", "HEAD~1", "HEAD")
    assert project.dvc("params", "diff", "HEAD~1", "HEAD").split()[-4:] == ["params.yaml", "res", "14", "28"]
    assert executed(project.dvc("repro")) == set(), "it was applied with its results"


def test_a_teammate_gets_an_experiment_through_git_and_the_remote(
    experiments: Project, of_28_px: str, tmp_path: Path
) -> None:
    project = experiments.copy_to(tmp_path / "team")
    shared, mate = tmp_path / "shared.git", Project(tmp_path / "team/mate")  # to whom the remote is ../remote, too
    project.run("git", "init", "-q", "--bare", str(shared))
    project.run("git", "remote", "add", "origin", str(shared))
    project.run("git", "push", "-q", "origin", "HEAD")

    def run(where: Project, start: str) -> str:
        return where.run("bash", "-c", documented(start).replace("EXPERIMENT", of_28_px))

    run(project, "dvc exp push origin")
    project.run("git", "clone", "-q", str(shared), str(mate.root))
    assert of_28_px in run(mate, "dvc exp list origin")
    run(mate, "dvc exp pull origin")
    (commit,) = (row["rev"] for row in shown(project) if row["Experiment"] == of_28_px)
    for file in ("metrics/metrics.json", "params.yaml"):
        assert (mate.root / file).read_text() == project.run("git", "show", f"{commit}:{file}")
    assert (mate.root / "data/model/ftlgan/generator.safetensors").is_file()
    assert executed(mate.dvc("repro", "--allow-missing")) == set()
