"""Reads a store in a process that file modes apply to, also when root runs the tests.

``python -m tests.existing.unprivileged URL FOLDER`` prints one JSON object: the records, or the error; and whether it
could have written to the folder.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tests.privileges import give_up_privileges

from moltnet_core import MoltnetError, open_store

__all__: list[str] = []


def main() -> None:
    url, folder = sys.argv[1:]
    give_up_privileges()
    found: dict[str, Any] = {"writable": os.access(folder, os.W_OK)}
    try:
        with open_store(url) as store, store.snapshot() as snapshot:
            found["records"] = [record.to_json(with_credentials=True) for record in snapshot.records()]
            found["rooms"] = {
                room.id: [message.id for message in store.list_room_messages(room.id).items]
                for room in store.list_rooms().items
            }
    except MoltnetError as error:
        found["error"] = [type(error).__name__, str(error)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
