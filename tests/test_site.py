"""The site of the documentation: it builds without a warning, needs no network, and its reference is complete."""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from documentation import DOCS, ROOT, read
from ruamel.yaml import YAML

from ftlgan import cli
from ftlgan.params import Params, leaves


def load_hooks() -> Any:
    """Import docs/hooks.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load_hooks()


class Loaded(HTMLParser):
    """What a page makes a browser load: scripts, styles, pictures, frames."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "embed", "object", "video", "audio"):
            self.found += [str(given[name]) for name in ("src", "data", "srcset") if given.get(name)]
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(str(given["href"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    if not importlib.util.find_spec("mkdocs") or not importlib.util.find_spec("mkdocstrings"):
        pytest.skip("no mkdocs here: uv pip install --no-deps --require-hashes -r requirements-docs.lock")
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_site_has_a_page_for_each_of_ours_and_every_link_in_it_holds(site: Path) -> None:
    """That links hold is a promise of `--strict`, with `validation` in mkdocs.yml."""
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    pages.add(Path("metrics/comparison/comparison.html"))
    assert {page.relative_to(site) for page in site.rglob("*.html")} == pages | {Path("404.html")}
    assert (site / "metrics/faces.png").read_bytes() == (ROOT / "metrics/faces.png").read_bytes()
    assert list(site.rglob("*.py")) == list(site.rglob("__pycache__")) == []


@pytest.mark.slow
def test_the_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = Loaded(page).found
        assert len(loaded) > 3, "a page has styles and scripts"
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == [], page
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), "the theme would load mermaid for it"
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")) == [], style


@pytest.mark.slow
def test_no_comment_for_the_tests_and_no_request_for_the_hooks_is_left(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"<!-- (?:not run|settings|generated):", page.read_text(encoding="utf-8")), page


def test_the_reference_has_every_param_with_its_value() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", hooks.params_reference(), re.MULTILINE | re.DOTALL))
    committed = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    for name, field in Params.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, hooks.BaseModel):
            rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", sections[name], re.MULTILINE))
            assert rows == {key: hooks._value(value) for key, value in committed[name].items()}
        elif f"{name}.NAME" not in sections:
            assert f"| `{name}` | {hooks._value(committed[name])} |" in sections["Top level"]
    for key, value in leaves({"losses": committed["losses"]}):
        _, _, term = key.split(".")
        (row,) = re.findall(rf"^\| `{term}` \| .*$", sections["losses.NAME"], re.MULTILINE)
        assert hooks._value(value) in row


def test_the_reference_says_what_each_param_may_be_and_means() -> None:
    reference = hooks.params_reference()
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    assert "| `realistic` | `0` | number, at least 0, at most 1 |" in reference
    assert "| `people` | `150` | integer, at least 6 or `null` |" in reference
    assert "| `res` | `14` | `14`, `28`, `56` |" in reference
    meant = [row.rsplit(" | ", 1)[1].rstrip(" |") for row in rows]
    without = [row.split("`")[1] for row, meaning in zip(rows, meant, strict=True) if not meaning]
    assert without in ([], ["sha256"]), "neither a comment in params.yaml nor a docstring"


def test_the_reference_has_every_argument_of_every_command() -> None:
    reference = hooks.command_reference()
    (commands,) = (action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert re.findall(r"^## ftlgan (\w+)$", reference, re.MULTILINE) == list(commands.choices)
    for name, parser in commands.choices.items():
        section = reference.partition(f"## ftlgan {name}\n")[2].partition("\n## ")[0]
        for action in parser._actions:
            shown = [f"`{option}" for option in action.option_strings] or [f"`{action.metavar}`"]
            assert all(each in section for each in shown) or "--help" in action.option_strings


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("index.md", "![a](../metrics/a.png)", "![a](metrics/a.png)"),
        ("a/b.md", "![a](../../metrics/a.png)", "![a](../metrics/a.png)"),
        ("a/b.md", "see [c](../c.md)", "see [c](../c.md)"),
        ("a.md", "| 1.1 [+1.0, -1.2] |\n1.1 [1.0, 1.2]\n", "| 1.1 [+1.0,\N{NO-BREAK SPACE}-1.2] |\n1.1 [1.0, 1.2]\n"),
        ("a.md", "<!-- not run: it takes hours -->\n```bash\n", "```bash\n"),
    ],
)
def test_a_page_is_shown_with_links_that_hold_and_without_comments(page: str, written: str, shown: str) -> None:
    assert hooks.rendered(written, PurePosixPath(page)) == shown


def test_a_page_that_asks_for_what_nobody_generates_is_refused() -> None:
    with pytest.raises(ValueError, match="generated: parms: is none of params, commands"):
        hooks.rendered("<!-- generated: parms -->", PurePosixPath("a.md"))
    asked = re.findall(r"<!-- generated: (\w+) -->", "".join(map(read, DOCS.rglob("*.md"))))
    assert sorted(asked) == ["commands", "params"]
