"""Names of people: find names that are blank, and names that differ only in spelling."""

import re
import unicodedata
from collections.abc import Iterable

NO_NAME = {"nan", "NaN", "None", "<NA>", "NaT"}
"""Texts that programs write when there is no name."""


def is_missing(name: str) -> bool:
    """Return whether a name is blank or stands for no name."""
    return name.strip() in NO_NAME or not spelling(name)


def spelling(name: str) -> str:
    """Return a name without accidental differences: spaces, invisible characters, case, Unicode form, `.0`."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc"))
    return re.sub(r"^([0-9]+)\.0+$", r"\1", kept)


def shown_apart(one: str, other: str) -> tuple[str, str]:
    """Return two names quoted for an error message, escaped if they would look the same."""
    same = unicodedata.normalize("NFC", repr(one)) == unicodedata.normalize("NFC", repr(other))
    return (ascii(one), ascii(other)) if same else (repr(one), repr(other))


def find_alike(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two names that differ only in `spelling`, in their order; None if there are none."""
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(spelling(name), name)) != name:
            return other, name
    return None
