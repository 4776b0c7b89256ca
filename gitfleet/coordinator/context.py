"""What an agent is told: its task, and what earlier waves and sessions learned, read afresh for every attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.model.run import RunState
from gitfleet.planner.scopes import Scope, ScopeError, overlap
from gitfleet.relay.briefs import select
from gitfleet.relay.momentum import current_momentum
from gitfleet.relay.prompt import prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.parts import Parts
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run

BRIEFS_BYTES = 24_000
"""How much of a prompt briefs may take: the size of about six thousand tokens."""

_OVER = frozenset(RunState) - {RunState.QUEUED, RunState.PREPARING, RunState.RUNNING, RunState.SKIPPED}


def prompt_for(parts: Parts, books: Books, task: Task, run: Run, scopes: Mapping[str, Scope]) -> bytes:
    """The prompt of one attempt."""
    mine = scopes[task.id]
    reads = _readable(task.reads)

    def touches(other: Run) -> bool:
        if other.task in task.depends_on:
            return True
        theirs = scopes[other.task]
        return any(overlap(scope, theirs, fold=parts.fold) is not None for scope in (mine, reads))

    told = [other for other in books.runs.values() if other.state in _OVER and other.task != task.id and other.tip]
    briefs = select(told, touches=touches, budget_bytes=BRIEFS_BYTES)
    return prompt(
        books.plan,
        task,
        instance=run.instance,
        wave=run.wave,
        briefs=briefs,
        momentum=current_momentum(parts.state, exclude=run.session),
    )


def _readable(entries: tuple[str, ...]) -> Scope:
    try:
        return Scope.parse(entries)
    except ScopeError:
        return Scope.parse(())
