"""A scripted model server on loopback for the real agents: see ``server`` and ``script``."""

from __future__ import annotations

from tests.support.model_server.ledger import Answered
from tests.support.model_server.script import (
    SOON,
    Cut,
    End,
    Loop,
    Overflow,
    Script,
    Shell,
    Silence,
    Status,
    Tool,
    Usage,
    UsageLimit,
    Write,
)
from tests.support.model_server.server import ModelServer

__all__ = [
    "SOON",
    "Answered",
    "Cut",
    "End",
    "Loop",
    "ModelServer",
    "Overflow",
    "Script",
    "Shell",
    "Silence",
    "Status",
    "Tool",
    "Usage",
    "UsageLimit",
    "Write",
]
