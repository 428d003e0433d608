"""Five hundred made-up tables: each gets a report, or one line that says why not."""

import contextlib
import io
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from people import unit

from ftlgan import cli

TABLES = 500
CELLS = [
    "",
    " ",
    "0.5",
    "-1",
    "1e308",
    "nan",
    "inf",
    "1.0",
    "0",
    "1",
    "yes",
    "a",
    "a ",
    "A",
    "é",
    "e\u0301",
    "\u200b",
    "x/1",
    '"',
    '"a,b"',
    "a\nb",
    "\x00",
    "\x1c",
    "\u2028",
    "9" * 400,
    "²",
    "-",
    "None",
    "0,5",
    "1_0",
]
HEADS = ["score", "distance", "genuine", "probe_identity", "reference_identity", "probe", "reference", "fold", "", "x"]
Random = np.random.Generator


def pick(random: Random, choices: list[Any]) -> Any:
    return choices[random.integers(len(choices))]


def verify(*arguments: object) -> str:
    """What `ftlgan verify` prints, or its error; both have to be what they should be."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(sys, "argv", ["ftlgan", "verify", *map(str, arguments), "--replicates", "100", "--json", "-"])
        try:
            cli.main()
        except SystemExit as end:
            assert isinstance(end.code, str)
            assert end.code.startswith("ERROR: ")
            assert "\n" not in end.code
            return end.code
    found = json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert 0 <= found["metrics"]["auc"]["value"] <= 1
    return "report"


def score_file(random: Random, folder: Path) -> list[object]:
    """A CSV of scores, with some cells, columns or bytes amiss."""
    heads = ["score", "probe_identity", "reference_identity", "genuine"][: int(random.integers(3, 5))]
    if random.random() < 0.15:
        heads[random.integers(len(heads))] = pick(random, HEADS)
    rows: list[list[str]] = []
    for _ in range(random.integers(0, 40)):
        one, other = (str(pick(random, [*"abcd"])) for _ in range(2))
        cells = {"probe_identity": one, "reference_identity": other, "genuine": str(int(one == other))}
        rows.append([cells.get(head, f"{random.random():.3f}") for head in heads])
        if random.random() < 0.02:
            rows[-1][random.integers(len(heads))] = pick(random, CELLS)
        if random.random() < 0.02:
            rows[-1] = rows[-1][: random.integers(len(heads))]
    text = pick(random, [*",,,,,,;"]).join(heads) + "\n" + "".join(",".join(row) + "\n" for row in rows)
    data = spoiled(random, text.encode(pick(random, [*["utf-8", "utf-8-sig"] * 4, "utf-16"])))
    (folder / "scores.csv").write_bytes(data)
    return [folder / "scores.csv"]


def spoiled(random: Random, data: bytes) -> bytes:
    """The same bytes, or some of them changed or cut off."""
    if random.random() < 0.8 or not data:
        return data
    place = int(random.integers(len(data)))
    return pick(random, [data[:place], data[:place] + random.bytes(2) + data[place:], b"", random.bytes(40)])


def vectors(random: Random, rows: int) -> list[Any]:
    return list(unit(random.normal(size=(rows, 4))))


def embedding_column(random: Random, rows: int) -> Any:
    found: list[Any] = [vector.tolist() for vector in vectors(random, rows)]
    kinds = [pa.list_(pa.float64()), pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 4)]
    kinds += [pa.list_view(pa.float64())]
    if rows and random.random() < 0.3:
        found[random.integers(rows)] = pick(random, [None, [], [0.0] * 4, [float("nan")] * 4, [1.0], [1e300] * 4])
    odd: list[Callable[[], Any]] = [
        lambda: pa.array([[vector] for vector in found]),
        lambda: pa.array([["a", "b"]] * rows, pa.list_(pa.string())),
        lambda: pa.array([[str(x) for x in vector or []] for vector in found], pa.list_(pa.string())),
        lambda: pa.array(["[1, 0]"] * rows),
        lambda: pa.array([b"\x00" * 16] * rows),
        lambda: pa.array([1.0] * rows),
        lambda: pa.nulls(rows),
        lambda: pa.array([{"x": 1.0}] * rows, pa.struct([("x", pa.float64())])),
        lambda: pa.array([[1, 0, 0, 0]] * rows, pa.list_(pa.int8())),
        lambda: pa.array([[True, False]] * rows, pa.list_(pa.bool_())),
        lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(np.array(vectors(random, max(1, rows)))),
    ]
    if random.random() < 0.15:
        return pick(random, odd)()
    try:
        return pa.array(found, pick(random, kinds))
    except pa.ArrowInvalid:
        return pa.array(found, pa.list_(pa.float64()))


def name_column(random: Random, rows: int, unique: bool) -> Any:
    names: list[Any] = [f"p{k}" if unique else str(pick(random, [*"abc"])) for k in range(rows)]
    if rows and random.random() < 0.1:
        names[random.integers(rows)] = pick(random, [None, *CELLS])
    odd: list[Callable[[], Any]] = [
        lambda: pa.array(names).dictionary_encode(),
        lambda: pa.array(names, pa.large_string()),
        lambda: pa.array(names, pa.string_view()),
        lambda: pa.array([name and name.encode() for name in names]),
        lambda: pa.array([name and name.encode("utf-16") for name in names]),
        lambda: pa.array([[name] for name in names]),
        lambda: pa.array([k / (1 if unique else 2) for k in range(rows)]),
        lambda: pa.array([k // (1 if unique else 2) for k in range(rows)]),
        lambda: pa.array([k % 2 == 0 for k in range(rows)]),
        lambda: pa.nulls(rows),
        lambda: pa.array([{"x": name} for name in names], pa.struct([("x", pa.string())])),
    ]
    return pick(random, odd)() if random.random() < 0.2 else pa.array(names, pa.string())


def parquet(random: Random, path: Path) -> None:
    rows = int(random.integers(0, 20))
    columns = {"identity": name_column(random, rows, False), "embedding": embedding_column(random, rows)}
    if random.random() < 0.7:
        columns["face_id"] = name_column(random, rows, True)
    if random.random() < 0.15:
        columns["split"] = name_column(random, rows, False)
    if random.random() < 0.05:
        columns.pop(pick(random, ["identity", "embedding"]))
    shortest = min(len(column) for column in columns.values())
    names = [pick(random, ["identity", "Identity"]) if random.random() < 0.02 else name for name in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table([column[:shortest] for column in columns.values()], names=names), path)
    if random.random() < 0.05:
        path.write_bytes(path.read_bytes()[: random.integers(path.stat().st_size)])


def embedding_table(random: Random, folder: Path) -> list[object]:
    """A Parquet file, or a folder of some, and perhaps references and pairs."""
    found: list[object] = [folder / "table"]
    if random.random() < 0.3:
        for name in ("split=test/0.parquet", "split=train/0.parquet", "1.parquet")[: random.integers(0, 4)]:
            parquet(random, folder / "table" / name)
        (folder / "table").mkdir(exist_ok=True)
    else:
        parquet(random, folder / "table")
    if random.random() < 0.2:
        parquet(random, folder / "references")
        found += ["--references", folder / "references"]
    if random.random() < 0.3:
        found += ["--pairs", pair_list(random, folder)]
    return found


def pair_list(random: Random, folder: Path) -> Path:
    photos = [f"p{k}" for k in range(9)]
    if random.random() < 0.5:
        lines = [pick(random, ["1", "1 2", "2 1", "0 1", "0 1 1", "² 1", "9" * 5000, "1\t1"])]
        lines += [f"p {random.integers(9)} {pick(random, ['', 'q '])}{random.integers(9)}" for _ in range(4)]
    else:
        lines = [
            pick(random, ["probe,reference", "probe,reference,fold", "probe,reference,genuine", " probe,reference"])
        ]
        lines += [f"{pick(random, photos)},{pick(random, photos)},{random.integers(2)}" for _ in range(9)]
        lines = [line.rsplit(",", 1)[0] if lines[0].count(",") == 1 and k else line for k, line in enumerate(lines)]
    if random.random() < 0.2:
        lines.insert(int(random.integers(len(lines))), pick(random, CELLS))
    data = "\n".join(lines).encode(pick(random, ["utf-8", "utf-8-sig"]))
    (folder / "pairs").write_bytes(spoiled(random, data))
    return folder / "pairs"


def array(random: Random, folder: Path) -> list[object]:
    """A .npy file and a file of names."""
    rows = int(random.integers(0, 20))
    found = np.array(vectors(random, rows))
    odd = [found[:, None], found.astype(np.float64), found.astype(np.float16), found * 2, found.astype(str), found[:0]]
    odd += [found.astype(complex), np.array(1.0), np.zeros((rows, 0)), np.array([*"ab"], dtype=object)]
    np.save(folder / "e.npy", pick(random, odd) if random.random() < 0.25 else found, allow_pickle=True)
    (folder / "e.npy").write_bytes(spoiled(random, (folder / "e.npy").read_bytes()))
    form = pick(random, ["{}", "{}/{}.jpg", "x/{}/{}.png", "{},{}"])
    lines = [form.format(pick(random, [*"abc"]), k) for k in range(rows)]
    if random.random() < 0.3:
        lines.insert(int(random.integers(len(lines) + 1)), pick(random, CELLS))
    lines = ["identity,face_id", *lines] if random.random() < 0.4 else lines
    text = "\n".join(lines).encode()
    (folder / f"e.{pick(random, ['csv', 'txt', 'txt', 'txt', 'names'])}").write_bytes(spoiled(random, text))
    return [folder / "e.npy"]


@pytest.mark.slow
def test_a_made_up_table_gets_a_report_or_one_line(tmp_path: Path) -> None:
    outcomes: list[str] = []
    for seed in range(TABLES):
        random, folder = np.random.default_rng(seed), tmp_path / str(seed)
        folder.mkdir()
        arguments = pick(random, [score_file, embedding_table, embedding_table, array])(random, folder)
        arguments += pick(random, [[], ["--missing", "skip"]])
        try:
            outcomes.append(verify(*arguments))
        except Exception as error:
            raise AssertionError(f"table {seed}: verify {arguments}") from error
        shutil.rmtree(folder)
    reports = outcomes.count("report")
    assert TABLES / 10 < reports < TABLES * 9 / 10, f"{reports} reports: the tables are all good or all bad"
