import io
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from ftlgan.evaluation.contact_sheet import GUTTER, HEADING, contact_sheet
from ftlgan.evaluation.judging import Result
from ftlgan.evaluation.plots import condition_plot, roc_plot, score_plot
from ftlgan.look import OTHER_COLOURS, colour, save
from ftlgan.verification.histogram import score_histogram
from ftlgan.verification.pairs import compare
from ftlgan.verification.report import Report, report

METHODS = ["hr", "bicubic", "realesrgan", "gfpgan", "ftlgan"]


def report_of(noise: float) -> Report:
    generator = np.random.default_rng(0)
    faces = np.repeat(generator.normal(size=(12, 16)), 3, axis=0) + noise * generator.normal(size=(36, 16))
    unit = faces / np.linalg.norm(faces, axis=1, keepdims=True)
    return report(score_histogram(compare(unit, None, [str(row // 3) for row in range(36)])), replicates=2)


def png(figure: Figure, folder: Path) -> bytes:
    save(figure, folder / "figure.png")
    return (folder / "figure.png").read_bytes()


def pixels(figure: Figure, folder: Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png(figure, folder))))


def faces(count: int, side: int, seed: int = 0) -> list[np.ndarray]:
    """Noisy gradients, which PNG packs about as well as photos of this size: a 112 px photo takes some 20 kB."""
    generator = np.random.default_rng(seed)
    grey = np.linspace(60, 190, side)[:, None, None] + generator.normal(0, 40, (count, 1, 1, 3))
    return list((grey + generator.normal(0, 2, (count, side, side, 3))).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {method: report_of(noise) for method, noise in zip(METHODS, (0.3, 1, 1.3, 1.2, 0.7), strict=True)}


@pytest.fixture(scope="module")
def columns() -> dict[str, list[np.ndarray]]:
    return {"hr": faces(8, 112), "lr": faces(8, 14), "bicubic": faces(8, 112, 1), "ftlgan": faces(8, 112, 2)}


def test_no_two_methods_have_colours_that_could_be_confused() -> None:
    colours = [*map(colour, [*METHODS, "no-triplet", "esrgan-like"]), *OTHER_COLOURS]
    assert all(np.abs(np.subtract(to_rgb(a), to_rgb(b))).sum() > 0.4 for a, b in combinations(colours, 2))


def test_a_method_nobody_has_heard_of_has_the_same_colour_in_every_process() -> None:
    code = "from ftlgan.look import colour; print(colour('codeformer'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == colour("codeformer") not in {colour(method) for method in METHODS}


def test_a_roc_figure_draws_each_method_in_its_colour_with_its_auc(reports: dict[str, Report]) -> None:
    (axes,) = roc_plot(reports, "14 px").axes
    *curves, chance = axes.lines
    assert [line.get_color() for line in curves] == [colour(method) for method in METHODS]
    legend = axes.get_legend()
    assert legend is not None
    text = [entry.get_text() for entry in legend.get_texts()]
    assert text[-2:] == [f"FTLGAN: AUC {reports['ftlgan'].metrics['auc'].value:.3f}", "chance"]
    assert chance.get_linestyle() == ":" and axes.get_title() == "14 px"


def test_models_of_ones_own_are_told_apart_even_where_they_share_a_colour(reports: dict[str, Report]) -> None:
    names = [f"model-{k}" for k in range(4)]
    (axes,) = roc_plot(dict(zip(["hr", "ftlgan", *names], [reports["hr"]] * 6, strict=True)), "").axes
    assert len({str(vars(line)["_dash_pattern"]) for line in axes.lines[2:6]}) == 4


def test_a_roc_figure_shows_no_rate_that_stands_for_fewer_than_thirty_false_matches(reports: dict[str, Report]) -> None:
    (axes,) = roc_plot(reports, "").axes
    assert axes.get_xlim()[0] == pytest.approx(30 / reports["hr"].impostor)


def test_the_conditions_stand_side_by_side_each_method_in_its_colour_and_the_ceiling_is_a_line(
    reports: dict[str, Report],
) -> None:
    def results(condition: str, *methods: str, protocol: str = "lr-hr") -> list[Result]:
        return [Result(condition, method, "dlib", protocol, reports[method]) for method in methods]

    found = [
        *results("", "hr", protocol="hr-hr"),
        *results("bicubic", "bicubic", "ftlgan"),
        *results("detected", "bicubic", "ftlgan"),
        *results("detected", "bicubic", protocol="lr-lr"),
    ]
    (axes,) = condition_plot(found, "dlib", "14 px").axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["bicubic", "detected"]
    dots = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in axes.lines if line.get_marker() == "o"}
    for method in ("bicubic", "ftlgan"):
        assert dots[colour(method)] == [reports[method].metrics["d_prime"].value] * 2
    (ceiling,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert np.asarray(ceiling.get_ydata()).tolist() == [reports["hr"].metrics["d_prime"].value] * 2
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"HR", "bicubic", "FTLGAN"}


def test_a_score_figure_has_a_panel_a_method_on_the_same_axes(reports: dict[str, Report]) -> None:
    panels = score_plot(reports, "14 px").axes
    assert panels[1].get_title(loc="left") == f"bicubic: d' {reports['bicubic'].metrics['d_prime'].value:.2f}"
    assert [panel.lines[0].get_color() for panel in panels] == [colour(method) for method in METHODS]
    assert len({(panel.get_xlim(), panel.get_ylim()) for panel in panels}) == 1
    for found in reports.values():
        low, high = panels[0].get_xlim()
        centre, *densities = found.density
        scored = centre[sum(densities) > 0]
        assert low < scored.min() and scored.max() < high, "every score is inside"


def test_a_sheet_shows_the_faces_themselves_and_each_pixel_of_the_small_ones(
    columns: dict[str, list[np.ndarray]], tmp_path: Path
) -> None:
    sheet = pixels(contact_sheet(columns), tmp_path)
    for column, images in enumerate(columns.values()):
        for row, face in enumerate(images):
            top, left = HEADING + GUTTER + row * (112 + GUTTER), GUTTER + column * (112 + GUTTER)
            shown = sheet[top : top + 112, left : left + 112]
            enlarged = face.repeat(112 // face.shape[0], axis=0).repeat(112 // face.shape[1], axis=1)
            assert np.abs(shown.astype(int) - enlarged).max() <= 1
    assert sheet.shape == (HEADING + GUTTER + 8 * (112 + GUTTER), GUTTER + 4 * (112 + GUTTER), 3)


def test_a_sheet_heads_each_column_and_a_method_in_its_colour(
    columns: dict[str, list[np.ndarray]], tmp_path: Path
) -> None:
    figure = contact_sheet(columns)
    assert [text.get_text() for text in figure.texts] == ["HR", "LR", "bicubic", "FTLGAN"]
    assert [text.get_color() for text in figure.texts] == ["black", "black", colour("bicubic"), colour("ftlgan")]
    heading = pixels(figure, tmp_path)[:HEADING]
    for column in range(4):
        left = GUTTER + column * (112 + GUTTER)
        assert heading[:, left : left + 112].min() < 255, "something is written above the column"


def test_a_sheet_of_nobody_has_headings_and_no_face(tmp_path: Path) -> None:
    sheet = pixels(contact_sheet({"hr": [], "lr": [], "codeformer": []}), tmp_path)
    assert sheet.shape == (HEADING + GUTTER, GUTTER + 3 * (112 + GUTTER), 3)


def test_a_sheet_refuses_columns_of_different_lengths(columns: dict[str, list[np.ndarray]]) -> None:
    with pytest.raises(ValueError, match="shorter"):
        contact_sheet({**columns, "ftlgan": columns["ftlgan"][:-1]})


def test_a_sheet_of_eight_people_stays_below_400_kb(columns: dict[str, list[np.ndarray]], tmp_path: Path) -> None:
    assert len(png(contact_sheet(columns), tmp_path)) < 400_000


@pytest.mark.parametrize("draw", ["roc", "scores", "sheet"])
def test_a_figure_has_the_same_bytes_whatever_the_users_settings(
    draw: str, reports: dict[str, Report], columns: dict[str, list[np.ndarray]], tmp_path: Path
) -> None:
    def figure() -> Figure:
        if draw == "sheet":
            return contact_sheet(columns)
        return (roc_plot if draw == "roc" else score_plot)(reports, "14 px, judged by dlib")

    first = png(figure(), tmp_path)
    with matplotlib.rc_context({"font.size": 20, "figure.dpi": 60, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert png(figure(), tmp_path) == first


def test_a_png_is_opaque_on_white_and_says_nothing_of_when_or_by_what(
    reports: dict[str, Report], tmp_path: Path
) -> None:
    image = Image.open(io.BytesIO(png(roc_plot(reports, ""), tmp_path)))
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (255, 255, 255)
    assert set(image.info) == {"dpi"}
