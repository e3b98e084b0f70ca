"""In a database whose locale sorts as people do, pages come in the order of code points all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

from tests.children import ROOT
from tests.postgres.cluster import Cluster
from tests.postgres.shared import DSN_VARIABLE

Figure = Callable[[str], None]
GROUPS = ("page", "diff", "member", "artifact", "agent", "room", "scan", "load")


def test_the_contract_of_order_in_another_locale(figure: Figure) -> None:
    """The contract's own tests, on a server where ``ann`` comes before ``Zoe`` and ``_`` is nothing."""
    with Cluster(locale="en_US.UTF-8") as cluster:
        order = "SELECT string_agg(word, ' ' ORDER BY word) FROM unnest(%s) AS word"
        assert cluster.execute(order, [["Zoe", "ann", "a.b", "a_a"]]) == [("a_a a.b ann Zoe",)]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "postgres"),
                *(f"tests/contract/test_{suite}.py" for suite in GROUPS),
            ],
            cwd=ROOT,
            env={**os.environ, DSN_VARIABLE: cluster.dsn("socket", user="postgres")},
            capture_output=True,
            text=True,
            check=False,
        )
        (last,) = done.stdout.strip().splitlines()[-1:]
        databases = cluster.execute("SELECT sum(xact_commit) > 100 FROM pg_stat_database WHERE datname <> 'postgres'")
    figure(f"PostgreSQL, locale en_US.UTF-8: {' '.join(GROUPS)}: {last}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"=*\s*\d+ passed", last), last
    assert databases == [(True,)]
