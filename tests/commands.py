"""The commands of `ftlgan` as tests call them: in this process."""

import sys

import pytest

from ftlgan import cli


def run(name: str, *arguments: object) -> None:
    """Run a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ftlgan", name, *map(str, arguments)])
        cli.main()


def refusal(name: str, *arguments: object) -> str:
    """Return the one line of the error with which a command ends."""
    with pytest.raises(SystemExit) as end:
        run(name, *arguments)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code
