"""`ftlgan compare` on real experiments from DVC's queue."""

import csv

from project import Project


def test_the_queue_runs_resolutions_and_one_command_puts_them_side_by_side(project: Project) -> None:
    """Two from the queue, without training, beside the workspace, which is of 14 px."""
    project.dvc("exp", "run", "--queue", "-S", "res=28,56", "-S", "models=[]")
    project.dvc("exp", "run", "--run-all")
    printed = project.run("ftlgan", "compare")
    assert "workspace (14 px)" in printed
    with (project.root / "metrics/comparison/comparison.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["judge"] == "dlib"]
    found = [(row["res"], row["method"]) for row in rows]
    few = [(res, method) for res in ("28", "56", "mean") for method in ("hr", "bicubic")]
    assert found == [("14", "hr"), ("14", "bicubic"), ("14", "ftlgan"), *few]
    d_prime = {row["res"]: float(row["d_prime"]) for row in rows if row["method"] == "bicubic"}
    assert d_prime["14"] < d_prime["56"]
    assert all(row["psnr"] for row in rows if row["method"] == "bicubic")
    assert (project.root / "metrics/comparison/d_prime.png").stat().st_size > 10_000
    assert "| 28 " in (project.root / "metrics/comparison/comparison.md").read_text()
