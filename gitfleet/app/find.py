"""Finding a run by what a person typed: an instance, or a task.

A task is looked for in open sessions first, then in the newest closed one that has it. What is ambiguous is refused
with the candidates, never guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.app.planning.planners import is_planner
from gitfleet.app.which import find_session, nearest, sessions
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.session import SessionState

if TYPE_CHECKING:
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.store.state import State


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
        Kind.USAGE, "unknown-run", f"There is no instance or task {word} here.", hint=nearest(word, known)
    )
