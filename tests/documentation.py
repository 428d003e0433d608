"""The pages of the documentation: the README and what is in docs/."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


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
