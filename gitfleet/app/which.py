"""Which session a person means: one that they name, or else the only open one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitfleet.model.session import Session
    from gitfleet.store.state import State


def sessions(state: State, damaged: dict[str, GitfleetError] | None = None) -> list[Session]:
    """Read all sessions: open ones first, each group newest first.

    One whose ``session.md`` cannot be read is left out, since it must not hide the others; the refusal is put into
    ``damaged`` by its id.
    """
    every: list[Session] = []
    for name in state.session_ids():
        try:
            every.append(state.read_session(name))
        except GitfleetError as error:
            if damaged is not None:
                damaged[name] = error
    every.sort(key=lambda session: (session.started, session.id), reverse=True)
    return sorted(every, key=lambda session: session.state is SessionState.COMPLETED)


def open_sessions(state: State) -> list[Session]:
    """Sessions that are not over, oldest first; raises ``GitfleetError`` where one is damaged, which may be open."""
    every = map(state.read_session, state.session_ids())
    return sorted((one for one in every if one.state is not SessionState.COMPLETED), key=lambda one: one.started)


def choose(state: State, wanted: str | None) -> Session | None:
    """The session that was named, or the only open one; none where that is over, or none is open."""
    if wanted is not None:
        session = _named(state, wanted)
        return session if session.state is not SessionState.COMPLETED else None
    running = open_sessions(state)
    return _only(running) if running else None


def find_session(state: State, name: str | None) -> Session:
    """Give the session of this id, or the one that a person means when they name none.

    That is the only open session, else the newest closed one. Raises ``GitfleetError`` with
    ``no-session``, ``unknown-session`` or ``ambiguous-session``.
    """
    if name is not None:
        return _named(state, name)
    every = sessions(state)
    running = [session for session in every if session.state is not SessionState.COMPLETED]
    if running:
        return _only(running)
    if not every:
        raise GitfleetError(
            Kind.USAGE, "no-session", "There is no session here.", hint="`gitfleet wave PLAN` starts one."
        )
    return every[0]


def _named(state: State, name: str) -> Session:
    known = state.session_ids()
    if name not in known:
        message = f"There is no session {name} here."
        raise GitfleetError(Kind.USAGE, "unknown-session", message, hint=nearest(name, known))
    return state.read_session(name)


def _only(running: Sequence[Session]) -> Session:
    if len(running) > 1:
        names = ", ".join(session.id for session in running)
        message = f"{len(running)} sessions are open: {names}."
        raise GitfleetError(Kind.USAGE, "ambiguous-session", message, hint="Name the one you mean.")
    return running[0]


def nearest(word: str, names: Iterable[str]) -> str:
    """What was meant, perhaps, as a hint."""
    near = difflib.get_close_matches(word, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else "`gitfleet status --all` lists what there is."
