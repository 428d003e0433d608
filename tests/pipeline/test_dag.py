"""Only what is stale reruns: dvc.yaml beside the code, and the real DVC on a tiny data set."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from closure import CANNOT_CHANGE_AN_OUTPUT, ROOT, SRC, code_deps
from project import Project, executed, new_project
from ruamel.yaml import YAML

from ftlgan.params import METHODS

STAGES = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
EVERY_STAGE = {
    *("locate", "fetch", "align", "teach", "gallery@sface", "gallery@dlib", "triplets", "degrade"),
    *("train@ftlgan", "validate@ftlgan"),
    *("restore@bicubic", "restore_model@ftlgan", "embed@bicubic", "embed_model@ftlgan", "evaluate", "quality"),
}
METHOD = "src/ftlgan/restoration/${item.method}.py"
GALLERIES = {"gallery@sface", "gallery@dlib"}
AFTER_DEGRADE = EVERY_STAGE - GALLERIES - {"locate", "fetch", "align", "teach", "triplets"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_modules_that_it_imports_and_no_others(stage: str) -> None:
    """A method's module is found by its name: to the closure of `restore` belong those of all methods."""
    code = {dep for dep in STAGES[stage]["deps"] if dep.startswith(("src/", "stages/"))}
    expected = code_deps(ROOT / STAGES[stage]["cmd"].split()[1])
    for method in METHODS if METHOD in code else ():
        module = METHOD.replace("${item.method}", method)
        expected |= code_deps(ROOT / module) - {module} | {METHOD}
    assert code == expected


def test_what_is_left_out_of_the_deps_exists() -> None:
    for module in CANNOT_CHANGE_AN_OUTPUT:
        base = SRC.joinpath(*module.split("."))
        assert base.with_suffix(".py").exists() or (base / "__init__.py").exists()
    assert (SRC / "ftlgan" / "__init__.py").read_text().count("\n") == 1, "more than a docstring"


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


def test_another_res_runs_what_depends_on_it_and_going_back_computes_nothing(project: Project) -> None:
    before = (project.root / "metrics/verification.csv").read_text()
    assert executed(project.dvc("exp", "run", "-S", "res=56")) == AFTER_DEGRADE
    assert (project.root / "metrics/verification.csv").read_text() != before
    # Its results are in git, not in the cache, so the cheap last stage runs again; its bytes say that nothing else did.
    assert executed(project.dvc("exp", "run", "-S", "res=14")) == {"evaluate"}
    assert (project.root / "metrics/verification.csv").read_text() == before


def test_another_margin_mines_and_trains_but_does_not_degrade(project: Project) -> None:
    ran = executed(project.dvc("exp", "run", "-S", "triplets.margin=0.4"))
    assert {"triplets", "train@ftlgan", "restore_model@ftlgan"} <= ran
    assert ran.isdisjoint(GALLERIES | {"locate", "fetch", "align", "teach", "degrade", "restore@bicubic"})


def test_another_colour_retrains_nothing(project: Project) -> None:
    figures = project.root / "src/ftlgan/figures.py"
    figures.write_text(figures.read_text() + "\n# another colour\n")
    assert executed(project.dvc("repro")) == {"evaluate"}


def test_what_cannot_change_an_output_reruns_nothing(project: Project) -> None:
    for name in ("errors", "params", "progress", "repository", "tracking/__init__", "tracking/tags"):
        module = project.root / f"src/ftlgan/{name}.py"
        module.write_text(module.read_text() + "\n# another word\n")
    assert executed(project.dvc("repro")) == set()


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
    people = ["-S", "dataset.source=synthetic", "-S", "dataset.people=8", "-S", "dataset.photos=2"]
    printed = project.dvc("exp", "run", *people, "-S", "dataset.path=data/photos", "align")
    assert executed(printed) == {"locate", "fetch", "align"}
    assert pq.read_table(project.root / "data/aligned").num_rows == 16


def test_one_method_is_enough(project: Project) -> None:
    assert executed(project.dvc("exp", "run", "-S", "methods=[]")) == {"evaluate", "quality"}
    assert list(json.loads((project.root / "metrics/metrics.json").read_text())) == ["hr", "ftlgan"]


def test_a_method_of_ones_own_is_one_file_and_one_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "tests/restoration/nearest.py", project.root / "src/ftlgan/restoration/nearest.py")
    monkeypatch.setenv("PYTHONPATH", str(project.root / "src"))
    printed = project.dvc("exp", "run", "-S", "methods=[bicubic,nearest]")
    assert executed(printed) == {"restore@nearest", "embed@nearest", "evaluate", "quality"}
    headline = json.loads((project.root / "metrics/metrics.json").read_text())
    assert list(headline) == ["hr", "bicubic", "nearest", "ftlgan"]


def test_nothing_need_be_trained_to_compare_methods(project: Project) -> None:
    printed = project.dvc("exp", "run", "-S", "models=[]", "-S", "methods=[bicubic,realesrgan]")
    assert executed(printed) == {"restore@realesrgan", "embed@realesrgan", "evaluate", "quality"}
    assert list(json.loads((project.root / "metrics/metrics.json").read_text())) == ["hr", "bicubic", "realesrgan"]


def test_another_model_is_trained_beside_the_first_which_is_not_touched(project: Project) -> None:
    printed = project.dvc("exp", "run", "-S", "models=[ftlgan,esrgan-like]")
    assert executed(printed) == {
        *("train@esrgan-like", "validate@esrgan-like", "restore_model@esrgan-like", "embed_model@esrgan-like"),
        *("evaluate", "quality"),
    }
    ftlgan, other = (read_losses(project, model) for model in ("ftlgan", "esrgan-like"))
    assert ftlgan["triplet"] and not ftlgan["adversarial"]
    assert other["perceptual"] and other["adversarial"] and not other["triplet"] and not other["identity"]
    printed = project.dvc("exp", "run", "-S", "losses.esrgan-like.pixel=2", "train@ftlgan", "train@esrgan-like")
    assert executed(printed) == {"train@esrgan-like"}


def test_a_model_that_was_taken_out_again_is_in_no_hash_of_the_others(project: Project) -> None:
    """Else in a teammate's clone, where it never was, the stages that read all methods would be stale."""
    before = read_lock(project)
    for models in (["ftlgan", "no-triplet"], ["ftlgan"]):
        project.set_params(models=models)
        project.dvc("repro")
        for place in ("data/probes/no-triplet", "data/restored/no-triplet", "metrics/validation/no-triplet.json"):
            assert (project.root / place).exists() == ("no-triplet" in models)
    after = read_lock(project)
    assert {stage: after[stage] for stage in before} == before


def read_lock(project: Project) -> dict[str, object]:
    return YAML(typ="safe", pure=True).load(project.root / "dvc.lock")["stages"]


def read_losses(project: Project, model: str) -> dict[str, str]:
    with (project.root / "data/model" / model / "losses.csv").open() as file:
        return next(csv.DictReader(file))


def test_another_judge_retrains_nothing(project: Project) -> None:
    ran = executed(project.dvc("exp", "run", "-S", "recognition.judges=[dlib]"))
    assert ran == {"validate@ftlgan", "embed@bicubic", "embed_model@ftlgan", "evaluate"}


@pytest.mark.parametrize("where", ["--temp", "--queue"])
def test_a_relative_path_means_the_same_folder_in_a_copy_of_the_project(project: Project, where: str) -> None:
    printed = project.dvc("exp", "run", where, "--name", "elsewhere", "-S", "evaluate.sheet=1")
    if where == "--queue":
        project.dvc("queue", "start")
        printed = project.dvc("queue", "logs", "elsewhere", "--follow")
    assert executed(printed) == {"locate", "evaluate"}
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (ref,) = (ref for ref in refs if ref.endswith("/elsewhere"))
    lock = project.run("git", "show", f"{ref}:dvc.lock")
    deps = YAML(typ="safe", pure=True).load(lock)["stages"]["fetch"]["deps"]
    here = YAML(typ="safe", pure=True).load(project.root / "dvc.lock")["stages"]["fetch"]["deps"]
    assert deps == here


def test_a_photo_changed_before_a_run_in_a_copy_is_seen_there(project: Project) -> None:
    project.dvc("exp", "run", "--temp", "-S", "evaluate.sheet=1")
    _change(project.photos)
    printed = project.dvc("exp", "run", "--temp", "--name", "elsewhere", "-S", "evaluate.sheet=2")
    assert "fetch" in executed(printed)


def test_two_clones_give_the_same_lock(reproduced: Project, tmp_path: Path, photos: Path) -> None:
    clone = new_project(tmp_path / "clone", photos)
    clone.dvc("repro")
    assert (clone.root / "dvc.lock").read_bytes() == (reproduced.root / "dvc.lock").read_bytes()


def test_the_headline_and_the_table_have_every_method(project: Project) -> None:
    headline = json.loads((project.root / "metrics/metrics.json").read_text())
    assert list(headline) == ["hr", "bicubic", "ftlgan"]
    assert all(list(figures) == ["d'"] for figures in headline.values())
    with (project.root / "metrics/verification.csv").open() as file:
        rows = list(csv.DictReader(file))
    figures = ("d_prime", "auc", "eer", "fnmr_at_fmr_0.01", "fnmr_at_fmr_0.001")
    merits = [name + end for name in figures for end in ("", "_lo", "_hi")]
    assert list(rows[0]) == ["res", "method", "judge", "protocol", "people", "genuine", "impostor", *merits]
    found = {(row["method"], row["judge"], row["protocol"]) for row in rows}
    methods = {("hr", "hr-hr"), *((m, p) for m in ("bicubic", "ftlgan") for p in ("lr-hr", "lr-lr"))}
    assert found == {(method, judge, protocol) for method, protocol in methods for judge in ("sface", "dlib")}
    dlib = {r["method"]: float(r["d_prime"]) for r in rows if r["judge"] == "dlib" and r["protocol"] != "lr-lr"}
    assert {name: figures["d'"] for name, figures in headline.items()} == pytest.approx(dlib, abs=1e-4)


def test_every_figure_says_where_it_comes_from(project: Project) -> None:
    origin = json.loads((project.root / "metrics/origin.json").read_text())
    assert origin["dataset"]["source"] == "folder"
    assert len(origin["dataset"]["aligned_sha256"]) == 64
    faces = pq.read_table(project.root / "data/aligned", columns=["identity", "split"]).to_pylist()
    for split in ("train", "val", "test"):
        people = [face["identity"] for face in faces if face["split"] == split]
        assert origin["split"][split] == {"people": len(set(people)), "photos": len(people)}
    assert origin["left_out"] == {"rejects": {}, "byte_identical_copies": 0}
    assert origin["degradation"] == {"res": 14, "kernel": "bicubic", "resampler": "Pillow, antialiased"}
    assert "ArcFace" in origin["crop"]["template"]
    boxes = {judge: about["box"].split(":")[0] for judge, about in origin["judges"].items()}
    assert boxes == {"sface": "white", "dlib": "black"}
    assert {len(about["sha256"]) for about in origin["judges"].values()} == {64}
    with (project.root / "metrics/verification.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row, figure in zip(rows, origin["figures"], strict=True):
        assert [row[name] for name in ("method", "judge", "protocol")] == list(figure.values())[:3]
        assert [int(row[name]) for name in ("people", "genuine", "impostor")] == [
            figure[name] for name in ("people", "genuine", "impostor")
        ]


def test_dvc_shows_plots_metrics_and_experiments(project: Project) -> None:
    printed = project.dvc("plots", "show")
    assert "failed" not in printed
    html = Path(printed.strip().removeprefix("file://")).read_text()
    for title in (
        *("ROC of lr-hr", "Genuine and impostor", "Losses before weighting", "validation people by the teacher"),
        *("validation people by every judge", "PSNR of the restored faces", "faces.png"),
    ):
        assert title in html
    assert '"method": "bicubic"' in html
    shown = project.dvc("exp", "show", "--csv")
    assert "bicubic.d'" in shown.splitlines()[0]
