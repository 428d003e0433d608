"""Only what is stale reruns: dvc.yaml beside the code, and the real DVC on a tiny data set.

What DVC calls stale is asked of `dvc status`; that the stages behind it follow is shown by a few real runs.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from code_deps import CANNOT_CHANGE_AN_OUTPUT, COMMAND, ROOT, SRC, code_deps, expected_code_deps, read_stages, rewritten
from project import Project, executed, new_project
from ruamel.yaml import YAML

STAGES = read_stages()
JUDGES = ("sface", "dlib")
JUDGED = {"evaluate", "identify", "calibrate", "verify_pairs"}
"""The stages that read what all judges embedded."""
EVERY_STAGE = {
    *("locate", "fetch", "align", "align_small", "embed_teacher@sface", "gallery@sface", "gallery@dlib"),
    *("triplets@sface", "degrade", "targets@ftlgan", "train@ftlgan", "validate@ftlgan"),
    *("degrade_test@bicubic", "restore@bicubic-bicubic", "restore_model@ftlgan-bicubic"),
    *(f"embed@bicubic-{judge}-bicubic" for judge in JUDGES),
    *(f"embed_model@ftlgan-{judge}-bicubic" for judge in JUDGES),
    *JUDGED,
    *("quality", "vega"),
}
AFTER_DEGRADE = EVERY_STAGE - {
    "vega",
    *("locate", "fetch", "align", "align_small", "embed_teacher@sface", "gallery@sface", "gallery@dlib"),
    *("triplets@sface", "targets@ftlgan"),
}
OF_ANOTHER_MODEL = {
    *("targets@esrgan-like", "train@esrgan-like", "validate@esrgan-like", "restore_model@esrgan-like-bicubic"),
    *(f"embed_model@esrgan-like-{judge}-bicubic" for judge in JUDGES),
    *JUDGED,
    "quality",
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_modules_that_it_imports_and_no_others(stage: str) -> None:
    code = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))]
    assert code == expected_code_deps(STAGES[stage]), f"run `{COMMAND}`, which rewrites dvc.yaml"


def test_the_command_that_rewrites_the_deps_changes_nothing_else() -> None:
    right = (ROOT / "dvc.yaml").read_text()
    missing = right.replace("      - src/ftlgan/degradation.py\n", "")
    wrong = missing.replace("      - stages/", "      - src/a.py\n      - stages/")
    assert wrong != right
    assert rewritten(wrong) == rewritten(right) == right


def test_what_is_left_out_of_the_deps_exists() -> None:
    for module in CANNOT_CHANGE_AN_OUTPUT:
        base = SRC.joinpath(*module.split("."))
        assert base.with_suffix(".py").exists() or (base / "__init__.py").exists()
    for package in (name for name, why in CANNOT_CHANGE_AN_OUTPUT.items() if why == "a docstring"):
        assert SRC.joinpath(*package.split("."), "__init__.py").read_text().count("\n") == 1, "more than a docstring"


def test_the_closure_holds_what_python_really_imports() -> None:
    script = ROOT / "stages" / "degrade.py"
    code = f"import runpy, sys; runpy.run_path({str(script)!r}, run_name='imported'); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ours = {name for name in printed.split() if name.split(".")[0] == "ftlgan"} - set(CANNOT_CHANGE_AN_OUTPUT)
    deps = {dep.removeprefix("src/").removesuffix(".py").replace("/", ".") for dep in code_deps(script)}
    assert ours == deps - {"stages.degrade"}


def test_the_first_run_runs_every_stage_and_the_second_none(project: Project, reproduced: Project) -> None:
    assert executed(reproduced.printed) == EVERY_STAGE
    assert executed(project.dvc("repro")) == set()
    assert project.run("git", "status", "--porcelain") == ""


def test_another_res_runs_what_depends_on_it_and_going_back_computes_nothing(
    experiments: Project, tmp_path: Path
) -> None:
    """The experiment was run by the queue, in a copy of the project, where `locate` always runs."""
    project = experiments.copy_to(tmp_path / "there")
    before = (project.root / "metrics/verification.csv").read_text()
    (other,) = (name for name, res in experiment_resolutions(project).items() if res == 56)
    assert executed(project.dvc("queue", "logs", other)) == AFTER_DEGRADE | {"locate"}
    project.dvc("exp", "apply", other)
    assert (project.root / "metrics/verification.csv").read_text() != before
    project.set_params(res=14)
    # Results in git are not in the cache, so the cheap last stages run again; their bytes say that nothing else did.
    assert executed(project.dvc("repro")) == {"locate", *JUDGED}
    assert (project.root / "metrics/verification.csv").read_text() == before


def experiment_resolutions(project: Project) -> dict[str, int]:
    """The resolution of each experiment, by its name."""
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    named = {ref.rpartition("/")[2]: ref for ref in refs if ref.count("/") == 4}
    yaml = YAML(typ="safe", pure=True)
    return {name: yaml.load(project.run("git", "show", f"{ref}:params.yaml"))["res"] for name, ref in named.items()}


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        (
            {"res": 28},
            {
                *("locate", "degrade", "degrade_test@bicubic", "train@ftlgan", "validate@ftlgan"),
                *("restore_model@ftlgan-bicubic", *JUDGED),
            },
        ),
        ({"degradation": {"realistic": 0.5}}, {"degrade", "train@ftlgan", "evaluate"}),
        ({"triplets": {"margin": 0.4}}, {"triplets@sface", "train@ftlgan"}),
        ({"train": {"checkpoint": 7}}, set[str]()),
        ({"engine": "ray", "ray_address": "10.0.0.1:6379"}, set[str]()),
        ({"train": {"steps": 5}}, {"train@ftlgan"}),
        ({"restore": {"mirror": True}}, {"validate@ftlgan", "restore_model@ftlgan-bicubic"}),
        ({"weights": {"realesrgan": {"file": "x.pth", "sha256": "0" * 64}}}, set[str]()),
        ({"weights": {"bicubic": {"file": "x.pth", "sha256": "0" * 64}}}, {"restore@bicubic-bicubic"}),
        ({"losses": {"esrgan-like": {"pixel": 2}}}, set[str]()),
        ({"methods": []}, {*JUDGED, "quality"}),
        ({"models": ["ftlgan", "esrgan-like"]}, OF_ANOTHER_MODEL),
        ({"evaluate": {"confidence": 0.9}}, JUDGED),
        ({"evaluate": {"sheet": 3}}, {"evaluate"}),
        ({"identify": {"fusion": "max"}}, {"identify"}),
        ({"calibrate": {"protocols": ["lr-hr", "lr-lr"]}}, {"calibrate"}),
    ],
)
def test_a_param_makes_stale_what_reads_it_and_nothing_else(
    project: Project, changes: dict[str, object], stale: set[str]
) -> None:
    project.set_params(**changes)
    assert project.stale() == stale


def test_another_colour_retrains_nothing(project: Project) -> None:
    plots = project.root / "src/ftlgan/evaluation/plots.py"
    plots.write_text(plots.read_text() + "\n# another colour\n")
    assert project.stale() == {"evaluate", "identify"}


def test_what_cannot_change_an_output_makes_nothing_stale(project: Project) -> None:
    for name in (
        "errors",
        "params/sections",
        "params/dataset",
        "progress",
        "tracking/__init__",
        "tracking/tags",
        "training/checkpoint",
    ):
        module = project.root / f"src/ftlgan/{name}.py"
        module.write_text(module.read_text() + "\n# another word\n")
    assert project.stale() == set()


def _add(photos: Path) -> None:
    shutil.copy(next(photos.rglob("0001.jpg")), next(photos.rglob("0000.jpg")).with_name("new.jpg"))


def _change(photos: Path) -> None:
    shutil.copy(photos / "person-0000/0001.jpg", photos / "person-0000/0000.jpg")


def _remove(photos: Path) -> None:
    (photos / "person-0000/0000.jpg").unlink()


@pytest.mark.parametrize("change", [_add, _change, _remove])
def test_a_photo_added_changed_or_removed_makes_fetch_stale(project: Project, change: object) -> None:
    assert callable(change)
    change(project.photos)
    status = json.loads(project.dvc("status", "--json"))
    assert list(status) == ["fetch"]
    (why,) = status["fetch"]
    assert [Path(path).name for path in why["changed deps"]] == ["photos"]


def test_the_embedded_default_needs_no_photos(project: Project) -> None:
    shutil.rmtree(project.photos)
    people = ["-S", "dataset.source=null", "-S", "dataset.people=6", "-S", "dataset.photos=2"]
    printed = project.dvc("exp", "run", *people, "-S", "dataset.path=data/no-photos", "align")
    assert executed(printed) == {"locate", "fetch", "align"}
    assert pq.read_table(project.root / "data/aligned").num_rows == 12


def test_no_method_is_needed_beside_a_model(project: Project) -> None:
    project.set_params(methods=[])
    project.run("python", "stages/evaluate.py")
    assert list(json.loads((project.root / "metrics/metrics.json").read_text())) == ["hr", "ftlgan"]


def read_lock(project: Project) -> dict[str, object]:
    return YAML(typ="safe", pure=True).load(project.root / "dvc.lock")["stages"]


def read_losses(project: Project, model: str) -> dict[str, str]:
    with (project.root / "data/model" / model / "losses.csv").open() as file:
        return next(csv.DictReader(file))


def test_a_method_of_ones_own_is_one_file_and_its_name_and_nothing_need_be_trained(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "tests/restoration/nearest.py", project.root / "src/ftlgan/restoration/nearest.py")
    monkeypatch.setenv("PYTHONPATH", str(project.root / "src"))
    settings = ["-S", "models=[]", "-S", "methods=[bicubic,nearest]", "-S", "+weights.nearest=null"]
    assert executed(project.dvc("exp", "run", *settings)) == {
        *("restore@nearest-bicubic", "embed@nearest-sface-bicubic", "embed@nearest-dlib-bicubic"),
        *JUDGED,
        "quality",
    }
    headline = json.loads((project.root / "metrics/metrics.json").read_text())
    assert list(headline) == ["hr", "bicubic", "nearest"]


def test_a_judge_that_is_added_embeds_by_itself_and_nothing_else_does(project: Project) -> None:
    project.set_params(recognition={"judges": ["dlib"]})
    assert executed(project.dvc("repro")) == {"validate@ftlgan", *JUDGED}
    assert not (project.root / "data/probes/bicubic/bicubic/sface").exists()
    added = {"gallery@sface", "embed@bicubic-sface-bicubic", "embed_model@ftlgan-sface-bicubic"}
    for stage in added:
        remove_from_lock(project, stage)
    project.set_params(recognition={"judges": ["dlib", "sface"]})
    assert project.stale() == {*added, "validate@ftlgan", *JUDGED}


CONDITIONS = ["realistic", "detected", "held-out"]


def test_a_condition_that_is_added_is_restored_and_judged_by_itself_and_nothing_is_trained(project: Project) -> None:
    project.set_params(test={"conditions": ["bicubic", *CONDITIONS]})
    added = {
        name
        for condition in CONDITIONS
        for name in (
            *(f"degrade_test@{condition}", f"restore@bicubic-{condition}", f"restore_model@ftlgan-{condition}"),
            *(f"embed@bicubic-{judge}-{condition}" for judge in JUDGES),
            *(f"embed_model@ftlgan-{judge}-{condition}" for judge in JUDGES),
        )
    }
    assert executed(project.dvc("repro")) == added | JUDGED | {"quality"}
    headline = json.loads((project.root / "metrics/metrics.json").read_text())
    d_primes = ["d'", *(f"d' {condition}" for condition in CONDITIONS)]
    assert {method: list(row) for method, row in headline.items()} == {
        "hr": ["d'"],
        "bicubic": d_primes,
        "ftlgan": d_primes,
    }
    origin = json.loads((project.root / "metrics/origin.json").read_text())
    faces = origin["split"]["test"]["photos"]
    assert list(origin["conditions"]) == ["bicubic", *CONDITIONS]
    assert all(found["faces"] + found["not_found"] == faces for found in origin["conditions"].values())
    assert origin["conditions"]["held-out"]["not_found"] == 0
    project.set_params(test={"conditions": ["bicubic"]})
    assert executed(project.dvc("repro")) <= JUDGED | {"quality"}, "or taken from the cache"
    assert not (project.root / "data/test/realistic").exists()


def remove_from_lock(project: Project, stage: str) -> None:
    """Let DVC forget that it ever ran a stage."""
    yaml, path = YAML(), project.root / "dvc.lock"
    lock = yaml.load(path)
    del lock["stages"][stage]
    yaml.dump(lock, path)


def test_a_relative_path_means_the_same_folder_in_a_copy_of_the_project(project: Project, experiments: Project) -> None:
    def fetch_deps(lock: str) -> object:
        return YAML(typ="safe", pure=True).load(lock)["stages"]["fetch"]["deps"]

    here = fetch_deps((project.root / "dvc.lock").read_text())
    printed = project.dvc("exp", "run", "--temp", "--name", "elsewhere", "-S", "evaluate.sheet=1")
    assert executed(printed) == {"locate", "evaluate"}
    (ref,) = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/elsewhere").split()
    assert fetch_deps(project.run("git", "show", f"{ref}:dvc.lock")) == here
    queued = experiments.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    for ref in (ref for ref in queued if ref.count("/") == 4):
        assert fetch_deps(experiments.run("git", "show", f"{ref}:dvc.lock")) == here


def test_a_photo_changed_before_a_run_in_a_copy_is_seen_there(project: Project) -> None:
    nobody = project.photos.with_name("nobody")
    nobody.mkdir()
    photos = sorted(project.photos.rglob("*.jpg"))

    def executed_in_a_copy(sheet: int) -> set[str]:
        settings = ["-S", f"evaluate.sheet={sheet}", "-S", "dataset.unlabelled=../nobody"]
        return executed(project.dvc("exp", "run", "--temp", *settings, "fetch"))

    shutil.copy(photos[0], nobody / "0.jpg")
    executed_in_a_copy(1)
    _change(project.photos)
    assert "fetch" in executed_in_a_copy(2)
    shutil.copy(photos[1], nobody / "1.jpg")
    assert "fetch" in executed_in_a_copy(3)
    assert "fetch" not in executed_in_a_copy(4)


def test_two_clones_give_the_same_lock_also_where_another_model_was_beside(
    reproduced: Project, tmp_path: Path, photos: Path
) -> None:
    """Otherwise, the stages that read all methods would be stale in a clone that never had it."""
    clone = new_project(tmp_path / "clone", photos)
    clone.set_params(models=["ftlgan", "esrgan-like"])
    assert executed(clone.dvc("repro")) == EVERY_STAGE | OF_ANOTHER_MODEL
    ftlgan, other = (read_losses(clone, model) for model in ("ftlgan", "esrgan-like"))
    assert ftlgan["triplet"] and not ftlgan["adversarial"]
    assert other["perceptual"] and other["adversarial"] and other["discriminator"]
    assert not other["triplet"] and not other["identity"]
    clone.set_params(losses={"esrgan-like": {"pixel": 2}})
    assert clone.stale() == {"train@esrgan-like"}
    places = [
        "data/probes/bicubic/esrgan-like",
        "data/restored/bicubic/esrgan-like",
        "metrics/validation/esrgan-like.json",
    ]
    assert all((clone.root / place).exists() for place in places)

    clone.run("git", "checkout", "-q", "params.yaml")
    clone.dvc("repro")
    assert not any((clone.root / place).exists() for place in places)
    lock, expected = read_lock(clone), read_lock(reproduced)
    assert {stage: lock[stage] for stage in expected} == expected


def test_the_headline_and_the_table_have_every_method(reproduced: Project) -> None:
    headline = json.loads((reproduced.root / "metrics/metrics.json").read_text())
    assert list(headline) == ["hr", "bicubic", "ftlgan"]
    assert all(list(metrics) == ["d'"] for metrics in headline.values())
    with (reproduced.root / "metrics/verification.csv").open() as file:
        rows = list(csv.DictReader(file))
    metrics = ("d_prime", "auc", "eer", "fnmr_at_fmr_0.01", "fnmr_at_fmr_0.001")
    columns = [name + end for name in metrics for end in ("", "_lo", "_hi")]
    thresholds = ["threshold_at_fmr_0.01", "threshold_at_fmr_0.001", "threshold_at_eer"]
    counts = ["people", "genuine", "impostor"]
    assert list(rows[0]) == ["res", "condition", "method", "judge", "box", "protocol", *counts, *columns, *thresholds]
    found = {(row["method"], row["judge"], row["protocol"]) for row in rows}
    methods = {("hr", "hr-hr"), *((m, p) for m in ("bicubic", "ftlgan") for p in ("lr-hr", "lr-lr"))}
    assert found == {(method, judge, protocol) for method, protocol in methods for judge in ("sface", "dlib")}
    dlib = {r["method"]: float(r["d_prime"]) for r in rows if r["judge"] == "dlib" and r["protocol"] != "lr-lr"}
    assert {name: metrics["d'"] for name, metrics in headline.items()} == pytest.approx(dlib, abs=1e-4)


def test_every_result_says_where_it_comes_from(reproduced: Project) -> None:
    origin = json.loads((reproduced.root / "metrics/origin.json").read_text())
    assert origin["dataset"]["source"] == "folder"
    assert len(origin["dataset"]["aligned_sha256"]) == 64
    faces = pq.read_table(reproduced.root / "data/aligned", columns=["identity", "split"]).to_pylist()
    for split in ("train", "val", "test"):
        people = [face["identity"] for face in faces if face["split"] == split]
        counts = {"people": len(set(people)), "photos": len(people)}
        of_train = {"single_photo_people": 0, "unlabelled_photos": 0, "native_photos": 0} if split == "train" else {}
        assert origin["split"][split] == counts | of_train
    assert origin["software"].keys() == {"torch", "onnxruntime", "dlib", "opencv", "pillow", "numpy"}
    assert origin["software"]["numpy"] == np.__version__
    assert origin["left_out"] == {"rejects": {}, "byte_identical_copies": 0, "native_without_reference": 0}
    trained_on = {"kind": "bicubic", "realistic": 0.0}
    assert origin["degradation"] == {"res": 14, "training": trained_on, "resampler": "Pillow, antialiased"}
    assert origin["conditions"] == {"bicubic": {"faces": origin["split"]["test"]["photos"], "not_found": 0}}
    assert "ArcFace" in origin["crop"]["template"]
    boxes = {judge: about["white_for"] for judge, about in origin["judges"].items()}
    assert boxes == {"sface": ["ftlgan"], "dlib": []}
    assert {len(about["sha256"]) for about in origin["judges"].values()} == {64}
    with (reproduced.root / "metrics/verification.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, result in zip(rows, origin["results"], strict=True):
        assert [row[name] for name in ("condition", "method", "judge", "protocol")] == list(result.values())[:4]
        assert row["box"] == ("white" if (row["method"], row["judge"]) == ("ftlgan", "sface") else "black")
        assert [int(row[name]) for name in ("people", "genuine", "impostor")] == [
            result[name] for name in ("people", "genuine", "impostor")
        ]


def test_dvc_shows_plots_metrics_and_experiments(project: Project) -> None:
    printed = project.dvc("plots", "show")
    assert "failed" not in printed
    html = Path(printed.strip().removeprefix("file://")).read_text()
    for title in (
        *("ROC of lr-hr", "Genuine and impostor", "Losses before weighting", "validation people by the teacher"),
        *("validation people by every judge", "PSNR of the restored faces", "faces.png", "conditions.png"),
        *("Identification rate over the rank", "identification.png", "calibration.png"),
    ):
        assert title in html
    assert '"method": "bicubic"' in html
    shown = project.dvc("exp", "show", "--csv")
    assert "bicubic.d'" in shown.splitlines()[0]
