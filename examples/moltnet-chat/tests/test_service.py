"""What a client sees, over a real socket, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_support import Service, serving
from tests.postgres.shared import schemas_dropped, shared_server

from moltnet_sqlite.engine import sqlite3

TEXT = {"parts": [{"kind": "text", "text": "hello"}]}


@pytest.fixture(params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """The service on each engine, whose place the environment names."""
    if request.param == "sqlite":
        where = {"MOLTNET_SQLITE_PATH": str(tmp_path / "chat.db")}
    else:
        server = shared_server()
        where = {"MOLTNET_POSTGRES_DSN": server.dsn(), "MOLTNET_POSTGRES_SCHEMA": server.new_schema()}
    with schemas_dropped(), serving(where, tmp_path) as service:
        yield service


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Service]:
    """On SQLite, with little patience."""
    where = {"MOLTNET_SQLITE_PATH": str(tmp_path / "chat.db"), "MOLTNET_SQLITE_BUSY_TIMEOUT": "0.1"}
    with serving(where, tmp_path) as service:
        yield service


def post(client: httpx.Client, number: int, text: str = "hello") -> httpx.Response:
    return client.put(f"/rooms/general/messages/m{number:03}", json={"parts": [{"kind": "text", "text": text}]})


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


def received(response: httpx.Response) -> Iterator[Any]:
    """The messages that a stream of events holds; each event's id is its message's."""
    event: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif "data" in event:
            message = json.loads(event["data"])
            assert event["id"] == message["id"]
            yield message
            event = {}


def test_a_conversation(service: Service) -> None:
    with service.client() as alpha, service.client("beta") as beta:
        assert alpha.get("/health").json()["backend"] in {"sqlite", "postgres"}
        made = alpha.post("/rooms", json={"id": "general", "members": ["beta"]})
        assert (made.status_code, made.json()["members"]) == (201, ["alpha", "beta"])

        # Posting is idempotent: the same again is the same message, another one under its id is refused.
        first = post(alpha, 0)
        assert (first.status_code, first.json()["from"]["id"]) == (201, "alpha")
        again = post(alpha, 0)
        assert (again.status_code, again.json()) == (200, first.json())
        assert post(alpha, 0, "other").status_code == 409
        assert post(beta, 0).status_code == 409

        for number in range(1, 25):
            assert post(beta, number).status_code == 201

        newest = alpha.get("/rooms/general/messages", params={"limit": 10}).json()
        assert ids(newest) == [f"m{number:03}" for number in range(15, 25)]
        older = alpha.get("/rooms/general/messages", params={"limit": 10, "before": newest["info"]["next_before"]})
        assert ids(older.json()) == [f"m{number:03}" for number in range(5, 15)]
        oldest = alpha.get("/rooms/general/messages", params={"limit": 3, "after": ""}).json()
        assert ids(oldest) == ["m000", "m001", "m002"]
        assert [room["id"] for room in beta.get("/rooms").json()] == ["general"]

    # What was posted outlives the process.
    service.stop()
    service.start()
    with service.client() as alpha:
        assert ids(alpha.get("/rooms/general/messages", params={"limit": 1}).json()) == ["m024"]


def test_following(service: Service) -> None:
    with service.client() as alpha, service.client("beta") as beta:
        alpha.post("/rooms", json={"id": "general", "members": ["beta"]})
        post(alpha, 0)
        with beta.stream("GET", "/rooms/general/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            messages = received(response)
            for number in (1, 2):
                post(alpha, number)
                assert next(messages)["id"] == f"m{number:03}"

        # While the client was away two were posted. It connects again with what it saw last.
        post(alpha, 3)
        post(alpha, 4)
        with beta.stream("GET", "/rooms/general/events", headers={"Last-Event-ID": "m002"}) as response:
            messages = received(response)
            assert [next(messages)["id"] for _ in range(2)] == ["m003", "m004"]
            post(alpha, 5)
            assert next(messages)["id"] == "m005"
            service.stop()  # with the stream open, which ends
            assert next(messages, None) is None

    # A client that has seen none begins with the first, as with pages.
    service.start()
    with service.client() as alpha, alpha.stream("GET", "/rooms/general/events", params={"after": ""}) as response:
        messages = received(response)
        assert [next(messages)["id"] for _ in range(6)] == [f"m{number:03}" for number in range(6)]

    with service.client() as alpha:
        unknown = alpha.get("/rooms/general/events", params={"after": "nowhere"})
        assert (unknown.status_code, unknown.json()["error"]) == (400, "InvalidCursorError")


def test_what_is_refused(small: Service) -> None:
    with small.client() as alpha, small.client("beta") as beta, small.client(None) as nobody:
        assert nobody.get("/rooms").status_code == 401
        assert nobody.get("/health").status_code == 200
        assert alpha.post("/rooms", json={"id": "general"}).status_code == 201
        taken = alpha.post("/rooms", json={"id": "general"})
        assert (taken.status_code, taken.json()["error"]) == (409, "RoomExistsError")
        assert post(beta, 0).status_code == 404, "a private room is not told of"
        assert beta.get("/rooms").json() == []
        assert alpha.put("/rooms/nowhere/messages/m1", json=TEXT).status_code == 404

        bad = alpha.put("/rooms/general/messages/m1", json={"parts": [{"kind": "link", "text": "x"}]})
        assert bad.status_code == 422
        assert bad.json()["detail"].startswith("message.parts[0].kind: ")
        assert alpha.put("/rooms/general/messages/-", json=TEXT).status_code == 422
        assert alpha.put("/rooms/general/messages/m1", json={"parts": "x"}).status_code == 422
        assert alpha.put("/rooms/general/messages/m1", content=b"[" * 5000).status_code == 400
        assert alpha.put("/rooms/general/messages/m1", content=b" " * (1 << 20) + b" ").status_code == 413
        for params in ({"limit": "many"}, {"limit": "0"}):
            assert alpha.get("/rooms/general/messages", params=params).status_code == 422
        assert alpha.get("/rooms/general/messages", params={"before": "nowhere"}).status_code == 400

        alpha.post("/rooms", json={"id": "open", "visibility": "public"})
        assert beta.get("/rooms/open/messages").status_code == 200
        assert beta.put("/rooms/open/messages/m1", json=TEXT).status_code == 403


def test_a_store_that_is_busy(small: Service) -> None:
    with small.client() as alpha:
        alpha.post("/rooms", json={"id": "general"})
        other = sqlite3.connect(small.environment["MOLTNET_SQLITE_PATH"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        busy = post(alpha, 1)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "1")
        assert busy.json() == {"error": "StoreBusyError"}, "nothing of how the store is kept"
        other.execute("ROLLBACK")
        other.close()
        assert post(alpha, 1).status_code == 201
