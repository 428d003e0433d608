"""The list of experiments: what it says of each, and that it fits a terminal."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ftlgan.comparison.experiments import Experiment, State
from ftlgan.comparison.listing import format_value, list_runs, short_names, table

NOW = datetime(2026, 11, 27, 12)
PARAMS: dict[str, Any] = {
    "res": 14,
    "seed": 0,
    "methods": ["bicubic", "realesrgan"],
    "models": ["ftlgan", "esrgan-like"],
    "losses.ftlgan.identity": 0.5,
    "losses.no-triplet.identity": 0.5,
    "weights.gfpgan.file": "packaged",
    "train.learning_rate": 5e-4,
    "train.precision": "float32",
    "train.seed": 0,
    "train.steps": 500,
}
D_PRIME = {"hr": 2.57, "bicubic": 0.99, "realesrgan": 0.76, "ftlgan": 1.43, "esrgan-like": 1.34}
VARIED: list[dict[str, Any]] = [
    {"res": 28},
    {"res": 56, "train.steps": 150},
    {"losses.ftlgan.identity": 3.0},
    {"train.learning_rate": 2e-3, "train.precision": "bfloat16"},
    {"models": []},
    {"methods": ["bicubic", "realesrgan", "gfpgan"], "weights.gfpgan.file": "../weights/of/somebody/GFPGANv1.4.pth"},
    {"seed": 1, "train.seed": 2},
]


def experiment(name: str, state: State = "success", **params: Any) -> Experiment:
    d_prime = D_PRIME if state == "success" else {}
    return Experiment(name, "8e5faa7", state, NOW - timedelta(minutes=95), {**PARAMS, **params}, d_prime)


def printed(experiments: list[Experiment], width: int = 100) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table(experiments, NOW))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_cuts_nothing(ten: list[Experiment], width: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ftlgan.comparison.listing.read_experiments", lambda commits: ten)
        patch.setenv("COLUMNS", str(width))
        list_runs(1, as_csv=False)
    said = capsys.readouterr().out
    assert all(experiment.name in said for experiment in ten)
    assert said.count("1.43") == sum(bool(experiment.d_prime) for experiment in ten)
    assert "precision=bfloat16" in said.replace("\n", " ")


@pytest.fixture
def ten() -> list[Experiment]:
    """The workspace, the commit and ten experiments that differ in what they vary."""
    workspace = Experiment("workspace", "", "success", None, PARAMS, D_PRIME)
    states: list[State] = ["failed", "running", "queued"]
    return [
        workspace,
        experiment("main"),
        *(experiment(f"experiment-{k}", **params) for k, params in enumerate(VARIED)),
        *(experiment(f"{state}-one", state, **{"train.steps": 9}) for state in states),
    ]


def test_ten_varied_experiments_and_five_methods_fit_100_columns(ten: list[Experiment]) -> None:
    lines = printed(ten)
    assert max(map(len, lines)) <= 100
    assert [" ".join(line.split()) for line in lines[:2]] == [
        "Real- ESRGAN-",
        "run px age state HR bicubic ESRGAN FTLGAN like what differs",
    ]
    text = " ".join("\n".join(lines).split())
    assert "…" in text, "a long path is cut"
    for row in (
        "workspace 14 2.57 0.99 0.76 1.43 1.34",
        "main 14 1 h 2.57 0.99 0.76 1.43 1.34 experiment-0 28 1 h",
        "experiment-1 56 1 h 2.57 0.99 0.76 1.43 1.34 steps=150",
        "1.34 ftlgan.identity=3",
        "1.34 models=[]",
        "1.34 seed=1 train.seed=2",
        "failed-one 14 1 h failed steps=9",
        "running-one 14 1 h running steps=9",
        "queued-one 14 1 h queued steps=9",
    ):
        assert row in text


def test_states_have_a_column_only_where_one_is_not_done(ten: list[Experiment]) -> None:
    assert "state" not in printed(ten[:3])[0]


def test_a_project_without_metrics_is_listed() -> None:
    workspace = Experiment("workspace", "", "success", None, PARAMS, {})
    commit = Experiment("", "8e5faa7", "success", NOW, PARAMS, {})
    lines = printed([workspace, commit])
    assert lines[0].split() == ["run", "px", "age", "what", "differs"]
    assert [line.split() for line in lines[2:]] == [["workspace", "14"], ["8e5faa7", "14", "0", "s"]]


def test_a_name_is_the_shortest_end_that_is_an_end_of_no_other() -> None:
    assert short_names(PARAMS) == {
        **{name: name for name in ("res", "seed", "methods", "models", "train.seed")},
        "losses.ftlgan.identity": "ftlgan.identity",
        "losses.no-triplet.identity": "no-triplet.identity",
        "weights.gfpgan.file": "file",
        "train.learning_rate": "learning_rate",
        "train.precision": "precision",
        "train.steps": "steps",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (0, "0"), (1, "1"), (2e-3, "0.002"), (3.0, "3"), (["a", None], "[a,null]")],
)
def test_values_are_written_as_dvc_takes_them(value: Any, text: str) -> None:
    assert format_value(value) == text
