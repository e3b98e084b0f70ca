"""Faults in agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from moltnet_conformance.mutants.mutant import Collection
from moltnet_core import AgentCredentialError, AgentRegistration, AgentSummary, RoomNotFoundError
from moltnet_core.driver import Lookup
from moltnet_core.listings import Listing
from moltnet_core.records import RecordKind
from moltnet_core.timestamps import format_time
from moltnet_core.types import Start
from moltnet_memory.driver import MemoryDriver
from moltnet_memory.rows import AgentRow

mutant = Collection()


class _Saves(MemoryDriver):
    """Changes what is saved over an older registration."""

    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        raise NotImplementedError

    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        row = self._tables.rows[RecordKind.AGENT].get(registration.agent_id)
        saved = super().save_agent(registration, rebind=rebind)
        if row is None:
            return saved
        changed = attrs.evolve(saved, **self.fields(row.registration, registration, rebind=rebind))
        new = AgentRow(changed, format_time(changed.created_at), format_time(changed.updated_at))
        self._tables.rows[RecordKind.AGENT][changed.agent_id] = new
        return changed


@mutant("the last writer wins", "AGENT-001", "RACE-001", "AGENT-009")
class LastWriterWins(MemoryDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        return super().save_agent(registration, rebind=True)


@mutant("an update replaces the network", "AGENT-002", "AGENT-005")
class ReplacesNetwork(_Saves):
    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        return {"network_id": offered.network_id}


@mutant("an update replaces the time of creation", "AGENT-002", "AGENT-005")
class ReplacesCreation(_Saves):
    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        return {"created_at": offered.created_at}


@mutant("an empty name takes the old one away", "AGENT-003")
class ForgetsNames(_Saves):
    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        return {"display_name": offered.display_name}


@mutant("an earlier time of update is passed over", "AGENT-004")
class LatestUpdate(_Saves):
    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        return {"updated_at": max(old.updated_at, offered.updated_at)}


@mutant("reconciling keeps the old credential", "AGENT-005", "AGENT-009")
class NeverRebinds(_Saves):
    def fields(self, old: AgentRegistration, offered: AgentRegistration, *, rebind: bool) -> dict[str, Any]:
        return {"credential_key": old.credential_key}


class _Finds(MemoryDriver):
    def found(self, key: str) -> list[AgentRegistration]:
        raise NotImplementedError

    def registrations(self) -> list[AgentRegistration]:
        return [row.registration for _, row in sorted(self._tables.rows[RecordKind.AGENT].items())]

    def get(self, lookup: Lookup, key: str) -> Any:
        if lookup is not Lookup.CREDENTIAL:
            return super().get(lookup, key)
        return next(iter(self.found(key)), None)


@mutant("of several agents with one credential the highest id is found", "AGENT-007")
class HighestId(_Finds):
    def found(self, key: str) -> list[AgentRegistration]:
        return [each for each in self.registrations() if each.credential_key == key and key][::-1]


@mutant("credentials are looked up without the space around them", "AGENT-008")
class TrimsCredentials(_Finds):
    def found(self, key: str) -> list[AgentRegistration]:
        return [each for each in self.registrations() if each.credential_key.strip() == key.strip() and key.strip()]


@mutant("credentials are looked up without regard to case", "AGENT-008")
class FoldsCredentials(_Finds):
    def found(self, key: str) -> list[AgentRegistration]:
        return [each for each in self.registrations() if each.credential_key.lower() == key.lower() and key]


@mutant("a removed agent's credential still finds it", "AGENT-011")
class StillFound(MemoryDriver):
    def remove_agent(self, agent_id: str) -> None:
        row = self._tables.rows[RecordKind.AGENT].get(agent_id)
        super().remove_agent(agent_id)
        if row is not None:
            self._tables.rows[RecordKind.AGENT]["removed-" + agent_id] = row


@mutant("removing an unknown agent is an error", "AGENT-011", "TEXT-002")
class UnknownAgentIsAnError(MemoryDriver):
    def remove_agent(self, agent_id: str) -> None:
        if agent_id not in self._tables.rows[RecordKind.AGENT]:
            raise RoomNotFoundError(agent_id)
        super().remove_agent(agent_id)


@mutant("removing an agent takes it out of its rooms", "MEMBER-004")
class LeavesRooms(MemoryDriver):
    def remove_agent(self, agent_id: str) -> None:
        super().remove_agent(agent_id)
        self.remove_member(agent_id)


@mutant("a member's rooms are in no order", "MEMBER-001")
class RoomsUnsorted(MemoryDriver):
    def get(self, lookup: Lookup, key: str) -> Any:
        found = super().get(lookup, key)
        return attrs.evolve(found, rooms=found.rooms[::-1]) if lookup is Lookup.MEMBER and found else found


@mutant("between looking at a registration and replacing it others may write", "RACE-001")
class RegistrationRace(MemoryDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        changes, saved = self._tables.plan_save_agent(registration, rebind=rebind)
        self._tables.apply(changes)
        return saved


@mutant("an agent's uid is its own invention", "TRIP-003", "TRIP-008", "TEXT-001")
class OwnUids(MemoryDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        super().save_agent(attrs.evolve(registration, actor_uid=f"uid-{registration.agent_id}"), rebind=rebind)
        return registration


@mutant("an unknown agent cannot be reconciled", "AGENT-006")
class ReconcilesKnownOnly(MemoryDriver):
    def save_agent(self, registration: AgentRegistration, *, rebind: bool) -> AgentRegistration:
        if rebind and registration.agent_id not in self._tables.rows[RecordKind.AGENT]:
            raise AgentCredentialError(registration.agent_id)
        return super().save_agent(registration, rebind=rebind)


class _Summaries(MemoryDriver):
    def summary(self, found: AgentSummary) -> AgentSummary:
        raise NotImplementedError

    def get(self, lookup: Lookup, key: str) -> Any:
        found = super().get(lookup, key)
        return self.summary(found) if isinstance(found, AgentSummary) else found

    def read(self, listing: Listing, before: str | None, after: str | Start | None, limit: int) -> Sequence[Any]:
        found = super().read(listing, before, after, limit)
        return [self.summary(each) if isinstance(each, AgentSummary) else each for each in found]


@mutant("a member's network is its room's, also where its id names one", "MEMBER-002")
class RoomsNetwork(_Summaries):
    def summary(self, found: AgentSummary) -> AgentSummary:
        network = self._tables.rows[RecordKind.ROOM][found.rooms[0]].room.network_id
        return attrs.evolve(found, network_id=network, fqid=f"molt://{network}/agents/{found.id}")


@mutant("a member keeps the network of the first room that it was in", "MEMBER-003")
class KeepsNetwork(_Summaries):
    def summary(self, found: AgentSummary) -> AgentSummary:
        rooms = self._tables.rows[RecordKind.ROOM].values()
        network = next(iter(rooms)).room.network_id
        return attrs.evolve(found, network_id=network, fqid=f"molt://{network}/agents/{found.id}")
