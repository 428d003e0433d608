"""`ftlgan compare` on real experiments from DVC's queue."""

import csv
from pathlib import Path

from project import Project


def test_one_command_puts_the_resolutions_of_the_queue_side_by_side(experiments: Project, tmp_path: Path) -> None:
    project = experiments.copy_to(tmp_path / "there")
    printed = project.run("ftlgan", "compare")
    assert project.run("git", "status", "--porcelain", "--ignored", "--", "metrics") == "", "it has written something"
    assert printed in project.run("ftlgan", "compare", "--to", "../comparison")
    written = project.root / "../comparison"
    assert (written / "comparison.md").read_text().strip() == printed.strip()
    with (written / "comparison.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["judge"] == "dlib"]
    found = [(row["res"], row["method"]) for row in rows]
    methods = ("hr", "bicubic", "ftlgan")
    assert found == [(res, method) for res in ("14", "28", "56", "mean") for method in methods]
    d_prime = {row["res"]: float(row["d_prime"]) for row in rows if row["method"] == "bicubic"}
    assert d_prime["14"] < d_prime["56"]
    assert all(row["psnr"] for row in rows if row["method"] == "bicubic")
    assert (written / "d_prime.png").stat().st_size > 10_000
    assert "| 28 " in printed
