"""Names of people: blank ones, and two that are one but for their spelling."""

import re
import unicodedata
from collections.abc import Iterable

NO_NAME = {"nan", "NaN", "None", "<NA>", "NaT"}
"""How programs write that there is no name."""


def is_missing(name: str) -> bool:
    """Return whether a name is blank, or says that there is none."""
    return name.strip() in NO_NAME or not spelling(name)


def spelling(name: str) -> str:
    """Return a name without what may differ by accident: spaces, what is invisible, case, Unicode form, 1.0 for 1."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc"))
    return re.sub(r"^([0-9]+)\.0+$", r"\1", kept)


def shown_apart(one: str, other: str) -> tuple[str, str]:
    """Return two names as an error message quotes them, escaped if they would look the same."""
    same = unicodedata.normalize("NFC", repr(one)) == unicodedata.normalize("NFC", repr(other))
    return (ascii(one), ascii(other)) if same else (repr(one), repr(other))


def find_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return two different names of one spelling, if there are any, the one that comes first first."""
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(spelling(name), name)) != name:
            return other, name
    return None
