"""The clauses, a module for each thing that they are about."""

from __future__ import annotations

from importlib import import_module

from moltnet_conformance.clause import Clause, Group

__all__ = ["all_clauses"]
MODULES = (
    "opening",
    "closing",
    "powers",
    "backups",
    "watching",
    "round_trips",
    "texts",
    "numbers",
    "rooms",
    "messages",
    "threads",
    "dms",
    "duplicates",
    "artifacts",
    "agents",
    "members",
    "paging",
    "walks",
    "bad_ids",
    "bad_texts",
    "bad_values",
    "odd_types",
    "handed_out",
    "secrets",
    "snapshots",
    "loading",
    "loading_rules",
    "reopening",
    "migrations",
    "forking",
    "killing",
    "races",
    "closing_races",
    "processes",
    "differential",
)


def all_clauses() -> tuple[Clause, ...]:
    """Every clause, in the order of the contract's reading."""
    found: list[Clause] = []
    for name in MODULES:
        group = import_module(f"moltnet_conformance.clauses.{name}").clause
        assert isinstance(group, Group)
        found += group.clauses
    return tuple(found)
