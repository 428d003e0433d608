"""Places where a team's cache can be: a directory, a real OpenSSH server, and moto's server, an emulator of S3."""

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from project import Project
from servers import free_port, served


@dataclass
class Remote:
    url: str
    local: dict[str, str] = field(default_factory=dict)
    """What each person keeps in .dvc/config.local."""
    server: subprocess.Popen[bytes] | None = None

    def add_to(self, project: Project) -> None:
        """What the first of a team does: the address goes into git, what is one's own does not."""
        project.dvc("remote", "add", "--quiet", "--default", "team", self.url)
        self.configure(project)
        project.commit()

    def configure(self, project: Project) -> None:
        """What everybody does."""
        for name, value in self.local.items():
            project.dvc("remote", "modify", "--local", "team", name, value)


@contextmanager
def ssh_server(folder: Path) -> Generator[Remote]:
    """OpenSSH with keys and configuration of its own, for the user who runs the tests."""
    sshd = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
    if sshd is None:
        pytest.skip("there is no sshd on this machine: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd drops root's privileges; it insists
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile {folder}/sshd.pid\nAuthenticationMethods publickey\nStrictModes no\nUsePAM no\n"
        "Subsystem sftp internal-sftp\n"
    )
    with served([sshd, "-D", "-e", "-f", str(folder / "sshd_config")], port, folder / "sshd.log") as server:
        user = {"user": getpass.getuser(), "keyfile": str(folder / "user")}
        yield Remote(f"ssh://127.0.0.1:{port}{folder}/cache", user, server)


@contextmanager
def s3_emulator(folder: Path, port: int | None = None) -> Generator[Remote]:
    """moto's server, which speaks the language of S3 and keeps everything in memory."""
    port = port or free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with served(command, port, folder / "moto.log") as server:
        url = f"http://127.0.0.1:{port}"
        urlopen(Request(f"{url}/our-bucket", method="PUT")).close()
        account = {"access_key_id": "nobody", "secret_access_key": "nothing"}
        yield Remote("s3://our-bucket/ftlgan", {"endpointurl": url, **account}, server)


@contextmanager
def directory(folder: Path) -> Generator[Remote]:
    yield Remote(str(folder / "shared"))


KINDS = {"a directory": directory, "SSH": ssh_server, "S3": s3_emulator}
