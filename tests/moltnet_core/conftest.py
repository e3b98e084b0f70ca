"""Throwaway distributions: installed for one test, as pip would have left them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]
GROUPS = {"backends": "moltnet.storage", "plugins": "moltnet.storage.plugins"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution: ``install("moltnet-mydb", backends={"mydb": "its_module"}, its_module="source")``.

    Modules that are imported from it are forgotten afterwards.
    """
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    modules: set[str] = set()

    def run(
        distribution: str,
        version: str = "1.0",
        *,
        backends: Mapping[str, str] | None = None,
        plugins: Mapping[str, str] | None = None,
        **sources: str,
    ) -> Path:
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = []
        for kind, points in (("backends", backends), ("plugins", plugins)):
            if points:
                lines += [f"[{GROUPS[kind]}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(dedent(source))
            modules.add(name)
        return folder

    yield run
    for name in modules:
        sys.modules.pop(name, None)
