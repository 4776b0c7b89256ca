"""What one session adds to the momentum of the repository."""

from __future__ import annotations

from gitfleet.model.base import Document
from gitfleet.model.handoff import Discovery

MOMENTUM_SCHEMA = "gitfleet/momentum/v1"


class SessionMomentum(Document, frozen=True, kw_only=True, tag_field="schema", tag=MOMENTUM_SCHEMA):
    """One closed session's share: where it worked, what it decided, what failed."""

    session: str
    ended: str
    scopes: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    discoveries: tuple[Discovery, ...] = ()
