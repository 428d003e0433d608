"""The pages of the documentation: what is in docs/, and those at the root. Also the blocks of code in a page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")), *sorted(DOCS.rglob("*.md"))]

FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[\w ]+?): (?P<reason>[^>]+) -->\n)?"
    r"```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    page: Path
    line: int
    """The first line of its text, from 1."""
    language: str
    text: str
    title: str
    """The file that it is about; empty: none."""
    mark: str
    """What a comment above says about it, such as `not run`; empty: nothing."""
    reason: str
    """Why."""

    @property
    def place(self) -> str:
        """The page and the line, for messages."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page, in order."""
    content = read(page)
    for found in FENCE.finditer(content):
        groups = {name: value or "" for name, value in found.groupdict().items()}
        line = content[: found.start("text")].count("\n") + 1
        yield Block(page=page, line=line, **groups)


def documented(start: str) -> str:
    """Return the one command of the documentation that begins so, without its comment."""
    lines = [line.partition("  #")[0].strip() for page in PAGES for line in read(page).splitlines()]
    (command,) = {line for line in lines if line.startswith(start)}
    return command


def documentation() -> str:
    """Return the text of all pages."""
    return "\n".join(map(read, PAGES))


def read(page: Path) -> str:
    """Return the text of a page."""
    return page.read_text(encoding="utf-8")
