"""Typed events of a session's journal, one JSON object a line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document


class EventKind(StrEnum):
    """What can happen in a session."""

    SESSION_START = "session-start"
    SESSION_END = "session-end"
    WAVE_START = "wave-start"
    WAVE_COMPLETE = "wave-complete"
    AGENT_START = "agent-start"
    AGENT_COMPLETE = "agent-complete"
    TIMEOUT = "timeout"
    STALL = "stall"
    WAITING = "waiting"
    CLAIM = "claim"
    BUDGET = "budget"
    ACCOUNT = "account"
    GUARD = "guard"
    GATE = "gate"
    VERIFY = "verify"
    LAND = "land"
    CONFLICT = "conflict"
    CONFLICT_PREDICTED = "conflict-predicted"
    PAUSE = "pause"
    SKIP = "skip"
    CANCEL = "cancel"
    ADD = "add"
    REQUEUE = "requeue"
    CONTROL = "control"
    SHUTDOWN = "shutdown"
    RETRY = "retry"
    GAP = "gap"
    QUARANTINE = "quarantine"
    ERROR = "error"


class Event(Document, frozen=True, kw_only=True):
    """One thing that happened."""

    at: Annotated[str, Meta(description="ISO 8601 instant.")]
    kind: Annotated[EventKind, Meta(description="What happened.")]
    session: str
    message: Annotated[str, Meta(description="A sentence for people.")]
    wave: int | None = None
    task: str = ""
    instance: str = ""
    status: Annotated[str, Meta(description="Outcome word, such as success, failed, passed, red.")] = ""
