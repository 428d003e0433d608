"""Text has the same bytes on every system: DVC hashes it, and git compares it."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("src", "stages") for path in (ROOT / folder).rglob("*.py"))


def calls(path: Path, *names: str) -> list[tuple[str, ast.Call]]:
    """Return the calls of methods with one of these names, with their place."""
    tree = ast.parse(path.read_bytes())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    place = path.relative_to(ROOT)
    return [(f"{place}:{node.lineno}", node) for node in found if ast.unparse(node.func).rpartition(".")[2] in names]


def mode(call: ast.Call) -> str:
    """Return the mode of a file that is opened, of any other call nothing."""
    texts = [node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return next((text for text in texts if set(text) <= set("rwabtx+")), "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_says_encoding_and_line_ending_of_its_text_files(path: Path) -> None:
    for place, call in calls(path, "write_text", "read_text", "to_csv", "open"):
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        name = ast.unparse(call.func).rpartition(".")[2]
        if name == "to_csv":
            assert options.get("lineterminator") == repr("\n"), place
        elif name == "write_text" or (name == "open" and mode(call) and "b" not in mode(call)):
            assert options.get("encoding") == repr("utf-8"), place
            assert options.get("newline") == repr("\n") or mode(call) == "r", place
        elif name == "read_text":
            assert options.get("encoding") == repr("utf-8"), place


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"])
def test_a_clone_has_the_same_bytes_whatever_git_does_to_line_endings(setting: str, tmp_path: Path) -> None:
    """A clone of one commit with a file of each kind of ours."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    names = ["README.md", "dvc.yaml", "params.yaml", "src/ftlgan/errors.py", "metrics/roc.csv", "metrics/metrics.json"]
    contents = {name: (ROOT / name).read_bytes() for name in [*names, ".gitattributes", "metrics/roc.png"]}
    contents |= {"photo.jpg": b"like text\n", "dvc.lock": b"schema: '2.0'\n"}
    for name, content in contents.items():
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_bytes(content)
    someone = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], [*someone, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    subprocess.run(["git", "clone", "-q", "-c", setting, str(origin), str(clone)], check=True)
    assert {name: (clone / name).read_bytes() for name in contents} == contents


def test_git_keeps_every_text_file_with_line_feeds_alone() -> None:
    listed = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert [line for line in listed.splitlines() if "crlf" in line or "mixed" in line] == []
