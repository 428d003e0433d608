"""The pages of the documentation: their links, their words, and how long the README is."""

import re
import tomllib
from pathlib import Path

import pytest
from documentation import DOCS, PAGES, ROOT, blocks, read
from ruamel.yaml import YAML

WRITTEN = [page for page in PAGES if page.name != "comparison.md"]
"""The pages that people wrote: `ftlgan compare` writes the other."""
LONGEST_README = 150
BRITISH = re.compile(
    r"\b\w*(?:colour|grey|licence|centre|behaviour|neighbour|favour|honour|programme|recognis|normalis|optimis|organis"
    r"|summaris|generalis|initialis|serialis|penalis|emphasis(?=e)|labelled|modelled|travelled|cancelled)\w*",
    re.IGNORECASE,
)
"""Words that American English spells otherwise."""
OLD_WORDS = re.compile(r"\b(?:drawn (?:people|strangers)|strangers|figures? of merit|fresh eyes)\b", re.IGNORECASE)
"""What has another name in the glossary."""


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(page: Path) -> str:
    """Return the text of a page without its blocks of code."""
    text = read(page)
    for block in blocks(page):
        text = text.replace(block.text, "")
    return text


def prose(page: Path) -> str:
    """Return the text of a page without code, the addresses of links, and comments."""
    return re.sub(r"`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", "", without_code(page), flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short() -> None:
    assert len(read(ROOT / "README.md").splitlines()) <= LONGEST_README


def test_the_readme_says_on_the_first_screen_what_it_is_for_whom_and_what_it_must_not_be_used_for() -> None:
    first = "\n".join(read(ROOT / "README.md").splitlines()[:25])
    for said in ("**What it is.**", "**For whom.**", "**What it needs.**", "**What it must not be used for.**", "!["):
        assert said in first


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_one_spelling_and_one_name_for_a_thing(page: Path) -> None:
    words = prose(page)
    assert BRITISH.findall(words) == []
    assert OLD_WORDS.findall(words) == []


def test_the_picture_of_the_pipeline_shows_every_stage_and_no_other() -> None:
    shown = re.findall(r"<text [^>]*>(\w+)</text>", read(DOCS / "concepts/pipeline.svg"))
    stages = re.findall(r"^  (\w+):$", read(ROOT / "dvc.yaml").partition("\nstages:\n")[2], re.MULTILINE)
    table = re.findall(r"^\| (`.+?) \|", read(DOCS / "concepts/pipeline.md").partition("## ")[0], re.MULTILINE)
    assert sorted(shown) == sorted(stages)
    assert sorted(re.findall(r"`(\w+)`", " ".join(table))) == sorted(stages)


def test_one_version_stands_wherever_there_is_one() -> None:
    version: str = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"]
    assert YAML(typ="safe", pure=True).load(ROOT / "CITATION.cff")["version"] == version
    assert re.findall(r"^## (\d[\d.]*)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)[0] == version


@pytest.mark.parametrize("form", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda form: form.name)
def test_a_form_of_an_issue_is_one(form: Path) -> None:
    found = YAML(typ="safe", pure=True).load(form)
    if form.name == "config.yml":
        assert found == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= found.keys()
    for field in found["body"]:
        assert field["type"] in ("markdown", "textarea", "checkboxes")
        assert field["attributes"].get("label") or field["attributes"].get("value") or field["attributes"]["options"]
