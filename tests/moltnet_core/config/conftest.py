"""Settings classes as backends have them, and a resolver over a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import attrs
import pytest

from moltnet_core.config import ResolvedConfig, path_without_options, redact_url, resolve_config, setting
from moltnet_core.errors import BackendNotFoundError

SECRET = "hunter2"
DSN = f"postgres://ann:{SECRET}@db.example:5432/moltnet"


@attrs.frozen
class FileSettings:
    path: Path = setting(Path(".moltnet/moltnet.db"), help="The file", from_server=path_without_options)
    busy_timeout: float = setting(5.0, help="Wait for a lock", unit="s", minimum=0, maximum=3600)
    pages: int = setting(100, help="Pages", minimum=1)
    sync: bool = setting(True, help="Sync")
    level: str = setting("full", help="Level", choices=("full", "normal"))
    label: str | None = setting(None, help="Label")
    tags: tuple[str, ...] = setting((), help="Tags")


@attrs.frozen
class DsnSettings:
    dsn: str = setting(help="The server", secret=True, redact=redact_url)
    schema: str = setting("public", help="Schema")
    pool_size: int = setting(5, help="Connections", minimum=1)
    token: str | None = setting(None, help="A token", secret=True)


@attrs.frozen
class JsonSettings:
    path: Path = setting(Path(".moltnet/data.json"), help="The file")


@attrs.frozen
class NoSettings:
    pass


CLASSES: dict[str, type[Any]] = {
    "sqlite": FileSettings,
    "postgres": DsnSettings,
    "json": JsonSettings,
    "memory": NoSettings,
}


def settings_class(kind: str) -> type[Any]:
    if kind not in CLASSES:
        raise BackendNotFoundError(kind, CLASSES)
    return CLASSES[kind]


@pytest.fixture
def file_settings() -> type[Any]:
    return FileSettings


@pytest.fixture
def dsn_settings() -> type[Any]:
    return DsnSettings


@pytest.fixture
def no_settings() -> type[Any]:
    return NoSettings


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def dsn() -> str:
    return DSN


Resolve = Callable[..., ResolvedConfig]


@pytest.fixture
def resolve(tmp_path: Path) -> Resolve:
    """Resolves in a folder of its own, and sees that nothing was made there."""

    def run(
        text: str | None = None,
        *,
        name: str = "moltnet.yaml",
        config_file: str | None = None,
        installed: Collection[str] = tuple(CLASSES),
        **environ: str,
    ) -> ResolvedConfig:
        if text is not None:
            path = tmp_path / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)
        before = sorted(tmp_path.rglob("*"))
        try:
            return resolve_config(
                environ=environ,
                cwd=tmp_path,
                config_file=config_file,
                installed=installed,
                settings_class=settings_class,
            )
        finally:
            assert sorted(tmp_path.rglob("*")) == before

    return run
