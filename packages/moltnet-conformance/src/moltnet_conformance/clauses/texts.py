"""Text of every kind, where it is stored and where it is looked up."""

from __future__ import annotations

from moltnet_conformance.building import agent, back, looked_up, message, one_room, room
from moltnet_conformance.cases import case, for_each
from moltnet_conformance.clause import Group
from moltnet_core import (
    Actor,
    MessageOrigin,
    Part,
    Store,
)

clause = Group("hostile text", given=one_room)


HOSTILE = [
    "'; DROP TABLE messages; --",
    '"quoted" \\back\\slash \\u0000 \\n',
    "new\nline\r\ntab\tand \x01\x08\x0b\x1f\x7f controls",
    "<script>&amp;</script>",
    "line\u2028and\u2029paragraph",
    "héllo wörld",
    "\u202eright to left\u202c \u200bzero width\ufeff",
    "e\u0301 is not \u00e9",
    "family 👨‍👩‍👧‍👦 and 𝔘𝔫𝔦",
    "\ufffe\uffff\U0010ffff",
    "%s %d ? :name $1 {} {0}",
    " leading and trailing ",
    "null",
    "x" * 100_000,
]


@clause("TEXT-001", "2.1")
@for_each(enumerate(HOSTILE))
def hostile_text_everywhere_that_text_may_stand(store: Store, numbered: tuple[int, str]) -> None:
    number, text = numbered
    part = Part("data", text, text, "https://example.org/" + text, text, {text: text, "list": [text, {text: [text]}]})
    written = message(
        f"m{number:02}",
        network_id=text,
        sender=Actor(text, "ann", text, text, text),
        parts=[part],
        mentions=[text],
        origin=MessageOrigin(text, text),
    )
    assert back(store, written) == written
    artifact = store.list_artifacts().items[-1]
    assert (artifact.network_id, artifact.media_type, artifact.filename) == (text, text, text)
    assert artifact.url == part.url
    described = room(f"r{number}", network_id=text, name=text, fqid=text)
    store.create_room(described)
    assert store.get_room(f"r{number}") == described
    key = text[:300]
    registered = agent(f"a{number}", key, network_id=text, display_name=text, actor_uid=text, actor_uri=text)
    store.register_agent(registered)
    assert store.get_agent(f"a{number}") == store.get_agent_by_credential(key) == registered


@clause("TEXT-002", "2.1")
def hostile_text_where_an_id_is_looked_up(store: Store) -> None:
    store.append_message(message("m1"))
    for text in HOSTILE[:13]:
        with case(text):
            assert looked_up(store, text) == []
            store.remove_agent(text)
            store.remove_agent_from_rooms(text)
