"""Locales that sort as people do, for a server of our own alone: the system's stay as they are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.postgres.server import ServerError

__all__ = ["make_locale"]

SOURCES = Path("/usr/share/i18n/locales")


def make_locale(name: str, folder: Path) -> Path:
    """Compile a locale such as ``en_US.UTF-8`` into a new folder inside this one, and return that for ``LOCPATH``.

    The wheel's server has no ICU, and the collations that it brings all sort by code point, so another order has to
    come from the C library.

    :raises ServerError: the sources are not installed.
    """
    language, _, charset = name.partition(".")
    program = shutil.which("localedef")
    if program is None or not (SOURCES / language).is_file():
        raise ServerError(f"{language} has no sources in {SOURCES} (Debian: apt-get install locales).")
    made = folder / "locales"
    made.mkdir()
    command = [program, "--no-archive", "-i", language, "-f", charset, str(made / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr}")
    return made
