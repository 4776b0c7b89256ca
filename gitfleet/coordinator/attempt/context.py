"""What an agent is told: its task, and what earlier waves and sessions learned, read afresh at every base."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.attempt.telling import conflict_met
from gitfleet.model.base import decode
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import RunState
from gitfleet.planner.retries import CHECK_FAILED, DEADLINE, waiting_for
from gitfleet.planner.scopes import Scope, ScopeError, overlap
from gitfleet.relay.again import Earlier
from gitfleet.relay.briefs import Brief, brief, select
from gitfleet.relay.going_on import go_on
from gitfleet.relay.momentum import Momentum, fold
from gitfleet.relay.prompt import prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.coordinator.books import Books
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

BRIEFS_BYTES = 24_000
"""How much of a prompt briefs may take: some six thousand tokens."""

_NOTHING_TO_TELL = frozenset({RunState.QUEUED, RunState.PREPARING, RunState.RUNNING, RunState.SKIPPED})


@dataclass(slots=True)
class Context:
    """What one session's agents are told; momentum is folded once for every commit that attempts start from."""

    parts: Parts
    _momentum: tuple[str, Momentum] = field(default=("", Momentum()))
    _briefs: dict[str, tuple[Run, Brief]] = field(default_factory=dict)
    _scopes: dict[tuple[str, ...], Scope] = field(default_factory=dict)

    def prompt(self, books: Books, task: Task, run: Run) -> bytes:
        """The prompt of one attempt; a reduced one tells of direct dependencies alone, one that goes on of news."""
        if run.attempts and run.attempts[-1].continues:
            return go_on(run.attempts[-2], run.grants)
        others = [
            self._brief(other, books)
            for other in books.runs.values()
            if other.state not in _NOTHING_TO_TELL
            and other.attempts
            and other.task != task.id
            and (not run.reduced or other.task in task.depends_on)
        ]
        return prompt(
            books.plan,
            task,
            instance=run.instance,
            wave=run.wave,
            briefs=select(others, task, budget_bytes=BRIEFS_BYTES, touches=self._touches),
            momentum=None if run.reduced else self.momentum(run.base, books.session.id),
            earlier=_earlier(books, run),
            met=conflict_met(self.parts, run, books.session.target),
        )

    def _brief(self, run: Run, books: Books) -> Brief:
        """The brief of a run as it stands, written once: every later attempt is told of every run before it."""
        known = self._briefs.get(run.task)
        if known is None or known[0] is not run:
            known = self._briefs[run.task] = run, Brief(run, brief(run), books.plan.task(run.task).reads)
        return known[1]

    def _touches(self, one: Sequence[str], other: Sequence[str]) -> bool:
        try:
            return overlap(self._scope(one), self._scope(other), fold=self.parts.fold) is not None
        except ScopeError:
            return True

    def _scope(self, entries: Sequence[str]) -> Scope:
        key = tuple(entries)
        if key not in self._scopes:
            self._scopes[key] = Scope.parse(key)
        return self._scopes[key]

    def momentum(self, base: str, session: str) -> Momentum:
        """What sessions but this one add up to, as a commit and the state know them."""
        if self._momentum[0] != base:
            tree = self.parts.objects.commit(base).tree

            def blob(path: bytes) -> str | None:
                entry = self.parts.objects.entry(tree, path)
                return entry.oid if entry else None

            shares = [*self._published(tree), *self.parts.state.read_momenta()]
            self._momentum = base, fold([share for share in shares if share.session != session], (), blob)
        return self._momentum[1]

    def _published(self, tree: str) -> Iterator[SessionMomentum]:
        """Shares of momentum that the branch holds; one that cannot be read says nothing."""
        for _, entry in self.parts.objects.entries(tree, b".planning/momentum"):
            with suppress(msgspec.MsgspecError, ValueError):
                yield decode(self.parts.objects.blob(entry.oid), SessionMomentum)


def _earlier(books: Books, run: Run) -> Earlier | None:
    """The last attempt that the one after it is told of: it turned the checks red, or ran out of time."""
    told = [one for one in run.attempts if one.outcome == CHECK_FAILED or (run.reduced and one.outcome == DEADLINE)]
    return Earlier(told[-1], waiting_for(books.plan, books.runs, run.task)) if told else None
