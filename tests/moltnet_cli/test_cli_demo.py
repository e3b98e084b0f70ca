"""``examples/demo.py`` runs as it is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


@pytest.mark.skipif(
    not any(Path(sys.executable).parent.glob("moltnet-storage*")), reason="needs the installed script beside Python"
)
def test_the_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    done = subprocess.run(
        [sys.executable, DEMO],
        check=False,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "$ moltnet-storage rooms create general" in done.stdout
    assert "everything is there" in done.stdout.splitlines()[-1]
    assert "agent-token:" not in done.stdout
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("moltnet-demo")]
