"""Unless a user says otherwise, nothing is reported to anybody, nobody else is served, and git holds no credentials."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documentation import PAGES

ROOT = Path(__file__).parents[1]

NAMED = r"\b\w*(password|passphrase|secret|token|access_key|account_key|connection_string)\w*"
SECRETS = {
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a key of a cloud": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b",
    "a token": r"\b(gh[pousr]_|github_pat_|glpat-|hf_|xox[abprs]-|isat_)[\w-]{16,}",
    "a password in an address": r"://[^\s/:@]+:(?!\$|[A-Z_]+@)[^\s/@]+@",
    "a named secret": rf"(?i){NAMED}['\"]?\s*[=:]\s*(?![\"']?\$)\S{{3,}}",
    "a secret of a remote": rf"(?i)remote modify .*{NAMED} +(?![\"']?\$)\S+",
}
"""What would give it away in what git holds beside code and hashes. A value that comes from the environment is none."""


def found(text: str) -> list[str]:
    return [f"{name}: {match.group()}" for name, pattern in SECRETS.items() for match in re.finditer(pattern, text)]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "    access_key_id = AKIAABCDEFGHIJKLMNOP",
        "tracking: postgresql://ftlgan:hunter2@db.example/mlflow",
        "password: hunter2",
        "    secret_access_key = abcdefgh",
        "token: ghp_abcdefghijklmnopqrst",
        "dvc remote modify --local team password hunter2",
    ],
)
def test_a_credential_would_be_found(text: str) -> None:
    assert found(f"one: line\n{text}\n")


def test_git_holds_no_credentials() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    files = [ROOT / name for name in listed if name and not name.endswith((".py", ".lock", ".png", ".jpg"))]
    names = {str(file.relative_to(ROOT)) for file in files}
    assert {".dvc/config", "params.yaml", "dvc.yaml", "README.md", "pyproject.toml", ".ci/run"} <= names
    assert ".dvc/config.local" not in listed
    assert {file.name: secrets for file in files if (secrets := found(file.read_text(errors="replace")))} == {}


def said_by(code: str, folder: Path, home: Path) -> str:
    """What Python prints for somebody who has set nothing."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_dvc_reports_nothing_and_looks_for_no_update(tmp_path: Path) -> None:
    asked = (
        "from dvc.analytics import is_enabled; from dvc.config import Config;"
        "print(is_enabled(), Config.from_cwd(validate=False).get('core', {}).get('check_update'))"
    )
    assert said_by(asked, ROOT, tmp_path) == "False false"
    assert said_by(asked, tmp_path, tmp_path).startswith("True"), "outside of this project it would"


@pytest.mark.slow
def test_mlflow_reports_nothing_about_a_stage(tmp_path: Path) -> None:
    asked = "from mlflow.telemetry.utils import is_telemetry_disabled; print(is_telemetry_disabled())"
    stage = "from pathlib import Path; from ftlgan.tracking.store import Store; Store(Path.cwd()); "
    assert said_by(stage + asked, tmp_path, tmp_path).endswith("True")
    assert said_by(asked, tmp_path, tmp_path) == "False", "elsewhere it would"


def test_nobody_is_told_to_serve_the_whole_network() -> None:
    for file in (*ROOT.glob("src/**/*.py"), *ROOT.glob("stages/*.py"), *PAGES):
        assert "0.0.0.0" not in file.read_text(), file
