"""The domain types: what the contract's section 1 lists, as frozen, slotted, picklable classes."""

from moltnet_core.types.agents import AgentRegistration, AgentSummary
from moltnet_core.types.artifacts import Artifact, ArtifactFilter
from moltnet_core.types.conversations import DirectConversation, Thread
from moltnet_core.types.messages import (
    PART_KINDS,
    TARGET_KINDS,
    Actor,
    AppendResult,
    Message,
    MessageOrigin,
    Part,
    Target,
    new_message_id,
)
from moltnet_core.types.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    START,
    Page,
    PageInfo,
    PageRequest,
    Start,
)
from moltnet_core.types.rooms import VISIBILITIES, WRITE_POLICIES, Room

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "PART_KINDS",
    "START",
    "TARGET_KINDS",
    "VISIBILITIES",
    "WRITE_POLICIES",
    "Actor",
    "AgentRegistration",
    "AgentSummary",
    "AppendResult",
    "Artifact",
    "ArtifactFilter",
    "DirectConversation",
    "Message",
    "MessageOrigin",
    "Page",
    "PageInfo",
    "PageRequest",
    "Part",
    "Room",
    "Start",
    "Target",
    "Thread",
    "new_message_id",
]
