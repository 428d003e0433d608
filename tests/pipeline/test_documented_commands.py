"""The commands of the tutorial and the guides, run on a tiny data set, with the real DVC.

A comment above a block that can't be run here says why: see CONTRIBUTING.md.
"""

import shutil
from pathlib import Path

import pytest
from documentation import DOCS, PAGES, ROOT, Block, blocks
from dvc.utils.hydra import apply_overrides
from project import Project
from ruamel.yaml import YAML
from shell import run_block, settings

from ftlgan.params import check_params

EVERY = [block for page in PAGES for block in blocks(page)]
COMMANDS = [block for block in EVERY if block.language == "bash"]
NOT_RUN, SETTINGS = "not run", "settings"
GUIDED = ("tutorial", "guides", "concepts", "results", "reference")
"""The folders of docs/ whose blocks are run; those of extend/ are run by test_extending.py."""


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that are run."""
    return [block for block in blocks(page) if block.language in ("bash", "python") and not block.mark]


RUN = [page for folder in GUIDED for page in sorted((DOCS / folder).rglob("*.md")) if runnable(page)]


def test_a_comment_above_a_block_says_why_it_is_not_run() -> None:
    assert {block.mark for block in EVERY} == {"", NOT_RUN, SETTINGS}
    assert [block.place for block in EVERY if block.mark and len(block.reason) < 10] == []


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_the_commands_of_a_page_run(project: Project, page: Path) -> None:
    for block in runnable(page):
        printed = run_block(project, block)
        assert "ERROR" not in printed, f"{block.place}: {printed}"


def test_the_python_of_the_readme_runs(reproduced: Project, tmp_path: Path) -> None:
    project = Project(reproduced.root)
    (block,) = (block for block in blocks(ROOT / "README.md") if block.language == "python" and not block.mark)
    (tmp_path / "block.py").write_text(block.text, encoding="utf-8")
    printed = project.run("python", str(tmp_path / "block.py"))
    assert printed.startswith("Estimate(value=")


CALLING = [block for block in COMMANDS if "dvc exp run" in block.text and "extend" not in block.page.parts]


@pytest.mark.parametrize("block", CALLING, ids=lambda block: block.place)
def test_the_settings_of_a_documented_experiment_are_valid(block: Block, tmp_path: Path) -> None:
    """From the committed params, as a clean workspace has them."""
    found = list(settings(block, tmp_path))
    assert found
    for given in found:
        params = tmp_path / "params.yaml"
        shutil.copy(ROOT / "params.yaml", params)
        apply_overrides(params, given)  # pyright: ignore[reportArgumentType]
        check_params(YAML(typ="safe", pure=True).load(params), f"{block.place}: {given}")
