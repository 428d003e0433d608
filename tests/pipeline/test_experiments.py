"""Experiments: run here and by the queue, compared, and handed to a teammate."""

import csv
import io
import json
import re
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


def test_the_list_of_experiments_says_who_is_recognised_better_and_what_is_not_done(
    experiments: Project, tmp_path: Path
) -> None:
    project = experiments.copy_to(tmp_path / "there")
    project.dvc("exp", "run", "--queue", "--name", "later", "-S", "train.steps=3")
    printed = project.run("bash", "-c", documented("ftlgan runs")).splitlines()
    assert printed[0].split() == ["run", "px", "age", "state", "HR", "bicubic", "FTLGAN", "what", "differs"]
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(project.run("ftlgan", "runs", "--csv")))}
    done = [row for row in rows.values() if row["state"] == "success" and row["commit"]]
    assert {row["res"] for row in done} == {"14", "28", "56"}
    for row in done:
        found = json.loads(project.run("git", "show", f"{row['commit']}:metrics/metrics.json"))
        assert {name: float(row[f"{name}.d'"]) for name in found} == {name: each["d'"] for name, each in found.items()}
        (line,) = [line for line in printed if line.startswith(f"{row['run']} ")]
        d_prime = [each["d'"] for each in found.values()]
        assert line.split()[-len(found) :] == [f"{value:.2f}" for value in d_prime]
    later = rows["later"]
    assert (later["state"], later["train.steps"], later["ftlgan.d'"]) == ("queued", "3", "")
    assert any(line.split()[0] == "later" and line.split()[-2:] == ["queued", "steps=3"] for line in printed)


@pytest.mark.slow
def test_without_a_repository_or_a_commit_there_is_nothing_to_list(tmp_path: Path) -> None:
    outside = Project(tmp_path)
    assert outside.run("ftlgan", "runs", check=False) == (
        "ERROR: dvc exp show: you are not inside of a DVC repository (checked up to mount point '/')\n"
    )
    outside.run("git", "init", "-q")
    outside.dvc("init", "-q")
    assert outside.run("ftlgan", "runs", check=False).startswith("ERROR: --commits 1: DVC lists no commit here; ")


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
    file = Path(page.strip().splitlines()[-1].removeprefix("file://"))
    html = file.read_text()
    assert f'"rev": "{of_28_px}"' in html
    assert re.findall(r'src="(.+?)"', html)[0] == "vega.js"
    assert all((file.parent / source).is_file() for source in re.findall(r'src="(.+?)"', html)), "it needs a network"
    assert "window.vegaEmbed=" in (file.parent / "vega.js").read_text()


def test_the_documented_way_back_from_an_experiment(experiments: Project, of_28_px: str, tmp_path: Path) -> None:
    project = experiments.copy_to(tmp_path / "there")
    project.dvc("exp", "apply", of_28_px)
    assert project.run("git", "status", "--porcelain")
    project.run("bash", "-c", documented("touch params.yaml && git restore --staged --worktree . &&"))
    assert project.run("git", "status", "--porcelain") == ""
    assert project.stale() == set()


def test_the_way_back_from_an_experiment_that_fails_at_once(project: Project) -> None:
    """DVC records the file as unchanged and changes it within the same second, so git may not notice."""
    committed = (project.root / "params.yaml").read_bytes()
    for _ in range(3):
        assert "res: 15" in project.dvc("exp", "run", "-S", "res=15", check=False)
        assert (project.root / "params.yaml").read_bytes() != committed
        project.run("bash", "-c", documented("touch params.yaml && git restore --staged --worktree . &&"))
        assert (project.root / "params.yaml").read_bytes() == committed


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
