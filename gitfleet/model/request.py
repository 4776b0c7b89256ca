"""What a person asks of an open session from another terminal, and the answer; both lie in files for a moment."""

from __future__ import annotations

from enum import StrEnum

from gitfleet.model.base import Document
from gitfleet.model.plan import Task


class Control(StrEnum):
    """What can be asked of an open session as a whole, or of one of its runs."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    STOP = "stop"
    INTERRUPT = "interrupt"
    RESTART = "restart"


class Permit(StrEnum):
    """What a person says to a run that waits for a permission."""

    APPROVE = "approve"
    DENY = "deny"


class Request(Document, frozen=True, kw_only=True):
    """One request: a task to add, the id of one to cancel, or a control, of the run of ``task`` where it needs one.

    Or what a person says to the run of ``task``, which waits for a permission.
    """

    id: str
    add: Task | None = None
    cancel: str = ""
    control: Control | None = None
    permit: Permit | None = None
    task: str = ""


class Reply(Document, frozen=True, kw_only=True):
    """What became of a request; ``error`` is empty when it was accepted."""

    id: str
    task: str = ""
    error: str = ""
    message: str = ""
