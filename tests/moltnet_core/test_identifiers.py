"""Ids: patterns, members, full ids. (What a store takes is in the contract's tests.)"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moltnet_core.identifiers import (
    artifact_id,
    full_id,
    is_identifier,
    is_member_id,
    member_network,
    scoped_member_id,
)

FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@given(st.text(max_size=3) | st.text(FIRST + "._:-", max_size=130))
def test_the_pattern(text: str) -> None:
    expected = 1 <= len(text) <= 128 and text[0] in FIRST and all(each in FIRST + "._:-" for each in text)
    assert is_identifier(text) is expected


@given(st.text(FIRST + "._:-/\n ", max_size=8))
def test_a_member_id_without_a_colon_is_an_identifier_and_with_one_two_of_them(text: str) -> None:
    network, colon, agent = text.partition(":")
    expected = is_identifier(network) and is_identifier(agent) if colon else is_identifier(text)
    assert is_member_id(text) is expected


@pytest.mark.parametrize(
    ("member_id", "network"),
    [
        ("ann", None),
        ("net:ann", ("net", "ann")),
        ("net:a:b", ("net", "a:b")),
        ("molt://net/agents/ann", ("net", "ann")),
        ("molt://net.example/agents/a:b", ("net.example", "a:b")),
        ("molt://net/rooms/ann", None),
        ("http://net", None),
    ],
)
def test_the_network_of_a_member(member_id: str, network: tuple[str, str] | None) -> None:
    assert member_network(member_id) == network


def test_a_member_elsewhere() -> None:
    assert scoped_member_id("ann", "net", "net") == "ann"
    assert scoped_member_id("ann", "far", "net") == "far:ann"
    assert scoped_member_id("far:ann", "far", "net") == "far:ann"
    assert scoped_member_id("molt://far/agents/ann", "far", "net") == "molt://far/agents/ann"


def test_full_ids() -> None:
    assert full_id("net", "rooms", "general") == "molt://net/rooms/general"
    assert artifact_id("m_1", 12) == "art_m_1_12"
