"""The blocks of code in the documentation, run in a project or read for the settings of experiments."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from documentation import Block
from dvc.utils.hydra import get_hydra_sweeps
from project import Project

RECORDED = r"""
set -e
dvc() { printf '%s\0' "$@"; printf '\n\0'; }
ftlgan() { :; }
git() { :; }
sha256sum() { printf '%064d  -\n' 0; }
"""
"""What makes of a script one that says how it calls `dvc`, and does nothing else."""


def run_block(project: Project, block: Block) -> str:
    """Run a block in the root of a project, and return what it printed. `dvc` and `ftlgan` start fast."""
    program = project.root.parent / "block.py"
    if block.language == "python":
        program.write_text(block.text, encoding="utf-8")
        return project.run("python", str(program))
    program.write_text("from ftlgan.cli import main\n\nmain()\n", encoding="utf-8")
    text = re.sub(r"\\\n *", "", block.text)
    printed: list[str] = []
    for line in text.splitlines():
        for command in line.partition("  #")[0].split(" && "):
            if re.match(r"dvc [^$|;>]*$", command):
                printed.append(project.dvc(*shlex.split(command)[1:]))
            elif command.strip():
                printed.append(project.run("bash", "-ec", re.sub(r"^ftlgan\b", f"python {program}", command)))
    return "\n".join(printed)


def settings(block: Block, folder: Path) -> Iterator[list[str]]:
    """Yield what each `dvc exp run` of a block sets, by the shell's own reading of it; of a sweep each combination."""
    done = subprocess.run(
        ["bash", "-c", RECORDED + block.text], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{block.place}: {done.stderr}"
    for call in filter(None, done.stdout.split("\n\0")):
        arguments = call.rstrip("\0").split("\0")
        if arguments[:2] != ["exp", "run"]:
            continue
        given = [value for option, value in pairwise(arguments) if option == "-S"]
        if "--queue" in arguments:
            yield from (sweep["params.yaml"] for sweep in get_hydra_sweeps({"params.yaml": given}))
        else:
            yield given
