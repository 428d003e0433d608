"""`ftlgan identify`: the report on a user's gallery and probes."""

import csv
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftlgan.errors import DataError, ParamsError, writing
from ftlgan.look import save
from ftlgan.verification.command import (
    Facts,
    check_draws,
    check_names,
    check_together,
    described_table,
    one_line,
)
from ftlgan.verification.identification.gallery import Fusion, Gallery
from ftlgan.verification.identification.plots import cmc_plot, fnir_plot
from ftlgan.verification.identification.report import (
    FPIRS,
    Curve,
    IdentificationReport,
    fnir_name,
    refuse_rates_below_one,
    report,
    threshold_name,
)
from ftlgan.verification.identification.search import identify as search
from ftlgan.verification.pairs import Faces, check_same_people
from ftlgan.verification.parts import described
from ftlgan.verification.tables import EmbeddingTable, copies, read_embeddings


def identify(
    gallery: Path,
    probes: Path,
    non_mated: Path | None,
    gallery_names: Path | None,
    names: Path | None,
    non_mated_names: Path | None,
    split: str | None,
    missing: str,
    fusion: Fusion,
    left_out: float,
    ranks: Sequence[int],
    fpir: Sequence[float] | None,
    replicates: int,
    confidence: float,
    seed: int,
    folder: Path | None,
    json_file: str | None,
) -> None:
    """Print the report on the searches of a gallery, and write it, its curves and their plots.

    Args:
        gallery: embeddings of enrolled people (Parquet file or folder, or .npy: `ftlgan.verification.tables`).
        probes: embeddings of photos of these people; each is a search.
        non_mated: embeddings of photos of other people; None: leave some of the probes' people out of the gallery, see
            `ftlgan.verification.identification.search`.
        gallery_names: the names of the rows of the gallery, if it is a .npy; None: the .csv or .txt file next to it.
        names: the names of the rows of the probes, likewise.
        non_mated_names: the names of the rows of the non-mated probes, likewise.
        split: the split to read; None: the test split if the table has one, else all faces.
        missing: `refuse` or `skip` photos without an embedding, and probes whose person has no photo in the gallery to
            compare with. `non_mated` probes are never skipped for that reason: their people are not enrolled.
        fusion: how several photos of a person in the gallery give one score: `mean` or `max`.
        left_out: the share of people to leave out, in (0, 1).
        ranks: the ranks at which to report the identification rate, >= 1.
        fpir: the false positive identification rates at which to report FNIR, in (0, 1); None: 0.01 and 0.1.
        replicates: the number of bootstrap draws, at least 100.
        confidence: the level of the intervals, in (0, 1).
        seed: the seed of the people left out and of the draws.
        folder: the folder for `identification.csv`, `cmc.csv`, `cmc.png`, `fnir.csv` and `fnir.png`; None: write none
            of them.
        json_file: the JSON file to write; `-`: print JSON to standard output instead of the text.

    Raises:
        ParamsError: if a number is out of range, or options do not go together.
        DataError: if a file does not hold what it should, or a file can't be written.
    """
    _check(left_out, ranks, fpir or FPIRS, folder)
    check_draws(replicates, confidence, seed)
    check_names(
        {
            "--gallery-names": (gallery_names, gallery),
            "--names": (names, probes),
            "--non-mated-names": (non_mated_names, non_mated),
        }
    )
    references = _read(gallery, split, gallery_names, missing)
    mated = _read(probes, split, names, missing)
    check_together(probes, mated, gallery, references)
    others = _read(non_mated, split, non_mated_names, missing) if non_mated else None
    if non_mated and others:
        check_together(non_mated, others, gallery, references)
    tables = {"gallery": (gallery, references), "probes": (probes, mated)}
    tables |= {"non_mated": (non_mated, others)} if non_mated and others else {}
    facts: Facts = {name: described_table(*table) for name, table in tables.items()}
    faces = {name: table.faces for name, (_, table) in tables.items()}
    if found := copies(*faces.values()):
        faces = {name: table.without(found) for name, table in faces.items()}
    if non_mated:
        with one_line(non_mated):
            check_same_people(faces["non_mated"], faces["gallery"])
        _refuse_enrolled(non_mated, faces["non_mated"], gallery, faces["gallery"])
    with one_line(probes):
        check_same_people(faces["probes"], faces["gallery"])
        with_mate = _with_mate(faces["probes"], faces["gallery"])
        lost = faces["probes"].take(~with_mate)
        if len(lost.face_ids) and missing != "skip":
            _refuse_without_mate(lost, faces["gallery"], references.faces, found)
        faces["probes"] = faces["probes"].take(with_mate)
        left, needed = len(np.unique(faces["probes"].identities)), 1 if non_mated else 2
        if len(lost.face_ids) and left < needed:
            raise DataError(
                f"{gallery}: has photos of only {left} people of {probes} to compare with, but {needed} are needed "
                f"({len(lost.face_ids)} probes are left out, the first: {lost.face_ids[0]} of {lost.identities[0]}); "
                "give the gallery of these people"
            )
        enrolled = Gallery(faces["gallery"], fusion)
        closed, opened = search(enrolled, faces["probes"], faces.get("non_mated"), left_out, seed)
    if fpir:
        with one_line(non_mated or probes):
            refuse_rates_below_one(fpir, int((~opened.mated).sum()))
    result = report(closed, opened, replicates, confidence, seed, ranks, fpir or FPIRS)
    facts |= {
        "recognizer": references.recognizer,
        "byte_identical_copies_left_out": len(found),
        "without_mate_left_out": {"probes": len(lost.face_ids), "people": len(np.unique(lost.identities))},
        "fusion": fusion,
        "non_mated_people": "given" if non_mated else {"left_out": closed.enrolled - opened.enrolled, "seed": seed},
        "intervals": {"level": confidence, "resampled": "people", "replicates": replicates, "seed": seed},
    }
    facts["notes"] = _notes(result)
    content = json.dumps(_json(result, facts), indent=2, allow_nan=False)
    print(content if json_file == "-" else _text(result, facts, fpir or FPIRS))
    if json_file and json_file != "-":
        with writing(Path(json_file)):
            Path(json_file).write_text(content + "\n", encoding="utf-8", newline="\n")
    if folder:
        written = _write(folder, result, facts)
        if json_file != "-":
            print(f"\nWritten to {folder}: {', '.join(written)}")


def _check(left_out: float, ranks: Sequence[int], fpirs: Sequence[float], folder: Path | None) -> None:
    if not 0 < left_out < 1:
        raise ParamsError(f"--left-out {left_out:g}: a share of people is between 0 and 1")
    if wrong := [rank for rank in ranks if rank < 1]:
        raise ParamsError(f"--ranks {wrong[0]}: ranks begin at 1")
    if wrong := [rate for rate in fpirs if not 0 < rate < 1]:
        raise ParamsError(f"--fpir {wrong[0]:g}: a false positive identification rate is between 0 and 1")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ParamsError(f"--to {folder}: is a file; give a folder")


def _read(path: Path, split: str | None, names: Path | None, missing: str) -> EmbeddingTable:
    if path.suffix.lower() == ".csv":
        raise DataError(f"{path}: is CSV; identification needs embeddings, as Parquet or .npy")
    table = read_embeddings(path, split, names, missing == "skip", anonymous=True)
    if not len(table.faces.identities):
        raise DataError(f"{path}: holds no embedding; add a row for each photo")
    if table.faces.anonymous:
        raise DataError(f"{path}: has no column identity; add it, with the person on each photo")
    return table


def _refuse_enrolled(path: Path, non_mated: Faces, gallery_path: Path, gallery: Faces) -> None:
    enrolled = np.intersect1d(non_mated.identities, gallery.identities)
    if enrolled.size:
        raise DataError(
            f"{path}: {enrolled[0]} is among the non-mated probes, and also in the gallery, {gallery_path} "
            f"({enrolled.size} such people in all); remove these people from one of the two"
        )


def _with_mate(probes: Faces, gallery: Faces) -> NDArray[np.bool_]:
    """Return whether the gallery has a photo of each probe's person, other than the probe itself, (N,)."""
    people, counts = np.unique(gallery.identities, return_counts=True)
    photos: dict[str, int] = dict(zip(people.tolist(), counts.tolist(), strict=True))
    own = np.isin(probes.face_ids, gallery.face_ids)
    return np.array([photos.get(who, 0) for who in probes.identities.tolist()], np.intp) > own


def _refuse_without_mate(lost: Faces, gallery: Faces, references: Faces, copied: Collection[str]) -> None:
    """Raise the error about probes whose person has no photo in the gallery to compare with.

    Args:
        lost: these probes.
        gallery: the gallery without copies.
        references: the gallery with copies.
        copied: the names of the copies.
    """
    who = lost.identities[0]
    left = gallery.face_ids[gallery.identities == who]
    of_person = np.flatnonzero((references.identities == who) & np.isin(references.face_ids, list(copied)))
    people = len(np.unique(lost.identities))
    count = f"{len(lost.face_ids)} such {'probe' if len(lost.face_ids) == 1 else 'probes'} of {people} "
    count += "person in all" if people == 1 else "people in all"
    if of_person.size:
        same = (references.embeddings == references.embeddings[of_person[0]]).all(axis=1)
        raise DataError(
            f"{references.face_ids[of_person[0]]} of {who} is left out of the gallery, because it is a byte-identical "
            f"copy of {references.face_ids[np.argmax(same)]}, so the gallery has no{' other' * len(left)} photo of "
            f"{who} ({count}); correct or remove one of the two, add another photo of the person, or leave such probes "
            "out with --missing skip"
        )
    if len(left):
        raise DataError(
            f"{left[0]} is the only photo of {who} in the gallery, and is not compared with itself ({count}); add "
            "another photo of each person to the gallery, or leave such probes out with --missing skip"
        )
    raise DataError(
        f"{who} is among the probes but not in the gallery ({count}); add a photo of each person to the gallery, move "
        "probes of people who are not to be enrolled to a table for --non-mated, or leave such probes out with "
        "--missing skip"
    )


def _notes(found: IdentificationReport) -> list[str]:
    """Return warnings about the numbers, for the reader of the report."""
    certain = [_title(name) for name, estimate in found.metrics.items() if estimate.lo == estimate.hi]
    if not certain:
        return []
    return [
        f"{', '.join(certain)}: all searches of these {found.people} people have the same outcome, so all draws are "
        "equal; the interval is a point, but the true value may differ"
    ]


def _json(found: IdentificationReport, facts: Facts) -> Facts:
    return facts | {
        "people": found.people,
        "closed_set": {"searches": found.searches, "enrolled": found.enrolled},
        "open_set": {"mated": found.mated, "non_mated": found.non_mated, "enrolled": found.open_enrolled},
        "metrics": {
            name: {k: v and round(v, 9) for k, v in asdict(estimate).items()}
            for name, estimate in found.metrics.items()
        },
        "absent": dict(found.absent),
        "accepted": "score >= threshold",
        "thresholds": {name: at and asdict(at) for name, at in found.thresholds.items()},
        "cmc": {"rank": found.cmc.at.astype(int).tolist(), "rate": found.cmc.value.tolist()},
        "fnir": found.fnir and {"fpir": found.fnir.at.tolist(), "fnir": found.fnir.value.tolist()},
    }


def _text(found: IdentificationReport, facts: Facts, fpirs: Iterable[float]) -> str:
    def line(name: str, text: str) -> str:
        return f"{name:18} {text}"

    lines: list[str] = []
    for side in ("gallery", "probes", "non_mated"):
        if side in facts:
            table = facts[side]
            split = f", split {table['split']}" if table["split"] else ""
            people = f"{table['photos']} photos of {table['people']} people{split}"
            lines.append(line(side.replace("_", "-"), f"{table['path']}: {people}"))
    lines.append(line("recognizer", described(facts["recognizer"])))
    lines.append(line("fusion", f"{facts['fusion']} of a person's photos in the gallery"))
    for side in ("gallery", "probes", "non_mated"):
        if left_out := facts.get(side, {}).get("missing_left_out"):
            lines.append(line("left out", f"{left_out} photos of {facts[side]['path']} without an embedding"))
    if left_out := facts["byte_identical_copies_left_out"]:
        lines.append(line("left out", f"{left_out} byte-identical copies"))
    if (lost := facts["without_mate_left_out"])["probes"]:
        text = f"{lost['probes']} probes of {lost['people']} people without a photo in the gallery to compare with"
        lines.append(line("left out", text))
    lines.append(line("closed set", f"{found.searches} searches among {found.enrolled} people"))
    split = facts["non_mated_people"]
    how = "" if split == "given" else f" ({split['left_out']} left out by seed {split['seed']})"
    lines.append(
        line(
            "open set",
            f"{found.mated} mated and {found.non_mated} non-mated searches among {found.open_enrolled} people{how}",
        )
    )
    level = facts["intervals"]["level"]
    lines += ["", line("", f"   value   {level:.0%} interval over {found.people} people")]
    lines += [
        line(_title(name), f"{estimate.value:8.4f}   {estimate.lo:.4f} to {estimate.hi:.4f}")
        for name, estimate in found.metrics.items()
    ]
    lines += [line(_title(name), f"       -   {reason}") for name, reason in found.absent.items()]
    lines += ["", f"{'threshold':18}    score >="]
    for fpir in fpirs:
        if at := found.thresholds[threshold_name(fpir)]:
            text = f"{at.score:11.9g}   FPIR {at.fpir:.4g}, FNIR {at.fnir:.4g}"
        else:
            reason = found.absent.get(fnir_name(fpir), "even the highest score exceeds that rate")
            text = f"{'-':>11}   {reason}"
        lines.append(line(f"at FPIR {fpir:g}", text))
    if facts["notes"]:
        lines += ["", *(f"note: {note}" for note in facts["notes"])]
    return "\n".join(lines)


def _title(name: str) -> str:
    return name.replace("fnir_at_fpir_", "FNIR at FPIR ").replace("rank_", "rank-")


def _write(folder: Path, found: IdentificationReport, facts: Facts) -> list[str]:
    """Write tables and plots into a folder, and return their names."""
    rows = [(name, estimate.value, estimate.lo, estimate.hi, "") for name, estimate in found.metrics.items()]
    rows += [(name, at and at.score, None, None, "") for name, at in found.thresholds.items() if at]
    rows += [(name, None, None, None, reason) for name, reason in found.absent.items()]
    title = f"{found.searches} searches among {found.enrolled} people, fusion {facts['fusion']}"
    open_title = f"{found.mated} mated and {found.non_mated} non-mated searches among {found.open_enrolled} people"
    written = ["identification.csv", "cmc.csv", "cmc.png"]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("fnir.csv", "fnir.png"):
            (folder / name).unlink(missing_ok=True)  # an earlier report may have left them
        _write_csv(folder / "identification.csv", ("metric", "value", "lo", "hi", "absent"), rows)
        _write_csv(folder / "cmc.csv", ("rank", "rate", "lo", "hi"), _rows(found.cmc))
        save(cmc_plot(found, title), folder / "cmc.png")
        if found.fnir:
            _write_csv(folder / "fnir.csv", ("fpir", "fnir", "lo", "hi"), _rows(found.fnir))
            save(fnir_plot(found, found.fnir, open_title), folder / "fnir.png")
            written += ["fnir.csv", "fnir.png"]
    return written


def _rows(curve: Curve) -> Iterable[Sequence[float]]:
    return zip(curve.at.tolist(), curve.value.tolist(), curve.lo.tolist(), curve.hi.tolist(), strict=True)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[float | str | None]]) -> None:
    """Write rows as CSV, numbers with nine digits and None as an empty cell."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        csv.writer(file, lineterminator="\n").writerows(
            chain([header], ([f"{cell:.9g}" if isinstance(cell, float) else cell for cell in row] for row in rows))
        )
