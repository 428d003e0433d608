"""The course of a training as CSV."""

from pathlib import Path

import pytest
from small_disk import small_disk

from ftlgan.errors import DataError
from ftlgan.losses import TERMS
from ftlgan.params import Losses
from ftlgan.training.history import TABLES, History


def test_each_metric_goes_to_its_table(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.log(0, {"val_d_prime": 2.5})
        history.log(1, {"total": 1 / 3, "pixel": 0.25, "gradient": 2, "images_per_s": 17.3})
        history.log(2, {"total": 0.5, "pixel": 0.125, "gradient": 1, "val_d_prime": 2.75})
    assert (tmp_path / "losses.csv").read_bytes() == (
        b"step,total,pixel,identity,triplet,perceptual,adversarial,gradient,discriminator,r1\n"
        b"1,0.333333,0.25,,,,,2,,\n"
        b"2,0.5,0.125,,,,,1,,\n"
    )
    assert (tmp_path / "validation.csv").read_text() == "step,val_d_prime\n0,2.5\n2,2.75\n"


def test_what_a_clock_measured_enters_no_table(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.log(1, {"images_per_s": 17.3})
    assert "17.3" not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_a_metric_without_a_column_is_refused_and_not_dropped(tmp_path: Path) -> None:
    with History(tmp_path) as history, pytest.raises(ValueError, match="no column for style; add it"):
        history.log(1, {"total": 0.5, "style": 0.25})


def test_every_term_of_the_loss_has_a_column() -> None:
    assert set(TERMS) <= set(TABLES["losses.csv"])
    assert set(TERMS) == {name for name, field in Losses.model_fields.items() if field.annotation is float}


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    with (
        small_disk(folder, kib=8),
        pytest.raises(DataError, match=f"^{folder}/losses.csv: the disk is full"),
        History(folder) as history,
    ):
        for step in range(1000):
            history.log(step, {"total": 0.5})


def test_a_link_to_an_earlier_history_keeps_its_bytes(tmp_path: Path) -> None:
    """DVC's cache may be a hard link of the file."""
    with History(tmp_path) as history:
        history.log(1, {"total": 1.0})
    cached = tmp_path / "cached"
    cached.hardlink_to(tmp_path / "losses.csv")
    before = cached.read_bytes()
    with History(tmp_path) as history:
        history.log(1, {"total": 2.0})
    assert cached.read_bytes() == before
    assert (tmp_path / "losses.csv").read_bytes() != before
