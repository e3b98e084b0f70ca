"""A process that runs while backends are installed beside it and removed: for each line it reads, it prints one.

``list`` prints the installed backends, ``open URL`` keeps a store open, ``use`` appends to the stores that are open.
"""

from __future__ import annotations

import sys

from moltnet_core import Actor, BackendNotFoundError, Message, Part, Room, Store, Target, open_store
from moltnet_core.plugins import installed_backends


def main() -> None:
    stores: list[Store] = []
    for line in sys.stdin:
        verb, _, url = line.strip().partition(" ")
        if verb == "list":
            answer = " ".join(sorted(installed_backends())) or "none"
        elif verb == "open":
            answer = opened(stores, url)
        else:
            for store in stores:
                store.append_message(Message("local", Target.room("general"), Actor("agent", "a"), [Part("text", "x")]))
            answer = f"used {len(stores)}"
        print(answer, flush=True)
    for store in stores:
        store.close()


def opened(stores: list[Store], url: str) -> str:
    try:
        store = open_store(url, environ={})
    except BackendNotFoundError:
        return "not installed"
    if store.get_room("general") is None:
        store.create_room(Room("general", "local"))
    stores.append(store)
    return "open"


if __name__ == "__main__":
    main()
