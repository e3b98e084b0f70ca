"""What is found wrong with a wheel or an sdist: here those of one distribution, as they are and spoiled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from releasing.artifacts import Files, faults, sdist_files, wheel_files
from releasing.distributions import ROOT, distributions

MEMORY = distributions()["moltnet-memory"]
VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
METADATA = f"moltnet_memory-{VERSION}.dist-info/METADATA"
LICENCE = f"moltnet_memory-{VERSION}.dist-info/licenses/LICENSE"

Both = tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """The wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=MEMORY.folder, capture_output=True, timeout=60, check=True)
    return wheel_files(next(folder.glob("*.whl"))), sdist_files(next(folder.glob("*.tar.gz")))


@pytest.fixture
def both(built: tuple[Files, Files]) -> Both:
    """Copies to spoil."""
    return dict(built[0]), dict(built[1])


def test_nothing_is_wrong_with_what_is_built(both: Both) -> None:
    assert faults(MEMORY, VERSION, *both) == []


def stray(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    wheel["moltnet_memory/test_driver.py"] = b""


def stray_in_sdist(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    sdist["src/moltnet_memory/__pycache__/driver.cpython-311.pyc"] = b""


def untyped(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    del wheel["moltnet_memory/py.typed"]


def incomplete(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    del sdist["src/moltnet_memory/driver.py"]


def old(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    wheel["moltnet_memory/driver.py"] = b""


def unplugged(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    del wheel[f"moltnet_memory-{VERSION}.dist-info/entry_points.txt"]


def unlicensed(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
    wheel[LICENCE] = b"All rights reserved."


def says(line: bytes, instead: bytes) -> Callable[[dict[str, bytes], dict[str, bytes]], None]:
    def spoil(wheel: dict[str, bytes], sdist: dict[str, bytes]) -> None:
        assert line in wheel[METADATA]
        wheel[METADATA] = sdist["PKG-INFO"] = wheel[METADATA].replace(line, instead)

    return spoil


BOUNDS = b"moltnet-core<0.2,>=0.1.0"


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (stray, "the wheel has the stray file moltnet_memory/test_driver.py"),
        (stray_in_sdist, "the sdist has the stray file src/moltnet_memory/__pycache__/driver.cpython-311.pyc"),
        (untyped, "the wheel lacks moltnet_memory/py.typed"),
        (incomplete, "the sdist lacks src/moltnet_memory/driver.py"),
        (old, "the wheel has another moltnet_memory/driver.py than the checkout"),
        (unplugged, f"the wheel lacks moltnet_memory-{VERSION}.dist-info/entry_points.txt"),
        (unlicensed, "LICENSE is not the checkout's in both"),
        (says(BOUNDS, b"moltnet-core==0.1.0"), "moltnet-core==0.1.0 needs a lower and an upper bound, and no other"),
        (says(BOUNDS, b"moltnet-core>=0.1.0"), "moltnet-core>=0.1.0 needs a lower and an upper bound, and no other"),
        (says(BOUNDS, b"moltnet-core<9,>=8"), f"moltnet-core<9,>=8 does not admit this release, {VERSION}"),
        (says(b"Requires-Python: >=3.11", b"Requires-Python: >=3.8"), "Requires-Python is '>=3.8' and not '>=3.11'"),
        (says(b"License-Expression: MIT", b"License: MIT"), "License-Expression is None and not 'MIT'"),
    ],
)
def test_what_is_wrong_is_found(both: Both, spoil: Callable[..., None], fault: str) -> None:
    spoil(*both)
    assert faults(MEMORY, VERSION, *both) == [fault]
