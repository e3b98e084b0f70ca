"""``postgresql`` is another name of the same backend, wherever a name may stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.postgres.server import Server

from moltnet_core import open_store

SECTION = "storage:\n  kind: {kind}\n  {kind}:\n    dsn: {dsn!r}\n    schema: {schema}\n"


def test_its_settings_in_the_environment_go_by_its_own_name(postgres_server: Server) -> None:
    schema = postgres_server.new_schema()
    environ = {"MOLTNET_POSTGRES_DSN": postgres_server.dsn(), "MOLTNET_POSTGRES_SCHEMA": schema}
    with open_store(environ=environ | {"MOLTNET_STORAGE_KIND": "postgresql"}) as store:
        assert store.backend.name == "postgres"
        assert store.describe()["schema"] == schema


@pytest.mark.parametrize("kind", ["postgres", "postgresql"])
def test_its_section_in_a_file_goes_by_either(postgres_server: Server, tmp_path: Path, kind: str) -> None:
    schema, path = postgres_server.new_schema(), tmp_path / "moltnet.yaml"
    path.write_text(SECTION.format(kind=kind, dsn=postgres_server.url(), schema=schema))
    path.chmod(0o600)
    with open_store(environ={}, config_file=path) as store:
        assert store.backend.name == "postgres"
        assert store.describe()["schema"] == schema
