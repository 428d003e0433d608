"""params.yaml: what is wrong is said in one line, with the key, the value and what is allowed."""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ftlgan.errors import ParamsError
from ftlgan.params import BUILT_IN, NO_PHOTOS, NO_UNLABELLED, check_params, chosen, load_params

PARAMS = Path(__file__).parents[1] / "params.yaml"


MINE: dict[str, Any] = {"file": "mine.onnx", "sha256": "0" * 64, "license": "mine"}
PACK = MINE | {"file": "insightface:buffalo_l"}


@pytest.fixture
def tree() -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(PARAMS)


def test_the_shipped_params_are_valid() -> None:
    assert load_params(PARAMS).res == 14


def test_a_number_in_scientific_notation_is_a_number() -> None:
    assert load_params(PARAMS).train.learning_rate == 5e-4


def test_res_stands_on_top_and_every_key_has_a_comment() -> None:
    lines = PARAMS.read_text().splitlines()
    assert lines[0].startswith("res:")
    assert [line for line in lines if re.match(r" *(?!- |file: $)\S", line) and "#" not in line] == []


def test_an_experiment_changes_what_it_sets_and_no_other_line(tmp_path: Path) -> None:
    """DVC rewrites the whole file; ours is formatted as DVC does it."""
    from dvc.utils.hydra import apply_overrides

    changed = tmp_path / "params.yaml"
    shutil.copy(PARAMS, changed)
    settings = [
        "res=28",
        "dataset.path=../photos",
        "dataset.unlabelled=../ffhq",
        "train.learning_rate=0.001",
        "methods=[bicubic,gfpgan]",
    ]
    apply_overrides(changed, settings)  # pyright: ignore[reportArgumentType]
    before, after = (path.read_text().splitlines() for path in (PARAMS, changed))
    assert [line.split("#")[0].split() for line in after if line not in before] == [
        ["res:", "28"],
        ["-", "gfpgan"],
        ["path:", "../photos"],
        ["unlabelled:", "../ffhq"],
        ["learning_rate:", "0.001"],
    ]
    assert [line.split("#")[0].split() for line in before if line not in after] == [
        ["res:", "14"],
        ["-", "realesrgan"],
        ["path:", "data/no-photos"],
        ["unlabelled:", "data/no-unlabelled-photos"],
        ["learning_rate:", "5e-4"],
    ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("res", 15, ["res", "15", "14, 28 or 56"]),
        ("res", "14", ["res", "'14'", "14, 28 or 56"]),
        ("seed", -1, ["seed", "-1", "greater than or equal to 0"]),
        ("methods", ["bicubic", "esrgan"], ["methods", "'esrgan'", "unknown", "bicubic", "gfpgan", "realesrgan"]),
        ("methods", ["bicubic", "bicubic"], ["methods", "twice"]),
        ("methods", ["bicubic", "trained"], ["methods", "'trained'", "unknown"]),
        ("weights", {}, ["methods", "'bicubic'", "no entry in weights", "null"]),
        ("models", ["trained"], ["models", "'trained'", "is reserved"]),
        ("methods", ["bicubic", "ftlgan"], ["methods", "'ftlgan'", "name it in models"]),
        ("models", ["ftlgan", "ftlgan"], ["models", "twice"]),
        ("models", ["srgan"], ["models", "'srgan'", "no entry in losses", "ftlgan, no-triplet, esrgan-like"]),
        ("models", ["../ftlgan"], ["models.0", "'../ftlgan'", "pattern"]),
        ("resolution", 14, ["resolution", "unknown key", "14", "res"]),
        ("dataset.sauce", "folder", ["dataset.sauce", "unknown key", "source"]),
        ("dataset.source", "lfv", ["dataset.source", "lfv", "'recordio' or 'webdataset'"]),
        ("dataset.people", 0, ["dataset.people", "0", "6"]),
        ("dataset.people", -6, ["dataset.people", "-6", "6"]),
        ("dataset.people", 10**12, ["dataset", "1000000000000 people", "1,000,000 photos", "lower people or photos"]),
        ("dataset.photos", 10**12, ["dataset", "1000000000000 photos", "1,000,000 photos", "lower people or photos"]),
        ("dataset.people", None, ["dataset", "people and photos must not be null for synthetic people"]),
        ("dataset.synthetic_people", -1, ["dataset.synthetic_people", "-1", "greater than or equal to 0"]),
        ("dataset.synthetic_people", 2.5, ["dataset.synthetic_people", "2.5", "integer"]),
        ("dataset.synthetic_people", None, ["dataset.synthetic_people", "None", "integer"]),
        (
            "dataset.synthetic_people",
            20,
            ["dataset", "synthetic_people: 20", "source synthetic", "raise people instead"],
        ),
        ("dataset.path", "~/photos", ["dataset.path", "~/photos"]),
        ("dataset.path", "", ["dataset.path", "''"]),
        ("dataset.unlabelled", "~/ffhq", ["dataset.unlabelled", "~/ffhq"]),
        ("dataset.unlabelled", None, ["dataset.unlabelled", "None", "string"]),
        ("dataset.small", None, ["dataset.small", "None", "string"]),
        ("degradation.realistic", 1.5, ["degradation.realistic", "1.5", "less than or equal to 1"]),
        ("degradation", {"kind": "realistic", "realistic": 0.5}, ["degradation", "0.5", "set realistic to 0"]),
        ("test.conditions", [], ["test.conditions", "[]", "at least 1"]),
        ("test.conditions", ["street"], ["test.conditions.0", "'street'", "'held-out', 'detected' or 'native'"]),
        ("test.conditions", ["box", "box"], ["test.conditions", "twice"]),
        ("test.conditions", ["native"], ["test.conditions", "dataset.small", "folder of small photos"]),
        ("train.faces", "native", ["train.faces", "dataset.small", "folder of small photos"]),
        ("train.faces", "small", ["train.faces", "'small'", "'all', 'paired' or 'native'"]),
        ("dataset.photos", 1, ["dataset.photos", "1", "2"]),
        ("dataset.test", 0.001, ["dataset", "0.001", "fewer than 2 test people", "raise"]),
        ("dataset.test", 0.95, ["dataset", "1.05", "below 1"]),
        ("dataset.test", 0, ["dataset.test", "0", "greater than 0"]),
        ("dataset.test", 1, ["dataset", "1.1", "below 1", "synthetic_people"]),
        ("dataset.test", 1.1, ["dataset.test", "1.1", "less than or equal to 1"]),
        ("dataset", None, ["dataset", "empty", "source, path, unlabelled, small, pairs, only, people"]),
        ("recognition.judges", ["sface"], ["recognition", "['sface']", "dlib"]),
        ("recognition.teachers", ["dlib"], ["recognition", "teachers", "'dlib'", "is not differentiable"]),
        ("recognition.teachers", ["mine"], ["recognition.teachers", "'mine'", "not in recognizers (sface, dlib)"]),
        ("recognition.judges", ["sface", "mine"], ["recognition.judges", "'mine'", "not in recognizers"]),
        ("losses.ftlgan.teacher", "mine", ["losses.ftlgan.teacher", "'mine'", "recognition.teachers ['sface']"]),
        ("losses.ftlgan.teacher", [], ["losses.ftlgan.teacher", "[]", "at least 1"]),
        ("losses.ftlgan.teacher", ["sface", "sface"], ["losses.ftlgan.teacher", "twice"]),
        ("recognizers.mine", None, ["recognizers.mine", "only sface and dlib are built in"]),
        ("recognizers.dlib", MINE, ["recognizers.dlib", "built in", "another name"]),
        ("recognizers.Mine", MINE, ["recognizers.Mine"]),
        ("recognizers.mine", MINE | {"sha256": "abc"}, ["recognizers.mine.sha256", "'abc'"]),
        ("recognizers.mine", MINE | {"mean": [1.0, 2.0]}, ["recognizers.mine", "mean", "[1.0, 2.0]", "at least 3"]),
        ("recognizers.mine", MINE | {"std": 0}, ["recognizers.mine", "std", "at least 0.001"]),
        ("recognizers.mine", MINE | {"std": 1e-320}, ["recognizers.mine", "std", "at least 0.001"]),
        ("recognizers.mine", MINE | {"mean": float("inf")}, ["recognizers.mine.mean", "inf", "finite"]),
        ("recognizers.mine", MINE | {"std": float("nan")}, ["recognizers.mine.std", "nan", "finite"]),
        ("recognizers.mine", MINE | {"file": "file:///m.onnx"}, ["recognizers.mine", "'file:///m.onnx'", "or a path"]),
        ("recognizers.mine", MINE | {"file": "https://[bad/m"}, ["recognizers.mine", "'https://[bad/m'", "correct it"]),
        ("recognizers.mine", MINE | {"color": "grey"}, ["recognizers.mine.color", "'grey'", "'rgb' or 'bgr'"]),
        ("recognizers.mine", MINE | {"sise": 112}, ["recognizers.mine.sise", "unknown key", "size, color, mean, std"]),
        ("recognizers.mine", PACK | {"size": 112}, ["recognizers.mine", "insightface defines", "remove size"]),
        ("triplets.margin", 0, ["triplets.margin", "0", "greater than 0"]),
        ("losses.ftlgan.pixel", -1, ["losses.ftlgan.pixel", "-1", "greater than or equal to 0"]),
        ("losses.ftlgan.perceptual_network", "alexnet", ["losses.ftlgan.perceptual_network", "'alexnet'", "vgg19"]),
        ("losses.ftlgan.pixels", 1, ["losses.ftlgan.pixels", "unknown key", "pixel, identity"]),
        ("losses.Mine", {}, ["losses.Mine", "pattern"]),
        ("losses.bicubic", {}, ["losses.bicubic.pixel", "missing"]),
        ("weights.gfpgan.sha256", "e2cd", ["weights.gfpgan.sha256", "'e2cd'"]),
        ("weights.gfpgan.url", "there", ["weights.gfpgan.url", "unknown key", "file, sha256"]),
        ("train.devices", 3, ["train", "batch: 8", "devices: 3"]),
        ("train.device", "tpu", ["train.device", "'tpu'", "'cuda'"]),
        ("train.ema", 1, ["train.ema", "1", "less than 1"]),
        ("train.steps", 1.5, ["train.steps", "1.5", "integer"]),
        ("train.learning_rate", "fast", ["train.learning_rate", "'fast'", "number"]),
        ("train.learning_rate", float("nan"), ["train.learning_rate", "nan"]),
        ("evaluate.confidence", 1, ["evaluate.confidence", "1", "less than 1"]),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_is_allowed(
    tree: dict[str, Any], key: str, value: Any, said: list[str]
) -> None:
    *sections, name = key.split(".")
    section = tree
    for part in sections:
        section = section[part]
    section[name] = value
    with pytest.raises(ParamsError) as error:
        check_params(tree)
    message = str(error.value)
    assert "\n" not in message
    assert [part for part in said if part not in message] == []


@pytest.mark.parametrize("source", ["folder", "lfw"])
def test_synthetic_people_leave_all_the_others_to_the_test(tree: dict[str, Any], source: str) -> None:
    path = "../photos" if source == "folder" else NO_PHOTOS
    tree["dataset"] |= {"source": source, "path": path, "synthetic_people": 20, "test": 1}
    assert check_params(tree).dataset.synthetic_people == 20


@pytest.mark.parametrize(("synthetic_people", "photos"), [(20, None), (10**12, 6)])
def test_synthetic_people_without_number_are_refused(
    tree: dict[str, Any], synthetic_people: int, photos: int | None
) -> None:
    tree["dataset"] |= {"path": "../photos", "synthetic_people": synthetic_people, "photos": photos}
    with pytest.raises(
        ParamsError, match=r"dataset: synthetic_people.* (can be drawn; lower synthetic_people|must not be null)"
    ):
        check_params(tree)


def test_people_who_exist_may_be_without_number(tree: dict[str, Any]) -> None:
    tree["dataset"] |= {"path": "../photos", "people": None, "photos": None}
    assert check_params(tree).dataset.people is None


@pytest.mark.parametrize(
    ("source", "path", "meant"),
    [
        (None, NO_PHOTOS, "synthetic"),
        (None, "../photos", "folder"),
        ("folder", "../photos", "folder"),
        ("synthetic", NO_PHOTOS, "synthetic"),
        ("lfw", NO_PHOTOS, "lfw"),
    ],
)
def test_a_path_implies_the_source(tree: dict[str, Any], source: str | None, path: str, meant: str) -> None:
    tree["dataset"] |= {"source": source, "path": path}
    assert check_params(tree).dataset.source == meant


@pytest.mark.parametrize("source", ["synthetic", "lfw", "folder"])
@pytest.mark.parametrize(("path", "read"), [(NO_UNLABELLED, False), (f"./{NO_UNLABELLED}/", False), ("../ffhq", True)])
def test_photos_of_nobody_known_stand_beside_any_source(
    tree: dict[str, Any], source: str, path: str, read: bool
) -> None:
    photos = "../photos" if source == "folder" else NO_PHOTOS
    tree["dataset"] |= {"source": source, "path": photos, "unlabelled": path}
    assert check_params(tree).dataset.has_unlabelled == read


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        ("synthetic", "../photos", "path: '../photos' is not read by source synthetic; set source to null"),
        ("lfw", "../photos", "path: '../photos' is not read by source lfw; set source to null, or path to data/no-"),
        ("folder", NO_PHOTOS, "path: source folder reads the folder that path names; set path, or source to null"),
    ],
)
def test_a_path_without_effect_is_refused(tree: dict[str, Any], source: str, path: str, said: str) -> None:
    tree["dataset"] |= {"source": source, "path": path}
    with pytest.raises(ParamsError, match=said):
        check_params(tree)


def test_a_list_of_people_goes_with_a_folder_for_each(tree: dict[str, Any]) -> None:
    tree["dataset"] |= {"source": "synthetic", "only": "../people.txt"}
    with pytest.raises(ParamsError, match=r"only: '../people.txt' is not read by source synthetic; set only to data/e"):
        check_params(tree)
    tree["dataset"]["source"] = "lfw"
    assert check_params(tree).dataset.has_only


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "synthetic",
            "pairs: '../pairs.txt' is not read by source synthetic; set pairs to data/no-pairs, or source to null and",
        ),
        ("lfw-pairs", "is not read by source lfw-pairs; set pairs to .* its photos, instead of LFW's own list$"),
        ("lfw", "pairs: '../pairs.txt' is not read by source lfw; .*; for LFW's own list, set source to lfw-pairs"),
    ],
)
def test_a_list_of_pairs_goes_with_a_folder(tree: dict[str, Any], source: str, said: str) -> None:
    tree["dataset"] |= {"source": source, "pairs": "../pairs.txt"}
    with pytest.raises(ParamsError, match=said):
        check_params(tree)
    tree["dataset"] |= {"source": "folder", "path": "../photos"}
    assert check_params(tree).dataset.has_pairs
    tree["dataset"] |= {"source": "lfw-pairs", "path": NO_PHOTOS, "pairs": "data/no-pairs"}
    assert check_params(tree).dataset.has_pairs


@pytest.mark.parametrize("values", [{"val": 0.8}, {"people": 6, "test": 0.1}, {"test": 1}])
def test_the_share_of_the_test_is_checked_only_where_it_has_an_effect(
    tree: dict[str, Any], values: dict[str, Any]
) -> None:
    tree["dataset"] |= {"source": "folder", "path": "../photos", **values}
    with pytest.raises(ParamsError, match=r"lower them below 1|raise test or people"):
        check_params(tree)
    tree["dataset"] |= {"pairs": "../pairs.txt"}
    assert check_params(tree).dataset.has_pairs
    tree["dataset"] |= {"source": "lfw-pairs", "path": NO_PHOTOS, "pairs": "data/no-pairs"}
    assert check_params(tree).dataset.has_pairs


@pytest.mark.parametrize(
    ("files", "teachers", "judges", "said"),
    [
        ({"mine": BUILT_IN["sface"]}, ["sface"], ["mine", "dlib"], "'mine' has the same file as 'sface'"),
        ({"one": "1" * 64, "two": "1" * 64}, ["one"], ["two", "dlib"], "'two' has the same file as 'one'"),
        ({"mine": BUILT_IN["dlib"]}, ["sface"], ["dlib", "mine"], "'mine' has the same file as 'dlib'"),
    ],
)
def test_a_recognizer_in_use_has_one_name(
    tree: dict[str, Any], files: dict[str, str], teachers: list[str], judges: list[str], said: str
) -> None:
    """Otherwise, under the second name it would count as a black box for models trained with the first."""
    tree["recognizers"] |= {name: MINE | {"sha256": sha256} for name, sha256 in files.items()}
    check_params(tree)
    tree["recognition"] = {"teachers": teachers, "judges": judges}
    tree["losses"]["ftlgan"]["teacher"] = teachers
    with pytest.raises(ParamsError, match=f"recognition: {said}; name it once"):
        check_params(tree)


def test_losses_that_are_all_off_are_refused(tree: dict[str, Any]) -> None:
    tree["losses"]["ftlgan"] |= dict.fromkeys(("pixel", "identity", "triplet", "perceptual", "adversarial"), 0)
    with pytest.raises(ParamsError, match="every weight is 0"):
        check_params(tree)


def test_a_missing_key_is_named(tree: dict[str, Any]) -> None:
    del tree["train"]["steps"]
    with pytest.raises(ParamsError, match=r"train\.steps: is missing"):
        check_params(tree)


def test_every_key_that_is_missing_is_missed(tree: dict[str, Any]) -> None:
    by_name = ("losses", "weights", "recognizers")
    sections = [(name,) for name, value in tree.items() if isinstance(value, dict) and name not in by_name]
    for *parents, section in [
        *sections,
        *((name, entry) for name in by_name for entry in tree[name] if tree[name][entry]),
    ]:
        keys = tree[parents[0]][section] if parents else tree[section]
        for key in keys:
            broken = copy.deepcopy(tree)
            del (broken[parents[0]] if parents else broken)[section][key]
            with pytest.raises(ParamsError, match=rf"{section}\.{key}"):
                check_params(broken)


@pytest.mark.parametrize(("arguments", "said"), [([], "nothing"), (["gan"], "gan"), (["a", "b"], "a b")])
def test_a_script_that_is_called_with_another_name_says_which_are_known(arguments: list[str], said: str) -> None:
    with pytest.raises(ParamsError, match=f"^expected one of a, b, not {said}$"):
        chosen(arguments, ["a", "b"])
    assert chosen(["b"], ["a", "b"]) == ["b"]
    assert chosen(["b", "c"], ["a", "b"], ["c"]) == ["b", "c"]


def test_a_renamed_param_is_said_in_one_line(tree: dict[str, Any]) -> None:
    tree["dataset"]["strangers"] = tree["dataset"].pop("synthetic_people")
    with pytest.raises(ParamsError) as error:
        check_params(tree)
    assert str(error.value) == "params.yaml: dataset.strangers: is now called dataset.synthetic_people; rename the key"


def test_nothing_to_compare_is_refused(tree: dict[str, Any]) -> None:
    tree |= {"methods": [], "models": []}
    with pytest.raises(ParamsError, match="nothing to compare"):
        check_params(tree)


@pytest.mark.parametrize("text", ["", "res: [14", "- 14\n"])
def test_a_file_that_is_no_mapping_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as error:
        load_params(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="there is no such file"):
        load_params(tmp_path / "params.yaml")
