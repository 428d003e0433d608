"""Identification and calibration under the real DVC, beside the commands that anybody may call."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project import Project, executed

from ftlgan.verification.calibration.model import Calibration


def rows(project: Project, name: str) -> list[dict[str, str]]:
    with (project.root / "metrics" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_validation_people_go_through_what_the_test_people_do_and_stand_in_no_result(reproduced: Project) -> None:
    aligned = pq.read_table(reproduced.root / "data/aligned", columns=["face_id", "split"]).to_pylist()
    judged = [row for row in aligned if row["split"] != "train"]
    for table in ("test/bicubic", "restored/bicubic/ftlgan", "probes/bicubic/bicubic/dlib"):
        found = pq.read_table(reproduced.root / "data" / table, columns=["face_id", "split"]).to_pylist()
        assert sorted(found, key=str) == sorted(judged, key=str)
    people = len({row["face_id"].split("/")[0] for row in judged if row["split"] == "test"})
    assert {int(row["people"]) for row in rows(reproduced, "verification.csv")} == {people}
    assert {int(row["enrolled"]) for row in rows(reproduced, "identification.csv")} == {people}


def test_the_table_of_identification_is_what_the_command_says(reproduced: Project) -> None:
    found = rows(reproduced, "identification.csv")
    methods = [("", "hr"), ("bicubic", "bicubic"), ("bicubic", "ftlgan")]
    assert [(row["condition"], row["method"], row["judge"]) for row in found] == [
        (*method, judge) for judge in ("sface", "dlib") for method in methods
    ]
    assert [row["box"] for row in found] == ["black", "black", "white", "black", "black", "black"]
    tables = ["data/gallery/dlib", "data/probes/bicubic/ftlgan/dlib"]
    printed = json.loads(reproduced.run("ftlgan", "identify", *tables, "--replicates", "100", "--json", "-"))
    for name, estimate in printed["metrics"].items():
        for end, value in (("", estimate["value"]), ("_lo", estimate["lo"]), ("_hi", estimate["hi"])):
            assert float(found[-1][name + end]) == pytest.approx(value, abs=1e-6)
    assert printed["absent"] and all(found[-1][name] == "" for name in printed["absent"])
    curve = [float(row["rate"]) for row in rows(reproduced, "cmc.csv") if row["method"] == "ftlgan"]
    assert curve == pytest.approx(printed["cmc"]["rate"], abs=1e-6)


def test_too_few_validation_people_give_no_calibration_and_the_table_says_why(reproduced: Project) -> None:
    found = rows(reproduced, "calibration/calibration.csv")
    assert len(found) == 6
    assert all("2 people have genuine scores, but a calibration needs 5" in row["absent"] for row in found)
    assert not list((reproduced.root / "metrics/calibration").rglob("*.json"))


@pytest.mark.slow
def test_a_calibration_is_the_one_that_the_command_fits_on_the_validation_people(project: Project) -> None:
    project.set_params(dataset={"val": 0.45}, calibrate={"protocols": ["lr-hr", "lr-lr"]})
    assert "calibrate" in executed(project.dvc("repro", "calibrate"))
    found = rows(project, "calibration/calibration.csv")
    assert len(found) == 10
    written = sorted(
        str(path.relative_to(project.root / "metrics/calibration"))
        for path in (project.root / "metrics/calibration").rglob("*.json")
    )
    assert written == sorted(
        str(Path(row["protocol"], row["condition"], row["method"], f"{row['judge']}.json"))
        for row in found
        if not row["absent"]
    )
    kept = project.root / "metrics/calibration/lr-hr/bicubic/bicubic/sface.json"
    table, names = "data/probes/bicubic/bicubic/sface", ["--resolution", "14 px", "--condition", "bicubic"]
    splits = ["--split", "val", "--test", table, "--test-split", "test", "--references", "data/gallery/sface"]
    draws = ["--protocol", "lr-hr", "--replicates", "100", "--to", "out", "--json", "out.json"]
    project.run("ftlgan", "calibrate", table, *splits, *names, *draws)
    assert (project.root / "out/calibration.json").read_bytes() == kept.read_bytes()
    (test,) = json.loads((project.root / "out.json").read_text())["tests"].values()
    (row,) = (row for row in found if (row["method"], row["judge"], row["protocol"]) == ("bicubic", "sface", "lr-hr"))
    assert float(row["cllr"]) == pytest.approx(test["metrics"]["cllr"]["value"], abs=1e-6)
    assert float(row["cllr_min_hi"]) == pytest.approx(test["metrics"]["cllr_min"]["hi"], abs=1e-6)
    calibration = Calibration.load(kept)
    assert (calibration.judge, calibration.people, calibration.condition) == ("sface", 5, "bicubic")

    project.set_params(methods=[], calibrate={"protocols": ["lr-hr"]})
    project.dvc("repro", "calibrate")
    assert not kept.exists(), "a calibration of a method that is not named any more"


@pytest.mark.slow
def test_a_list_of_pairs_is_judged_as_the_command_does_and_its_people_do_not_train(project: Project) -> None:
    assert rows(project, "pairs.csv") == [], "there is no list"
    people = sorted(path.name for path in project.photos.iterdir())
    numbers = [int(path.stem) for path in sorted((project.photos / people[0]).iterdir())]
    listed, lines = people[:5], ["2\t2"]
    for one, other in (listed[:2], listed[2:4]):
        lines += [f"{who}\t{numbers[0]}\t{numbers[1]}" for who in (one, other)]
        lines += [f"{one}\t{numbers[2]}\t{listed[4]}\t{numbers[0]}", f"{other}\t{numbers[0]}\tstranger\t1"]
    (project.root.parent / "pairs.txt").write_text("\n".join(lines) + "\n")
    project.set_params(dataset={"pairs": "../pairs.txt", "val": 0.3})
    assert "verify_pairs" in executed(project.dvc("repro", "verify_pairs", "identify"))
    faces = pq.read_table(project.root / "data/aligned", columns=["face_id", "identity", "split"]).to_pylist()
    tested = [face["face_id"] for face in faces if face["split"] == "test"]
    assert {face["identity"] for face in faces if face["split"] == "test"} == set(listed)
    assert len(tested) == 3 + 2 + 3 + 2 + 1, "the photos in the list alone"
    assert {face["identity"] for face in faces if face["split"] != "test"} == set(people[5:])
    found = rows(project, "pairs.csv")
    assert len(found) == 2 * (1 + 2 * 2)
    assert {(row["left_out"], row["genuine"], row["impostor"], row["folds"]) for row in found} == {("2", "4", "2", "2")}
    tables = ["data/probes/bicubic/ftlgan/dlib", "--references", "data/gallery/dlib"]
    options = ["--pairs", "../pairs.txt", "--missing", "skip", "--replicates", "100", "--json", "-"]
    printed = json.loads(project.run("ftlgan", "verify", *tables, *options))
    (row,) = (r for r in found if (r["method"], r["judge"], r["protocol"]) == ("ftlgan", "dlib", "lr-hr"))
    assert float(row["accuracy"]) == pytest.approx(printed["accuracy"]["mean"], abs=1e-6)
    assert float(row["auc"]) == pytest.approx(printed["metrics"]["auc"]["value"], abs=1e-6)
    (searched, *_) = rows(project, "identification.csv")
    assert (searched["enrolled"], searched["without_mate"]) == ("5", "1")

    more = project.root.parent / "more"
    more.mkdir()
    shutil.copy(next((project.photos / people[0]).glob(f"*{numbers[0]}.*")), more / "copy.jpg")
    project.set_params(dataset={"unlabelled": "../more"})
    project.dvc("repro", "verify_pairs")
    found = rows(project, "pairs.csv")
    assert {(row["left_out"], row["genuine"]) for row in found} == {("3", "3")}, "a copy of it was trained on"

    (project.root.parent / "pairs.txt").write_text("nobody\n")
    assert "pairs.txt: " in project.dvc("repro", "fetch", check=False)
    project.set_params(dataset={"pairs": "../nowhere.txt"})
    assert "dataset.pairs: ../nowhere.txt does not exist; it should be a list of pairs" in project.dvc(
        "repro", check=False
    )
