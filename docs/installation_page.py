"""Makes installation.md: what to install, and what comes with it, from the distributions' metadata."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import Requirement
from releasing.distributions import CORE, Brought, brought, distributions, supported_pythons

HEAD = """# Installation

It runs on Python {oldest} and newer, and is tested on {tested}. Take the core with the extras that you need, several of them with commas, such as
`moltnet-core[sqlite,cli]`:

| for | extra |
|---|---|
| durable conversations in one file, on one machine | `sqlite` |
| a database that processes and machines share | `postgres` |
| tests and experiments | `memory` |
| a JSON snapshot that a Moltnet server left | `json` |
| the command `moltnet-storage`, beside any of these | `cli` |
| all of that | `all` |
| throw-away stores for [your application's tests](testing.md) | `pytest` |
| spans and metrics by [OpenTelemetry](observability.md#opentelemetry) | `opentelemetry` |
| judging a backend that you write | `conformance` |

[Choosing a backend](choosing-a-backend.md) compares them. None brings the driver of another, and the core has none of its own.

## From a checkout

The distributions are on no index, and pip must not look for their names on one, where anybody may offer something under them. So name the folder of each, in one command. With
the command line, for instance:

<!-- not run: it needs an index to install from -->
```sh
python3 -m venv env && . env/bin/activate
pip install {example}
```

| extra | folders |
|---|---|
"""
WHEELS = """
For a machine without the checkout, or without a network, the same folders become wheels, together with what they need of others. There the
extras choose from these:

<!-- not run: it needs an index to take the others from -->
```sh
pip wheel --wheel-dir wheels {example}
pip install --no-index --find-links wheels "moltnet-core[sqlite,cli]"
```

`python3 dev.py build` makes the wheels and sdists of a release, in `dist/`. The same source gives the same bytes, wherever it is built. Put them on an index of your own, and
`pip install "moltnet-core[sqlite,cli]"` is all; let pip ask no other index for these names.

## What each extra brings

An extra adds this to what the core brings. What the distributions require of others is listed with its bounds; what those need in turn is pip's to find.
`python3 dev.py matrix` installs each extra into a clean environment, uses it, and prints all that came, with versions and sizes.

| extra | of this project | of others | backends | commands |
|---|---|---|---|---|
"""
TAIL = """
- `pysqlite3` is required where it has wheels: Linux on x86-64, macOS on arm64, Windows. They have a SQLite [without a bug](architecture.md#sql) that most others have. Elsewhere Python's own
  `sqlite3` serves; `moltnet-storage info` says which is in use, and a warning in the log if it has the bug.
- `psycopg2-binary` has libpq in it: PostgreSQL's own packages are not needed.
- `PyYAML` and `tomli` read configuration files. They are loaded when such a file is read, and not before.
- `moltnet-json` needs a POSIX system.

## Adding and removing a backend

Backends are found by the metadata of what is installed, each time that one is looked for; nothing is registered anywhere:

- The next `moltnet-storage` command sees a backend that `pip install` has brought, and no more one that `pip uninstall` has removed.
- A process that is running sees both too, at its next `open_store`. What it opened before goes on: its code is loaded. Close such stores before you remove their backend all the
  same, as a module that was not needed until then is gone.
- A backend that is *upgraded* is the old one in a running process, for Python keeps what it has imported. Restart it. The same goes for editable installs, which Python reads when it
  starts.
- `pip uninstall moltnet-sqlite` leaves what came with it, such as `moltnet-sql`, which does no harm. It leaves the data, which any later installation opens.

Where none is installed, the error says what to install.
"""


def installation_page() -> str:
    """The page in Markdown."""
    tested = supported_pythons()
    head = HEAD.format(oldest=tested[0], tested=_listed(tested), example=_folders(["sqlite", "cli"]))
    extras = distributions()[CORE].extras
    folders = [f"| {_code(name)} | `{_folders([name])}` |" for name in extras]
    rows = [_row("the core alone", brought(), Brought([], {}))]
    rows += [_row(_code(name), brought([name]), brought()) for name in extras]
    return "".join([head, *_lines(folders), WHEELS.format(example=_folders(["sqlite", "cli"])), *_lines(rows), TAIL])


def _row(name: str, what: Brought, besides: Brought) -> str:
    ours = [each for each in what.ours if each not in besides.ours]
    others = [each for name, several in what.others.items() if name not in besides.others for each in several]
    cells = [
        name,
        ", ".join(_code(each.name) for each in ours),
        ", ".join(_requirement(each) for each in others) or "nothing",
        ", ".join(_code(name) for each in ours for name in each.backends) or "none",
        ", ".join(_code(name) for each in ours for name in each.scripts) or "none",
    ]
    return f"| {' | '.join(cells)} |"


def _requirement(requirement: Requirement) -> str:
    where = " where it has wheels" if requirement.marker else ""
    return f"`{requirement.name}{requirement.specifier}`{where}"


def _folders(extras: Iterable[str]) -> str:
    return " ".join(f"./packages/{each.name}" for each in brought(extras).ours)


def _code(name: str) -> str:
    return f"`{name}`"


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _lines(rows: Iterable[str]) -> Iterable[str]:
    return (f"{row}\n" for row in rows)
