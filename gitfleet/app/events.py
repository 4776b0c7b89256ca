"""The journal of a session, for people and scripts. Read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.app.which import find_session
from gitfleet.model.reports import EventsReport
from gitfleet.store import journal
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.event import Event

POLL_SECONDS = 0.2


def events(workspace: Workspace, session_id: str | None, lines: int | None = None) -> EventsReport:
    """Give the last ``lines`` events of a session, or all; raises as ``find_session`` does."""
    session = find_session(State(workspace.layout), session_id)
    every = tuple(journal.read(workspace.layout, session.id))
    return EventsReport(
        session=session.id, events=every if lines is None else every[len(every) - min(lines, len(every)) :]
    )


def follow(workspace: Workspace, session_id: str | None, sleep: Callable[[float], None]) -> Iterator[Event]:
    """Give the events of a session as they come, from its first, until its coordinator is gone; ``sleep`` pauses."""
    session = find_session(State(workspace.layout), session_id)
    lock = workspace.layout.session_lock(session.id)
    yield from journal.follow(
        workspace.layout, session.id, stop=lambda: holder(lock) is None, sleep=sleep, poll=POLL_SECONDS
    )
