"""What each extra brings, and what all distributions have in common."""

from __future__ import annotations

import re

import pytest
from releasing.distributions import CORE, ROOT, brought, distributions, in_order, supported_pythons

BACKENDS = {"json", "memory", "postgres", "sqlite"}
DRIVERS = {"peewee", "psycopg2-binary", "pysqlite3"}
OF = {"sqlite": {"peewee", "pysqlite3"}, "postgres": {"peewee", "psycopg2-binary"}}
FOR_AUTHORS = {"hypothesis", "pytest"}
FOR_TERMINALS = {"click", "rich"}


def names(*extras: str) -> set[str]:
    return set(brought(extras).others)


def test_the_core_brings_no_backend() -> None:
    assert [each.name for each in brought().ours] == [CORE]
    assert brought().backends == []
    assert names() & (DRIVERS | FOR_AUTHORS | FOR_TERMINALS) == set()


@pytest.mark.parametrize("extra", sorted(BACKENDS))
def test_a_backend_brings_its_own_driver_and_nothing_else(extra: str) -> None:
    assert names(extra) - names() == OF.get(extra, set())
    assert extra in brought([extra]).backends


def test_everything_is_every_extra_that_a_service_runs_by_itself() -> None:
    core = distributions()[CORE]
    others = [name for name in core.extras if name not in ("all", "conformance", "opentelemetry", "pytest")]
    assert brought(["all"]) == brought(others)
    assert set(brought(["all"]).backends) == BACKENDS | {"postgresql"}
    assert names("all") & FOR_AUTHORS == set()
    assert names("conformance") >= FOR_AUTHORS


def test_every_distribution_comes_after_those_that_it_requires() -> None:
    order = [each.name for each in in_order()]
    assert sorted(order) == sorted(distributions())
    for each in in_order():
        siblings = [requirement.name for requirement in each.requires if requirement.name in order]
        assert all(order.index(name) < order.index(each.name) for name in siblings), each.name


def test_all_say_the_same_about_python_and_each_other() -> None:
    version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
    bounds = set()
    for each in distributions().values():
        assert [text.rpartition(" ")[2] for text in each.classifiers if ":: 3." in text] == supported_pythons()
        lists = [each.requires, *each.extras.values()]
        bounds |= {str(one.specifier) for several in lists for one in several if one.name in distributions()}
        assert all(
            one.specifier.contains(version) for several in lists for one in several if one.name in distributions()
        )
    assert len(bounds) == 1, "siblings are required in one way"


@pytest.mark.parametrize("name", sorted(distributions()))
def test_a_description_stands_on_its_own(name: str) -> None:
    text = (distributions()[name].folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert not re.search(r"\]\((?!https://)", text), "an index shows it, where a relative link leads nowhere"


def test_the_steps_of_a_release_name_the_order_to_upload_in() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    order = [each.name.removeprefix("moltnet-") for each in in_order()]
    assert f"for name in {' '.join(order)}; do\n" in text
