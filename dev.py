#!/usr/bin/env python3
"""Run the project's sessions; needs Python 3.11 or newer and pip, nothing else.

python3 dev.py demo               a tour of the library
python3 dev.py test               the tests, with coverage
python3 dev.py test -- -k paging  ... with arguments for pytest
python3 dev.py lint types docs    other sessions of noxfile.py, one or several
python3 dev.py --list             what sessions there are

The sessions use the Python that runs this script. The tool that runs them, nox, is installed into .venv
the first time. When that environment no longer fits or works, it and .nox are made anew.
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(f"dev.py needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try python3.13 dev.py")

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
STAMP = VENV / "dev-stamp.txt"
SESSIONS = {"test": "tests"}

# Whoever has activated .venv runs this from inside it, and an environment cannot rebuild itself.
PYTHON = getattr(sys, "_base_executable", sys.executable) if Path(sys.prefix) == VENV else sys.executable


def main(args: list[str]) -> int:
    """Run the sessions that the arguments name and return nox's exit status."""
    if not args or args[0] in {"-h", "--help"}:
        print(__doc__.strip())
        return 0 if args else 2
    prepare()
    if not args[0].startswith("-"):
        end = args.index("--") if "--" in args else len(args)
        args = ["--session", *(SESSIONS.get(name, name) for name in args[:end]), *args[end:]]
    try:
        status = subprocess.call([VENV_PYTHON, "-m", "nox", *args], cwd=ROOT)
    except KeyboardInterrupt:
        return 130
    return status if status >= 0 else 128 - status


def prepare() -> None:
    """Make sure that ``.venv`` has nox, runs on this Python, and works."""
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["run"]
    identity = "\n".join([sys.version, sys.base_prefix, str(VENV), *requirements])
    if is_stamped(identity) and has_nox():
        return
    print("dev.py: preparing .venv", file=sys.stderr, flush=True)
    # The sessions' environments are made from this one, and nox would reuse those of another Python.
    shutil.rmtree(ROOT / ".nox", ignore_errors=True)
    # Debian and others split ensurepip off; without it, the pip outside installs into the environment.
    venv = [PYTHON, "-m", "venv", "--clear", str(VENV)]
    if not succeeds(venv) and subprocess.call([*venv, "--without-pip"]) != 0:
        sys.exit("dev.py: cannot create .venv")
    pip = [VENV_PYTHON, "-m", "pip"]
    if not succeeds([*pip, "--version"]):
        pip = [PYTHON, "-m", "pip", "--python", VENV_PYTHON]
        if not succeeds([*pip, "--version"]):
            sys.exit("dev.py: this Python lacks both ensurepip and pip (Debian: python3-venv or python3-pip)")
    if subprocess.call([*pip, "install", "--quiet", "--disable-pip-version-check", *requirements]) != 0:
        sys.exit("dev.py: cannot install nox into .venv")
    STAMP.write_text(identity, "utf-8")


def is_stamped(identity: str) -> bool:
    """Whether an earlier run finished ``.venv`` for the same Python and requirements."""
    try:
        return STAMP.read_text("utf-8") == identity
    except (OSError, ValueError):
        return False


def has_nox() -> bool:
    """Whether the environment's Python starts and finds nox whole enough to import."""
    return succeeds([VENV_PYTHON, "-c", "import nox, virtualenv"])


def succeeds(command: list[str]) -> bool:
    """Whether a command, run silently, can be run at all and reports success."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
