"""Builds every distribution, twice in different circumstances, and judges what comes out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from releasing.artifacts import faults, sdist_files, wheel_files
from releasing.distributions import ROOT, Distribution, distributions, in_order

__all__ = ["build"]

DIST = ROOT / "dist"
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7"}


def build() -> int:
    """Build everything into ``dist/``, and print a line for each file, in the order to upload them.

    The second build is one of a copy in another folder, with other times and modes of its files, another time zone and
    another order of hashes; its files have to be the same, byte for byte.

    :return: 0, or 1 where something is wrong, which is printed.
    """
    shutil.rmtree(DIST, ignore_errors=True)
    with TemporaryDirectory(prefix="moltnet-build-") as folder:
        copy, again = Path(folder, "copy"), Path(folder, "dist")
        _copy(copy)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(_build, ROOT, name, DIST, {}) for name in distributions()]
            jobs += [pool.submit(_build, copy, name, again, ELSEWHERE) for name in distributions()]
            failed = [output for job in jobs if (output := job.result())]
        if failed:
            print(*failed, sep="\n", file=sys.stderr)
            return 1
        wrong = _unlike(DIST, again)
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    for distribution in in_order():
        wrong += [f"{distribution.name}: {fault}" for fault in _judge(distribution, version)]
    print(*(f"wrong: {line}" for line in wrong), sep="\n", end="\n" if wrong else "", file=sys.stderr)
    if not wrong:
        print("built twice, in two folders: the same bytes; contents and metadata are as they should be")
    return 1 if wrong else 0


def _copy(folder: Path) -> None:
    """What a build reads, elsewhere: files that only their owner may read, from another time."""
    folder.mkdir()
    for name in ("VERSION", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "packages", folder / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1, 1))


def _build(checkout: Path, name: str, into: Path, environ: dict[str, str]) -> str:
    """Build one; what it printed, if it failed. The wheel is built from the sdist, which proves the sdist complete."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(into),
        str(checkout / "packages" / name),
    ]
    # Without SOURCE_DATE_EPOCH the builder dates all files by a constant of its own, so anybody gets the same bytes.
    environ = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"} | environ
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def _unlike(first: Path, second: Path) -> list[str]:
    hashes = [
        {path.name: sha256(path.read_bytes()).digest() for path in folder.iterdir()} for folder in (first, second)
    ]
    return [
        f"{name} is not reproducible: a second build of the same files differs"
        for name in sorted(hashes[0].keys() | hashes[1].keys())
        if hashes[0].get(name) != hashes[1].get(name)
    ]


def _judge(distribution: Distribution, version: str) -> list[str]:
    """What is wrong with what was built of a distribution. Prints its files, with their hashes."""
    stem = f"{distribution.module}-{version}"
    wheel, sdist = DIST / f"{stem}-py3-none-any.whl", DIST / f"{stem}.tar.gz"
    for path in (sdist, wheel):
        if not path.exists():
            return [f"{path.name} was not built"]
        content = path.read_bytes()
        print(f"{sha256(content).hexdigest()}  {path.name}  {len(content) / 1000:.0f} kB")
    return faults(distribution, version, wheel_files(wheel), sdist_files(sdist))
