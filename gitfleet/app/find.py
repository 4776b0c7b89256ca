"""Finding a session or a run by what a person typed: a session id, an instance, or a task.

A task is looked for in open sessions first, then in the newest closed one that has it. What is ambiguous is refused
with the candidates, never guessed.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from gitfleet.app.planning.planners import is_planner
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.model.run import Run
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


def find_session(state: State, name: str | None, *, open_only: bool = False) -> Session:
    """Give the session of this id, or the one that a person means when they name none.

    That is the only open session, else the newest closed one unless ``open_only``. Raises ``GitfleetError`` with
    ``no-session``, ``unknown-session`` or ``ambiguous-session``.
    """
    every = sessions(state)
    if name is not None:
        for session in every:
            if session.id == name:
                if open_only and session.state is SessionState.COMPLETED:
                    raise GitfleetError(Kind.USAGE, "session-closed", f"The session {name} is closed.")
                return session
        raise GitfleetError(
            Kind.USAGE,
            "unknown-session",
            f"There is no session {name} here.",
            hint=_nearest(name, (session.id for session in every)),
        )
    running = [session for session in every if session.state is not SessionState.COMPLETED]
    if len(running) > 1:
        raise GitfleetError(
            Kind.USAGE,
            "ambiguous-session",
            f"{len(running)} sessions are open.",
            hint="Name one: " + ", ".join(session.id for session in running) + ".",
        )
    if running:
        return running[0]
    if open_only or not every:
        what = "open session" if open_only else "session"
        raise GitfleetError(
            Kind.USAGE, "no-session", f"There is no {what} here.", hint="`gitfleet wave PLAN` starts one."
        )
    return every[0]


def find_run(state: State, word: str, session_id: str | None = None) -> tuple[Session, Run]:
    """Give the run that an instance or a task names.

    Raises ``GitfleetError`` with ``unknown-run``, ``planner`` or ``ambiguous-run``, or as ``find_session`` does.
    """
    candidates = [find_session(state, session_id)] if session_id is not None else sessions(state)
    known: list[str] = []
    by_task: list[tuple[Session, Run]] = []
    for session in candidates:
        runs = state.read_runs(session.id)
        for run in runs.values():
            if run.instance and run.instance == word:
                return session, run
            known += [name for name in (run.task, run.instance) if name]
        if word in runs:
            by_task.append((session, runs[word]))
    open_ones = [pair for pair in by_task if pair[0].state is not SessionState.COMPLETED]
    if len(open_ones) > 1:
        raise GitfleetError(
            Kind.USAGE,
            "ambiguous-run",
            f"{len(open_ones)} open sessions have a task {word}.",
            hint="Name the session with --session: " + ", ".join(session.id for session, _ in open_ones) + ".",
        )
    if by_task:
        return (open_ones or by_task)[0]
    if is_planner(state.layout, word):
        place = state.layout.planning(word).parent
        hint = f"`gitfleet logs {word}` shows what it did; its calls and answers lie in {place}."
        raise GitfleetError(Kind.USAGE, "planner", f"{word} is a planner, and no run of a session.", hint=hint)
    raise GitfleetError(
        Kind.USAGE, "unknown-run", f"There is no instance or task {word} here.", hint=_nearest(word, known)
    )


def _nearest(word: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(names), n=1)
    return f"Did you mean {near[0]}?" if near else "`gitfleet status --all` lists what there is."
