"""What people give to `ftlgan verify`: each fault that was reported, and its kin."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from people import faces, photos
from test_command import FEW, run, write, written

SMALL = ".80,a,a\n.70,b,b\n.20,a,b\n.30,a,c\n.25,a,d\n.22,b,c\n"
HEAD = "score,probe_identity,reference_identity\n"


def refusal(*arguments: object) -> str:
    """The one line of an error."""
    with pytest.raises(SystemExit) as end:
        run(*arguments, *FEW)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code.removeprefix("ERROR: ")


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "scores.csv"


def test_a_small_list_keeps_its_report_whatever_its_draws(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(text(csv, HEAD + SMALL))
    assert found["metrics"]["auc"]["value"] == 1
    assert found["metrics"]["d_prime"]["lo"] is None
    assert found["undefined_draws"]["d_prime"] > 10
    run(csv, *FEW)
    assert f"note: d' is undefined in {found['undefined_draws']['d_prime']} of 100 draws" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + SMALL + ".5,,\n", "line 8: probe_identity is '', not a name"),
        (HEAD + SMALL + ".5,a,nan\n", "line 8: reference_identity is 'nan', not a name"),
        (HEAD + "\n" + SMALL + ".5,a,\u200b\n", "line 9: reference_identity is '\\u200b', not a name"),
        (HEAD + SMALL + ".5,a ,b\n", "line 8: probe_identity 'a ' and 'a' (line 2) look like one name"),
        (HEAD + SMALL + ".5,A,b\n", "line 8: probe_identity 'A' and 'a' (line 2) look like one name"),
        (
            HEAD + SMALL + ".5,é,b\n.4,e\u0301,b\n",
            "line 9: probe_identity 'e\\u0301' and '\\xe9' (line 8) look like one name",
        ),
        (HEAD + SMALL + ".5,1,b\n.4,1.0,b\n", "line 9: probe_identity '1.0' and '1' (line 8) look like one name"),
        (
            "genuine," + HEAD + "1,.8,a,a\n1,.2,a,b\n",
            "line 3: genuine is '1', but the identities disagree; correct one or remove a column",
        ),
        ("score,distance,genuine\n.1,.9,0\n", "has the columns score and distance; keep the one"),
        ("score,genuine,probe_identity\n.1,0,a\n", "has the column probe_identity but not reference_identity"),
        ("score,score,genuine\n.1,.9,0\n", "line 1: has the column score twice"),
        ("score,genuine\n.1,0,x\n", "line 2: has 3 cells, but the header has 2"),
        ("score;genuine\n.1;0\n", "separate columns by commas"),
        ('score,genuine\n.1,0\n".2,1\n', "line 3: is not CSV"),
        ("score,genuine\n1e200,0\n", "line 2: score is '1e200', not between -1e+100 and 1e+100"),
        (
            "score,genuine\n,0\n",
            "line 2: score is '', not a finite number; compute it, or leave such pairs out with --missing",
        ),
    ],
)
def test_columns_are_checked_and_the_line_is_named(csv: Path, content: str, message: str) -> None:
    assert refusal(text(csv, content)).startswith(f"{csv}: ")
    assert message in refusal(csv)


def test_latin_1_is_refused_with_its_line(csv: Path) -> None:
    message = refusal(text(csv, HEAD + SMALL + ".5,Müller,b\n", "latin-1"))
    assert message == f"{csv}: line 8: b'\\xfc' is not UTF-8 text; save the file as UTF-8"


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"\xef\xbb\xbf\xc3\xa9ab\xff", 1, b"\xff"),  # a byte order mark, and a letter of two bytes before the bad one
        (b"score,genuine\n.5,1\n\xff,0\n", 3, b"\xff"),  # the first of its line
    ],
)
def test_a_bad_byte_is_named_with_its_line(csv: Path, content: bytes, line: int, byte: bytes) -> None:
    csv.write_bytes(content)
    assert refusal(csv) == f"{csv}: line {line}: {byte!r} is not UTF-8 text; save the file as UTF-8"


def test_a_name_longer_than_a_file_s_is_no_traceback(csv: Path) -> None:
    name = "n" * 300
    message = refusal(text(csv, f"score,probe_identity,reference_identity\n.5,{name},{name} \n"))
    assert name[:20] in message


@pytest.mark.parametrize("labels", [("1.0", "0.0"), (" 1", "0 "), ("TRUE", "False"), ("y", "n"), ("1", "0")])
def test_genuine_is_understood_as_a_value(csv: Path, labels: tuple[str, str]) -> None:
    rows = "".join(f"{score},{labels[score < 0.5]}\n" for score in (0.9, 0.8, 0.2, 0.6))
    found = written(text(csv, f"\ufeffscore, Genuine\n{rows}".replace(" Genuine", " genuine")))
    assert (found["genuine"], found["impostor"]) == (3, 1)


def test_scores_that_are_distances_are_said_to_be(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(text(csv, "score,genuine\n.1,1\n.2,1\n.9,0\n.8,0\n"))
    assert "note: AUC 0.0000: " in (printed := capsys.readouterr().out)
    assert "if these are distances, name the column distance" in printed


def test_a_threshold_of_distances_is_a_distance(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = written(text(csv, "distance,genuine\n.1,1\n.2,1\n.9,0\n.8,0\n"))
    assert found["accepted"] == "distance <= threshold"
    assert found["thresholds"]["threshold_at_eer"] == {"value": 0.2, "fmr": 0, "fnmr": 0}
    run(csv)
    printed = capsys.readouterr().out
    assert "distance <=" in printed
    assert "at EER                     0.2   FMR 0, FNMR 0" in printed


def test_the_thresholds_are_printed_and_in_the_json(csv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    genuine = [round(float(x), 4) for x in generator.normal(2, 1, 50)]
    impostor = [round(float(x), 4) for x in generator.normal(0, 1, 200)]
    text(csv, "score,genuine\n" + "".join(f"{x},{int(k < 50)}\n" for k, x in enumerate(genuine + impostor)))
    found = written(csv, "--fmr", "0.1", "0.001")["thresholds"]
    threshold = min(t for t in genuine + impostor if np.mean(np.array(impostor) >= t) <= 0.1)
    assert found["threshold_at_fmr_0.1"]["value"] == threshold
    assert found["threshold_at_fmr_0.001"] is None
    run(csv, "--fmr", "0.1")
    assert f"at FMR 0.1         {threshold:11.9g}   FMR 0.1, FNMR " in capsys.readouterr().out


def test_pairs_without_a_score_are_skipped_and_counted_where_asked(csv: Path) -> None:
    found = written(text(csv, HEAD + SMALL + ",a,b\nnan,a,a\n"), "--missing", "skip")
    assert (found["genuine"], found["impostor"], found["scores"]["missing_left_out"]) == (2, 4, 2)


EMBEDDINGS, _, WHO = photos(12, 4, noise=1)
ROWS = EMBEDDINGS.tolist()
ALBUM = faces(EMBEDDINGS, WHO)


@pytest.mark.parametrize(
    "columns",
    [
        {"embedding": pa.array(ROWS, pa.large_list(pa.float32()))},
        {"embedding": pa.array(ROWS, pa.list_(pa.float64(), 8))},
        {"embedding": pa.array(ROWS, pa.list_view(pa.float64()))},
        {"embedding": pa.array([[str(x) for x in row] for row in ROWS])},
        {"embedding": pa.FixedShapeTensorArray.from_numpy_ndarray(EMBEDDINGS)},
        {"identity": pa.array(WHO).dictionary_encode(), "split": pa.array(["test"] * 48).dictionary_encode()},
        {"identity": pa.array([who.encode() for who in WHO]), "face_id": pa.array(range(48))},
        {"identity": pa.array(WHO, pa.string_view())},
        {"identity": pa.array([float(k // 4) for k in range(48)])},
    ],
)
def test_columns_are_cast_to_what_they_hold(tmp_path: Path, columns: dict[str, pa.Array]) -> None:
    expected = written(write(tmp_path / "plain", ALBUM))["metrics"]
    found = written(write(tmp_path / "table", ALBUM, **columns))["metrics"]
    assert found["auc"]["value"] == pytest.approx(expected["auc"]["value"], abs=1e-6)


def test_the_parts_of_a_folder_may_differ_in_type_and_be_partitioned(tmp_path: Path) -> None:
    kinds = [pa.list_(pa.float32()), pa.list_(pa.float64(), 8), pa.large_list(pa.float64())]
    for part, kind in enumerate(kinds):
        folder = tmp_path / "table" / f"split={('test', 'test', 'train')[part]}" / f"x={part}"
        folder.mkdir(parents=True)
        rows = slice(16 * part, 16 * part + 16)
        columns = {"identity": WHO[rows], "embedding": pa.array(ROWS[rows], kind), "face_id": list(range(48))[rows]}
        pq.write_table(pa.table(columns), folder / "0.parquet")
    assert written(tmp_path / "table")["probes"]["photos"] == 32
    assert written(tmp_path / "table", "--split", "train")["probes"]["people"] == 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"embedding": [[row] for row in ROWS]},
            "embedding is list<element: list<element: double>>, not a list of numbers",
        ),
        ({"embedding": [["one", "one"]] * 48}, "Failed to parse string: 'one'"),
        ({"identity": [[who] for who in WHO]}, "identity is list<element: string>, not text"),
        ({"identity": [b"M\xfcller"] * 48}, "identity b'M\\xfcller'; write it as text"),
        ({"identity": ["", *WHO[1:]]}, "row 0: identity is '', not a name"),
        ({"identity": ["Person 000", *WHO[1:]]}, "identity 'Person 000' and 'person 000' look like one name"),
        (
            {"embedding": [None, *ROWS[1:]]},
            "1 of 48 embeddings are not finite or not of unit length, the first in row 0",
        ),
    ],
)
def test_a_column_that_holds_something_else_is_one_line(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    assert message in refusal(write(tmp_path / "table", ALBUM, **columns))


def test_a_person_who_is_spelled_otherwise_among_the_references_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "lr", ALBUM)
    write(tmp_path / "hr", ALBUM, identity=[who.upper() for who in WHO], face_id=[f"hr/{k}" for k in range(48)])
    assert "look like one name" in refusal(tmp_path / "lr", "--references", tmp_path / "hr")


@pytest.mark.parametrize("empty", [None, [], [float("nan")] * 8, [0.0] * 8])
def test_photos_and_pairs_that_are_missing_are_skipped_and_counted_where_asked(tmp_path: Path, empty: object) -> None:
    table = write(tmp_path / "table", ALBUM, embedding=[empty, *ROWS[1:]])
    found = written(table, "--missing", "skip")
    assert (found["probes"]["photos"], found["probes"]["missing_left_out"]) == (47, 1)
    names = ALBUM.face_ids
    rows = [f"{names[0]},{names[1]}", f"{names[1]},{names[2]}", f"{names[1]},{names[8]}", f"{names[4]},nowhere"]
    pairs = text(tmp_path / "pairs.csv", "probe,reference\n" + "\n".join(rows))
    found = written(table, "--pairs", pairs, "--missing", "skip")
    assert (found["genuine"], found["impostor"], found["pairs"]["missing_left_out"]) == (1, 1, 2)


LFW = faces(EMBEDDINGS, WHO)
LFW.face_ids[:] = [f"P{k // 4}/{k % 4 + 1}" for k in range(48)]
PAIRS = "P0 1 2\nP0 1 P1 1\n"


@pytest.mark.parametrize("content", [f"1\n{PAIRS}\n\n", f"\ufeff1\n{PAIRS}", f"1\n\n{PAIRS}", f"1 1\r\n{PAIRS}"])
def test_a_pairs_txt_may_have_blank_lines_and_a_byte_order_mark(tmp_path: Path, content: str) -> None:
    table = write(tmp_path / "table", LFW, identity=[f"P{k // 4}" for k in range(48)])
    found = written(table, "--pairs", text(tmp_path / "pairs.txt", content))
    assert (found["genuine"], found["impostor"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"0 1 1\n{PAIRS}", "line 1: '0 1 1' is not FOLDS PAIRS or PAIRS"),
        (f"0 1\n{PAIRS}", "line 1: '0 1' is not FOLDS PAIRS or PAIRS"),
        ("1\n\nP0 1 2\n\nP0 one P1 1\n", "line 5: 'P0 one P1 1' is not a pair; give NAME 1 2"),
        (
            "probe,reference\n\n\nP0/1,p0/2\n",
            "line 4: 'p0/2' is not among the photos (but 'P0/2' is; spell it like that)",
        ),
        ("probe,reference,genuine\nP0/1,P1/1,1\n", "line 2: 'P0/1' and 'P1/1' are one person in the list"),
        ("probe,reference,fold\nP0/1,P0/2,1\nP0/1,P1/2,\n", "line 3: fold is '', empty"),
    ],
)
def test_a_list_of_pairs_names_the_line_as_an_editor_counts_it(tmp_path: Path, content: str, message: str) -> None:
    table = write(tmp_path / "table", LFW, identity=[f"P{k // 4}" for k in range(48)])
    assert message in refusal(table, "--pairs", text(tmp_path / "pairs", content))


def test_one_fold_has_no_accuracy_and_the_report_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write(tmp_path / "table", LFW, identity=[f"P{k // 4}" for k in range(48)])
    pairs = text(tmp_path / "pairs.csv", "probe,reference,fold\nP0/1,P0/2,1\nP0/1,P1/2,1\nP1/1,P2/2,1\n")
    assert "absent" in written(table, "--pairs", pairs)["accuracy"]
    run(table, "--pairs", pairs, *FEW, "--json", tmp_path / "report.json")
    assert "the threshold is chosen on other folds; give 2 folds or more" in (printed := capsys.readouterr().out)
    assert "nan" not in printed + (tmp_path / "report.json").read_text()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("e.txt", [f"lfw/{who}/{k}.jpg" for k, who in enumerate(WHO)]),
        ("e.txt", [*WHO, ""]),
        ("e.csv", ["identity,face_id", *(f"{who},{k}" for k, who in enumerate(WHO))]),
        ("names.txt", WHO),
        ("labels.npy", []),
    ],
)
def test_an_array_has_its_names_beside_it_or_where_an_option_says(tmp_path: Path, name: str, lines: list[str]) -> None:
    np.save(tmp_path / "e.npy", EMBEDDINGS)
    if name == "labels.npy":
        np.save(tmp_path / name, np.arange(48) // 4)
    else:
        text(tmp_path / name, "\n".join(lines))
    option = [] if name.startswith("e.") else ["--names", tmp_path / name]
    expected = written(write(tmp_path / "plain", ALBUM))["metrics"]["auc"]
    assert written(tmp_path / "e.npy", *option)["metrics"]["auc"]["value"] == pytest.approx(expected["value"])


def test_an_array_that_its_names_do_not_fit_is_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", EMBEDDINGS)
    assert "whose faces are these?" in refusal(tmp_path / "e.npy")
    assert "has 2 names, but" in refusal(tmp_path / "e.npy", "--names", text(tmp_path / "two.txt", "a\nb\n"))
    names = text(tmp_path / "e.txt", "\n".join(["a", "", *WHO[2:]]))
    assert refusal(tmp_path / "e.npy").startswith(f"{names}: line 2: identity is '', not a name")
    np.save(tmp_path / "e.npy", EMBEDDINGS[:, None])
    assert "has shape (48, 1, 8); give an array (photos, numbers)" in refusal(tmp_path / "e.npy")
    assert "use it with embeddings in a .npy file" in refusal(write(tmp_path / "t", ALBUM), "--names", names)


def test_the_report_is_json_that_any_reader_takes(csv: Path, tmp_path: Path) -> None:
    run(text(csv, HEAD + ".8,a,a\n.2,a,b\n"), *FEW, "--json", tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert found["metrics"]["auc"]["value"] == 1
    assert "genuine scores are all 0.8" in found["absent"]["d_prime"]


def test_a_table_without_identities_needs_a_list_of_pairs(tmp_path: Path) -> None:
    table = write(tmp_path / "table", ALBUM, identity=None)
    assert "has no column identity; add it, or give the pairs to compare with --pairs" in refusal(table)
    listed = "probe,reference,genuine\n{0},{1},1\n{0},{4},0\n{0},{5},0\n{4},{5},1\n".format(*ALBUM.face_ids)
    pairs = text(tmp_path / "pairs.csv", listed)
    found = written(table, "--pairs", pairs)
    assert (found["genuine"], found["impostor"], found["people"], found["probes"]["people"]) == (2, 2, None, None)
    assert found["intervals"] == {"absent": "the identities are unknown; give the table a column identity"}


def test_a_table_with_identities_and_one_without_are_not_compared(tmp_path: Path) -> None:
    table, other = write(tmp_path / "table", ALBUM), write(tmp_path / "other", ALBUM, identity=None)
    pairs = text(tmp_path / "pairs.csv", "probe,reference,genuine\n{},{},1\n".format(*ALBUM.face_ids))
    said = refusal(table, "--references", other, "--pairs", pairs)
    assert said == f"{other}: has no column identity, but the other table does; add it to both or to neither"


def test_embeddings_of_two_recognizers_are_refused_in_one_line(tmp_path: Path) -> None:
    def by(name: str, sha256: str) -> Path:
        path = write(tmp_path / name, ALBUM)
        pq.write_table(pq.read_table(path).replace_schema_metadata({"recognizer": name, "sha256": sha256}), path)
        return path

    one, other = by("sface", "0"), by("dlib", "1")
    said = refusal(one, "--references", other)
    assert said.startswith(f"{one}: embedded by ")
    assert said.endswith("embed both with one recognizer")
