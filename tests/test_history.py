"""The course of a training as CSV."""

from pathlib import Path

from ftlgan.history import History


def test_each_figure_goes_to_its_table(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        history.log(0, {"val_d_prime": 2.5})
        history.log(1, {"total": 1 / 3, "pixel": 0.25})
        history.log(2, {"total": 0.5, "pixel": 0.125, "val_d_prime": 2.75})
    assert (tmp_path / "losses.csv").read_bytes() == (
        b"step,total,pixel,identity,triplet\n1,0.333333,0.25,,\n2,0.5,0.125,,\n"
    )
    assert (tmp_path / "validation.csv").read_text() == "step,val_d_prime\n0,2.5\n2,2.75\n"
