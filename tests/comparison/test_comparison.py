"""Runs side by side: the arithmetic, the page, the plot, and that only what can be compared is."""

import csv
import json
import shutil
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from ftlgan.comparison.markdown import to_markdown
from ftlgan.comparison.plot import resolution_plot
from ftlgan.comparison.runs import Run, find_runs
from ftlgan.comparison.table import Row, compare_runs, write_csv
from ftlgan.errors import DataError
from ftlgan.look import colour, save

METHODS = {"hr": 3.0, "bicubic": 1.0, "realesrgan": 0.8, "ftlgan": 1.5}


def write_run(
    root: Path, res: int, ceiling: float = 3.0, shift: float = 0.0, steps: int = 800, seed: int = 0, **origin: Any
) -> str:
    """Write a project with the judges dlib and sface, whose d' is higher by a half; return its path."""
    folder = root / "metrics"
    folder.mkdir(parents=True)
    with (folder / "verification.csv").open("w", newline="") as file:
        metrics = [name + end for name in ("d_prime", "auc") for end in ("", "_lo", "_hi")]
        table = csv.writer(file)
        table.writerow(["res", "method", "judge", "protocol", "people", *metrics])
        for judge, extra in (("sface", 0.5), ("dlib", 0.0)):
            for method, d_prime in METHODS.items():
                d = (ceiling if method == "hr" else d_prime + shift) + extra
                for protocol in ["hr-hr"] if method == "hr" else ["lr-hr", "lr-lr"]:
                    worse = 0.2 if protocol == "lr-lr" else 0
                    table.writerow([res, method, judge, protocol, 45, d - worse, d - 0.1, d + 0.1, 0.9, 0.89, 0.91])
    with (folder / "differences.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["res", "method", "baseline", "judge", "protocol", "d_prime", "d_prime_lo", "d_prime_hi"])
        table.writerow([res, "ftlgan", "bicubic", "dlib", "lr-hr", 0.5, 0.3, 0.6])
    (folder / "quality.json").write_text(json.dumps([{"method": "bicubic", "psnr": 20 + res, "ssim": 0.5}]))
    write_origin(root, res, **origin)
    train = {"params": {"params.yaml": {"res": res, "train": {"steps": steps, "seed": seed}}}}
    gone = {"params": {"params.yaml": {"res": res, "train": {"steps": 1}}}}
    lock = {"stages": {"align": {}, "train@no-triplet": gone, "train@ftlgan": train, "gallery@arcface": gone}}
    (root / "dvc.lock").write_text(json.dumps(lock))
    return str(root)


def write_origin(
    root: Path,
    res: int,
    photos: str = "f00d",
    condition: str = "bicubic",
    judge: str = "cafe",
    software: dict[str, str] | None = None,
) -> None:
    origin = {
        "dataset": {"source": "folder", "aligned_sha256": photos},
        "split": {"test": {"people": 45}},
        "judges": {"dlib": {"sha256": judge, "white_for": []}, "sface": {"sha256": "5fac", "white_for": ["ftlgan"]}},
        "conditions": {condition: {}},
    }
    (root / "metrics/origin.json").write_text(json.dumps(origin | ({"software": software} if software else {})))


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    named = ((56, 1.0, 400), (14, 0.0, 800))
    return find_runs(write_run(tmp_path / str(res), res, shift=shift, steps=steps) for res, shift, steps in named)


@pytest.fixture
def rows(runs: list[Run]) -> list[Row]:
    return compare_runs(runs)


def row(rows: list[Row], method: str, res: str = "14", judge: str = "dlib") -> Row:
    (found,) = [row for row in rows if (row.method, row.res, row.judge) == (method, res, judge)]
    return found


def test_the_black_box_comes_first_by_resolution_then_the_teacher_then_the_paper(rows: list[Row]) -> None:
    order = list(dict.fromkeys((row.judge, row.res) for row in rows))
    assert order == [
        *(("dlib", res) for res in ("14", "56", "mean")),
        *(("sface", res) for res in ("14", "56", "mean")),
        *(("the paper's", res) for res in ("14", "28", "56", "mean")),
    ]


def test_gains_are_over_the_best_other_method_with_the_paired_interval(rows: list[Row]) -> None:
    """The run has compared ftlgan with bicubic, which serves both of them, and nothing with realesrgan."""
    best = row(rows, "ftlgan")
    assert (best.best_other, best.gain, best.gain_lo, best.gain_hi) == ("bicubic", 0.5, 0.3, 0.6)
    second = row(rows, "bicubic")
    assert (second.best_other, second.gain, second.gain_lo, second.gain_hi) == ("ftlgan", -0.5, -0.6, -0.3)
    third = row(rows, "realesrgan")
    assert (third.best_other, third.gain, third.gain_lo) == ("ftlgan", pytest.approx(-0.7), None)
    assert row(rows, "hr").best_other is None


def test_the_gap_is_from_bicubic_to_the_high_resolution_faces(rows: list[Row]) -> None:
    closed = [row(rows, method).gap_closed for method in ("bicubic", "ftlgan", "realesrgan")]
    assert closed == [0, pytest.approx(0.5 / 2), pytest.approx(-0.2 / 2)]


def test_means_are_over_resolutions(rows: list[Row]) -> None:
    mean = row(rows, "ftlgan", "mean")
    assert mean.d_prime == pytest.approx((1.5 + 2.5) / 2)
    assert mean.gain == pytest.approx(0.5)
    assert mean.gap_closed == pytest.approx(0.5 / (3 - 1.5))
    assert mean.d_prime_lo is None
    assert row(rows, "bicubic", "mean").psnr == (34 + 76) / 2


def test_the_papers_own_results_are_marked_as_theirs(rows: list[Row], runs: list[Run]) -> None:
    theirs = {r.res: (r.d_prime, r.auc) for r in rows if r.judge == "the paper's"}
    assert theirs == {"14": (1.099, 0.78), "28": (2.112, 0.92), "56": (3.049, 0.98), "mean": (2.087, 0.893)}
    ours, _, page = to_markdown(rows, runs).partition("## The paper's own results")
    assert "1.099" not in ours
    assert "The paper used other photos" in page
    assert "21% above" in page


def test_a_judge_is_a_white_box_for_the_models_whose_loss_has_seen_it_alone(rows: list[Row], runs: list[Run]) -> None:
    assert {(row.judge, row.method) for row in rows if row.box == "white"} == {("sface", "ftlgan")}
    page = to_markdown(rows, runs).splitlines()
    assert "## Judged by dlib: a black box, in no loss" in page
    assert "## Judged by SFace: a white box, in the loss of FTLGAN; in no other" in page


def test_the_page_has_every_metric_with_its_interval(rows: list[Row], runs: list[Run]) -> None:
    page = to_markdown(rows, runs).splitlines()
    (line,) = [line for line in page if "FTLGAN" in line and "| 14 " in line and "+0.50 [" in line]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *("14", "FTLGAN", "1.50 [1.40, 1.60]", "0.900 [0.890, 0.910]", "+0.50 [+0.30, +0.60] bicubic", "25%"),
    ]
    assert any("+0.50 (+33%) bicubic" in line for line in page)
    assert any(line.split() == ["|", "14", "|", "bicubic", "|", "34.000", "|", "0.500", "|"] for line in page)


def runs_table(runs: list[Run]) -> list[list[str]]:
    """Return the cells of the page's section on the runs, the heading first."""
    _, _, page = to_markdown(compare_runs(runs), runs).partition("## The runs\n\n")
    heading, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    return [heading, *lines]


def test_the_page_says_which_runs_and_what_else_than_the_resolution_differs(runs: list[Run]) -> None:
    heading, *cells = runs_table(runs)
    assert heading == ["px", "run", "commit", "train.steps"]
    assert [cell[0] for cell in cells] == ["14", "56"]
    assert [cell[2:] for cell in cells] == [["in a folder", "800"], ["in a folder", "400"]]


def test_the_page_says_which_libraries_differ(tmp_path: Path) -> None:
    """A run that was made before the versions were recorded differs in none."""
    software: dict[int, dict[str, str] | None] = {
        14: {"numpy": "2.4.0", "torch": "2.15.0"},
        28: {"numpy": "2.4.0", "torch": "2.16.0", "dlib": "20.0.1"},
        56: None,
    }
    runs = find_runs(write_run(tmp_path / f"{res}", res, software=each) for res, each in software.items())
    assert [line[3:] for line in runs_table(runs)] == [
        ["torch", "dlib"],
        ["2.15.0", ""],
        ["2.16.0", "20.0.1"],
        ["", ""],
    ]
    same = [replace(run, origin=runs[0].origin) for run in runs[:2]] + runs[2:]
    assert runs_table(same)[0] == ["px", "run", "commit"]


def test_params_are_those_of_the_methods_and_judges_that_were_compared(tmp_path: Path) -> None:
    """DVC leaves other items in dvc.lock: of a matrix with one dimension, or with two."""
    name = write_run(tmp_path / "14", 14)
    items = {"validate@ftlgan": "a", "gallery@dlib": "b", "embed@bicubic-dlib": "c", "embed@bicubic-arcface": "gone"}
    stages = {item: {"params": {"params.yaml": {value: 1}}} for item, value in items.items()}
    Path(name, "dvc.lock").write_text(json.dumps({"stages": stages}))
    assert find_runs([name])[0].params == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"photos": "beef"}, "photos: f00d and beef"),
        ({"judge": "babe"}, "judges: .*cafe.* and .*babe.*"),
        ({"condition": "realistic"}, "condition of the test: bicubic and realistic"),
    ],
)
@pytest.mark.parametrize("place", ["", "metrics"])
def test_another_question_is_refused(tmp_path: Path, other: dict[str, Any], said: str, place: str) -> None:
    runs = find_runs([write_run(tmp_path / "14", 14), str(Path(write_run(tmp_path / "28", 28, **other), place))])
    with pytest.raises(DataError, match=f"14 and .*28.*: {said}; compare runs that agree"):
        compare_runs(runs)


def test_copied_metrics_are_compared_without_params(tmp_path: Path) -> None:
    names = [write_run(tmp_path / "14", 14), write_run(tmp_path / "28", 28)]
    shutil.move(tmp_path / "28/metrics", tmp_path / "copied")
    runs = find_runs([names[0], str(tmp_path / "copied")])
    assert [run.params for run in runs] == [{"res": 14, "train.steps": 800, "train.seed": 0}, {}]
    assert "train.steps" not in to_markdown(compare_runs(runs), runs)


def test_quality_that_only_some_runs_measured_hides_no_other(tmp_path: Path) -> None:
    names = [write_run(tmp_path / "14", 14), write_run(tmp_path / "28", 28)]
    looks = [{"method": "bicubic", "psnr": 25.0, "ssim": 0.5, "lpips": 0.25}]
    Path(names[0], "metrics/quality.json").write_text(json.dumps(looks))
    runs = find_runs(names)
    _, _, page = to_markdown(compare_runs(runs), runs).partition("## How the faces look")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "bicubic" in line]
    assert lines[:2] == [["14", "bicubic", "25.000", "0.500", "0.250"], ["28", "bicubic", "48.000", "0.500", ""]]


def test_a_plot_is_drawn_where_d_prime_is_outside_its_interval(tmp_path: Path) -> None:
    runs = find_runs([write_run(tmp_path / "14", 14)])
    rows = [replace(row, d_prime_hi=row.d_prime - 0.05) for row in compare_runs(runs)]
    assert resolution_plot(rows).axes


def test_the_csv_has_the_rows_and_leaves_unknowns_empty(rows: list[Row], tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", rows)
    with (tmp_path / "table.csv").open() as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(rows)
    assert (read[0]["method"], read[0]["d_prime"], read[0]["gain"]) == ("hr", "3", "")


def test_the_plot_has_a_panel_for_each_judge_and_each_method_in_its_colour(rows: list[Row], tmp_path: Path) -> None:
    figure = resolution_plot(rows)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["judged by dlib:\nin no loss", "judged by SFace:\nin the loss of FTLGAN"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["HR, the ceiling", "bicubic", "Real-ESRGAN", "FTLGAN"]
    curves = {container.get_label(): container[0].get_color() for container in figure.axes[0].containers}
    assert curves == {"bicubic": colour("bicubic"), "Real-ESRGAN": colour("realesrgan"), "FTLGAN": colour("ftlgan")}
    assert all(axes.get_ylim()[1] > 3.6 for axes in figure.axes), "the teacher's intervals are not inside"
    for name in ("a", "b"):
        save(resolution_plot(rows), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_runs_of_an_earlier_version_say_what_is_a_white_box_in_words(tmp_path: Path) -> None:
    path = Path(write_run(tmp_path / "28", 28)) / "metrics/origin.json"
    origin = json.loads(path.read_text())
    origin["judges"] = {
        "dlib": {"sha256": "cafe", "box": "black: never in a loss"},
        "sface": {"sha256": "5fac", "box": "white: the teacher in the loss"},
    }
    path.write_text(json.dumps(origin))
    rows = compare_runs(find_runs([str(tmp_path / "28")]))
    assert {row.method for row in rows if row.box == "white"} == {"ftlgan"}
    assert {row.judge for row in rows if row.box == "white"} == {"sface"}


def test_runs_of_an_earlier_version_trained_on_people_with_two_photos_alone(tmp_path: Path) -> None:
    earlier, now = (write_run(tmp_path / str(res), res) for res in (14, 28))
    path = Path(now) / "metrics/origin.json"
    origin = json.loads(path.read_text())

    def count_of_unlabelled(photos: int) -> None:
        origin["split"]["train"] = {"single_photo_people": 0, "unlabelled_photos": photos}
        path.write_text(json.dumps(origin))

    count_of_unlabelled(0)
    assert compare_runs(find_runs([earlier, now]))
    count_of_unlabelled(1)
    with pytest.raises(DataError, match="split of the people"):
        compare_runs(find_runs([earlier, now]))


def test_a_judge_that_the_origin_does_not_know_is_named(tmp_path: Path) -> None:
    path = Path(write_run(tmp_path / "28", 28)) / "metrics/origin.json"
    path.write_text(path.read_text().replace('"dlib"', '"other"'))
    with pytest.raises(DataError, match=r"28: metrics/origin\.json has no judge dlib; run `dvc repro`"):
        find_runs([str(tmp_path / "28")])


def test_one_resolution_needs_no_mean(tmp_path: Path) -> None:
    rows = compare_runs(find_runs([write_run(tmp_path / "28", 28)]))
    assert {row.res for row in rows if row.judge != "the paper's"} == {"28"}
    assert resolution_plot(rows).axes


def test_two_different_runs_of_one_resolution_are_refused_and_equal_ones_are_one(tmp_path: Path) -> None:
    one, same = write_run(tmp_path / "a", 14), write_run(tmp_path / "b", 14)
    assert [run.res for run in find_runs([one, same])] == [14]
    with pytest.raises(
        DataError, match=r"both of 14 px and differ but not only in train.seed.*; name one for each res"
    ):
        find_runs([one, write_run(tmp_path / "c", 14, shift=0.1)])
    other = write_run(tmp_path / "d", 14, shift=0.1, steps=900, seed=1)
    with pytest.raises(
        DataError, match=r"both of 14 px and differ in train.steps; name one .* or trainings that differ"
    ):
        find_runs([one, other])
    Path(other, "dvc.lock").unlink()
    with pytest.raises(DataError, match=r"according to dvc.lock"):
        find_runs([one, other])


def write_other_metrics(name: str, of_ftlgan: float) -> None:
    """Add what the stages identify and calibrate write, and FNMR, with intervals of 0.1 on each side."""
    folder = Path(name) / "metrics"
    (folder / "calibration").mkdir()
    with (folder / "verification.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        fnmr = round(1 - of_ftlgan, 6) if row["method"] == "ftlgan" else 0.9
        row |= {f"fnmr_at_fmr_0.01{end}": fnmr + far for end, far in (("", 0), ("_lo", -0.1), ("_hi", 0.1))}
        row |= {f"fnmr_at_fmr_0.001{end}": "" for end in ("", "_lo", "_hi")}
    for file_name, metric in (
        ("verification.csv", ""),
        ("identification.csv", "rank_1"),
        ("calibration/calibration.csv", "cllr"),
    ):
        with (folder / file_name).open("w", newline="") as file:
            keys = ["judge", "method", "protocol"]
            values = [metric + end for end in ("", "_lo", "_hi")]
            table = csv.DictWriter(file, [*keys, *values] if metric else list(rows[0]), extrasaction="ignore")
            table.writeheader()
            for row in rows:
                value = of_ftlgan if row["method"] == "ftlgan" else 0.5
                table.writerow({**row, **dict(zip(values, (value, value - 0.1, value + 0.1), strict=True))})


def test_trainings_that_differ_in_their_seed_alone_are_one_row(tmp_path: Path) -> None:
    names = [write_run(tmp_path / f"{seed}", 14, seed=seed) for seed in range(3)]
    for name, d_prime in zip(names, (1.5, 1.7, 2.2), strict=True):  # of the model alone; the methods are as they were
        path = Path(name, "metrics/verification.csv")
        path.write_text(
            path.read_text().replace(
                "14,ftlgan,dlib,lr-hr,45,1.5,1.4,1.6",
                f"14,ftlgan,dlib,lr-hr,45,{d_prime},{d_prime - 0.1},{d_prime + 0.3}",
            )
        )
        write_other_metrics(name, d_prime / 10)
    runs = find_runs(names)
    assert len(runs) == 3
    rows = compare_runs(runs)
    ours, theirs = row(rows, "ftlgan"), row(rows, "bicubic")
    assert (ours.trainings, theirs.trainings) == (3, 1)
    assert ours.d_prime == pytest.approx(1.8)
    assert ours.d_prime_sd == pytest.approx(statistics.stdev([1.5, 1.7, 2.2]))
    assert (ours.d_prime_lo, ours.d_prime_hi) == (pytest.approx(1.7), pytest.approx(2.1))
    assert (ours.gain, ours.gain_sd) == (pytest.approx(0.8), pytest.approx(ours.d_prime_sd))
    assert (ours.gain_lo, ours.gain_hi) == (pytest.approx(0.3), pytest.approx(0.6))
    assert (theirs.d_prime, theirs.d_prime_sd, theirs.rank_1_sd) == (1.0, None, None)
    assert (theirs.best_other, theirs.gain_sd) == ("ftlgan", pytest.approx(ours.d_prime_sd))
    assert ours.cllr == ours.rank_1 == ours.tar_at_far_1e2 == pytest.approx(0.18)
    assert ours.tar_at_far_1e2_lo == pytest.approx(0.08) and ours.tar_at_far_1e3 is None
    assert ours.gap_closed == pytest.approx(0.8 / 2)
    page = to_markdown(rows, runs)
    assert "± gives the standard deviation over these trainings" in " ".join(page.split())
    (line,) = [line for line in page.splitlines() if "FTLGAN" in line and "1.80 ± 0.36 [1.70, 2.10]" in line]
    assert [cell.strip() for cell in line.strip("|").split("|")][6:] == [*["0.180 ± 0.036 [0.080, 0.280]"] * 3, "3"]
    assert "rank-1" in page and "TAR at FAR 0.01 " in page and "TAR at FAR 0.001" not in page
    assert [line[3] for line in runs_table(runs)] == ["train.seed", "0", "1", "2"]


@pytest.mark.parametrize("other", ["", "data/probes", "data/pairs.csv"])
def test_metrics_that_a_run_left_from_an_earlier_one_are_not_its_own(tmp_path: Path, other: str) -> None:
    """`dvc exp run evaluate` leaves what identify and calibrate wrote, and their hashes in dvc.lock."""
    name = write_run(tmp_path / "14", 14)
    write_other_metrics(name, 0.5)
    lock = Path(name, "dvc.lock")
    data = {"evaluate": ["data/probes"], "identify": ["data/probes", "data/pairs.csv"], "quality": ["data/restored"]}
    stages: dict[str, Any] = {
        stage: {"deps": [{"path": path, "md5": "0" if (stage, path) == ("identify", other) else "1"} for path in paths]}
        for stage, paths in data.items()
    }
    stages["identify"]["params"] = {"params.yaml": {"identify": {"photos": "one"}}}
    lock.write_text(json.dumps({"stages": json.loads(lock.read_text())["stages"] | stages}))
    (run,) = find_runs([name])
    page = to_markdown(compare_runs([run]), [run])
    is_of_other_faces = other == "data/probes"
    assert run.outdated == ["identification.csv"] * is_of_other_faces
    assert ("rank-1" in page) != is_of_other_faces
    assert "Cllr" in page and "PSNR" in page
    assert ("identify.photos" in run.params) != is_of_other_faces
    assert (f"are left out: {name} (identification.csv). Run `dvc exp run`" in page) == is_of_other_faces
    both = to_markdown(compare_runs([run]), [run, replace(run, name="again")])
    assert (f": {name}, again (identification.csv). " in both) == is_of_other_faces


def test_means_over_resolutions_are_of_the_means_over_trainings(tmp_path: Path) -> None:
    named = [(14, 0, 0.0), (14, 1, 0.2), (28, 0, 1.0)]
    rows = compare_runs(
        find_runs(write_run(tmp_path / f"{res}-{seed}", res, seed=seed, shift=shift) for res, seed, shift in named)
    )
    mean = row(rows, "ftlgan", "mean")
    assert mean.d_prime == pytest.approx(((1.5 + 1.7) / 2 + 2.5) / 2)
    assert (mean.trainings, mean.d_prime_sd) == (1, None)


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that runs git in the working directory, which is a new repository."""
    monkeypatch.chdir(tmp_path)

    def run(*command: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *who, *command], check=True, capture_output=True, text=True).stdout.strip()

    run("init", "-q")
    return run


def commit_experiment(git: Callable[..., str], name: str, res: int) -> str:
    """Commit the results of an experiment on HEAD as DVC keeps it, leave HEAD as it is, and return the short SHA."""
    start = git("rev-parse", "HEAD")
    write_run(Path(), res, steps=100)
    git("add", ".")
    git("commit", "-qm", "an experiment")
    short = git("rev-parse", "--short", "HEAD")
    git("update-ref", f"refs/exps/{start[:2]}/{start[2:]}/{name}", "HEAD")
    git("reset", "-q", "--hard", start)
    return short


@pytest.mark.parametrize(("res", "found"), [(14, ["few-steps"]), (28, ["few-steps", "HEAD"])])
def test_experiments_of_this_commit_come_before_the_commit(git: Callable[..., str], res: int, found: list[str]) -> None:
    write_run(Path(), res)
    git("add", ".")
    git("commit", "-qm", "start")
    shutil.rmtree("metrics")
    short = commit_experiment(git, "few-steps", 14)
    git("update-ref", "refs/exps/exec/EXEC_HEAD", "HEAD")
    assert [run.name for run in find_runs([])] == found
    (experiment,) = find_runs(["few-steps"])
    assert (experiment.res, experiment.commit, experiment.params["train.steps"]) == (14, short, 100)


def test_the_workspace_is_taken_where_it_is_asked_for_alone(git: Callable[..., str]) -> None:
    git("commit", "-q", "--allow-empty", "-m", "start")
    write_run(Path(), 28)
    (run,) = find_runs(["workspace"])
    assert (run.name, run.commit, run.params["train.steps"]) == ("workspace", "", 800)
    with pytest.raises(
        DataError, match=r"HEAD: has no metrics/verification\.csv; run `dvc exp run` .*, or `dvc repro` and commit"
    ):
        find_runs([])
    shutil.rmtree("metrics")
    commit_experiment(git, "few-steps", 14)
    assert [run.name for run in find_runs([])] == ["few-steps"]


def test_an_experiment_is_found_from_any_commit_unless_two_have_its_name(git: Callable[..., str]) -> None:
    for number, res in enumerate((14, 28)):
        git("commit", "-q", "--allow-empty", "-m", f"{number}")
        commit_experiment(git, "same", res)
        commit_experiment(git, f"own-{res}", res)
    assert [(run.name, run.res) for run in find_runs(["own-14", "own-28"])] == [("own-14", 14), ("own-28", 28)]
    with pytest.raises(DataError, match=r"same: 2 experiments have this name; give a commit: refs/.*, refs/"):
        find_runs(["same"])
    reference = git("for-each-ref", "--format=%(refname)", "refs/exps/**/same").splitlines()[0]
    assert [run.name for run in find_runs([reference])] == [reference]


def test_reading_a_commit_changes_nothing_there(git: Callable[..., str]) -> None:
    Repo.init().close()
    git("add", ".")
    git("commit", "-qm", "start")
    commit_experiment(git, "few-steps", 14)
    initial = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert [run.res for run in find_runs([])] == [14]
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == initial


def test_a_project_in_a_folder_of_a_repository_has_its_own_experiments_and_metrics(
    git: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("project").mkdir()
    monkeypatch.chdir("project")
    Repo.init(subdir=True).close()
    git("add", ".")
    git("commit", "-qm", "start")
    commit_experiment(git, "few-steps", 14)
    assert [(run.name, run.res) for run in find_runs([])] == [("few-steps", 14)]


def test_a_commit_without_quality_is_read_with_a_damaged_dvc_yaml(git: Callable[..., str]) -> None:
    Repo.init().close()
    write_run(Path(), 14)
    Path("metrics/quality.json").unlink()
    Path("dvc.yaml").write_text("stages: {")
    git("add", ".")
    git("commit", "-qm", "damaged")
    (run,) = find_runs(["HEAD"])
    assert (run.res, run.quality) == (14, [])


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nonsense: there is no such experiment, commit or folder here"):
        find_runs(["nonsense"])
    with pytest.raises(DataError, match=r"has no metrics/verification\.csv"):
        find_runs([str(tmp_path)])


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("verification.csv", "auc_hi", "auc_high", r"verification\.csv: 0: auc_hi: field required"),
        ("verification.csv", "14,hr,dlib,hr-hr,45,3.0", "14,hr,dlib,hr-hr,45,three", "unable to parse string"),
        ("verification.csv", "14,hr,dlib", "14,hr,sface", "have one resolution, and a row 'hr' for each judge"),
        ("verification.csv", "14,ftlgan", "28,ftlgan", "have one resolution"),
        ("verification.csv", "14,", "14.5,", "0: res: input should be a valid integer"),
        ("differences.csv", "0.6", "", "0: d_prime_hi: input should be a valid number"),
        ("quality.json", "[", "<<<<<<< HEAD\n[", r"quality\.json: it: invalid json"),
        ("quality.json", '"psnr"', '"snr"', "0: psnr: field required"),
        ("verification.csv", "3.0", "nan", "finite number"),
        ("verification.csv", "14,hr", "\udcff,hr", "0: res: input should be a valid integer"),
        ("origin.json", "aligned_sha256", "sha256", r"origin\.json: dataset: aligned_sha256: field required"),
        ("origin.json", '"dataset"', '"software": {"torch": 2}, "dataset"', "software: torch: .*valid string"),
    ],
)
def test_damaged_metrics_are_one_line(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    name = write_run(tmp_path / "14", 14)
    path = Path(name, "metrics", file)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new), errors="surrogateescape")
    with pytest.raises(DataError, match=said) as error:
        find_runs([name])
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{name}: ")
