"""Runs code in a process that file modes apply to, also when root runs the tests."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["give_up_privileges", "run_unprivileged"]

ROOT = Path(__file__).parent.parent


def give_up_privileges() -> None:
    """Root without capabilities is bound by file modes like any owner, and can still import what root owns."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        if libc.capset(version_3, none) != 0:
            raise OSError(ctypes.get_errno(), "capset")


def run_unprivileged(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code with ``sys.argv[1:]`` as given, in a child that gave up its privileges."""
    before = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.privileges import give_up_privileges\n"
    return subprocess.run(
        [sys.executable, "-c", f"{before}give_up_privileges()\n{code}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
