"""Budgets of one session: room is found before an attempt starts, and one that uses more than it may is ended.

What counts is in the books alone: an attempt's allowance is written with it before it starts, and what it used with its
end. So a coordinator that takes over holds the same budgets, and other sessions of the repository see what this one has
reserved of their common day: they look, decide and write under one lock.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.streams import amount
from gitfleet.coordinator.control.ending import end
from gitfleet.coordinator.spending.following import Following
from gitfleet.errors import GitfleetError
from gitfleet.model.base import seconds_of
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.model.usage import UsageRows
from gitfleet.planner.budgets import (
    Amount,
    Short,
    UsedUp,
    budget_of,
    charged,
    left,
    measured,
    overrun,
    reserved,
    rooms,
    runs_model,
    short,
    total,
)
from gitfleet.runtime.attempt import BUDGET
from gitfleet.store.locks import hold
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitfleet.coordinator.books import Books
    from gitfleet.model.budget import Budget
    from gitfleet.model.evidence import Attempt
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

_UNDER_WAY = frozenset({RunState.PREPARING, RunState.RUNNING, RunState.FINISHED})
_LOCK_SECONDS = 30.0


@dataclass(slots=True)
class Budgets:
    """Budgets of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    following: Following = field(init=False)
    _ended: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Follow what runs."""
        self.following = Following(self.parts, self.books)

    def deciding(self) -> AbstractContextManager[object]:
        """Hold while a task is let in and written down: other sessions spend of the same day."""
        if not self.parts.config.budgets.day.said():
            return nullcontext()
        return hold(self.parts.layout.lock("budget-day"), timeout=_LOCK_SECONDS, what="the budget of the day")

    def allowance(self, task: str) -> Budget | UsedUp | Short:
        """What the next attempt of a task may use; or why it must not start now."""
        run, config = self.books.runs[task], self.parts.config
        document = self.books.plan.task(task)
        before = total(measured(one.usage, one.exit.seconds if one.exit else None) for one in run.attempts)
        rest = left(budget_of(document, config), before)
        if isinstance(rest, UsedUp):
            return rest
        found = rooms(config.budgets, self._taken(run.wave))
        return short(found, reserved(rest, model=runs_model(document, config))) or rest

    def look(self, *, ending: bool) -> None:
        """Read on, and end what used more than it may, unless the session ends anyway.

        What an attempt has is kept first, as before every end.
        """
        self.following.look()
        if ending:
            return
        running = (run for run in self.books.runs.values() if run.state is RunState.RUNNING)
        for run in running:
            stream = self.following.transcripts.get(run.task)
            budget = run.attempts[-1].budget
            known = (run.instance, len(run.attempts))
            if stream is None or budget is None or stream.ended is not None or known in self._ended:
                continue
            over = overrun(budget, amount(stream))
            if over is not None:
                self._ended.add(known)
                message = f"{run.task} is stopped: {over.sentence}"
                self.books.event(EventKind.BUDGET, message, run=run, status="used-up")
                end(self.parts, run, "its budget was used up", reason=BUDGET)

    # -- what counts ---------------------------------------------------------------------------------------------

    def _taken(self, wave: int) -> dict[str, tuple[Amount, Amount]]:
        """What counts in each budget: of attempts that are over, and of those that are not."""
        budgets, here = self.parts.config.budgets, self.books.runs.values()
        taken = {}
        if budgets.wave.said():
            taken["wave"] = _sum(here, lambda attempt: attempt.wave == wave)
        if budgets.session.said():
            taken["session"] = _sum(here, lambda _: True)
        if budgets.day.said():
            today = _midnight(self.parts.now())
            settled, running = _sum(self._everywhere(), lambda attempt: seconds_of(attempt.started) >= today)
            taken["day"] = settled.plus(self._elsewhere(today)), running
        return taken

    def _everywhere(self) -> Iterator[Run]:
        yield from self.books.runs.values()
        for name in self.parts.state.session_ids():
            if name == self.books.session.id:
                continue
            try:
                yield from self.parts.state.read_runs(name).values()
            except GitfleetError:  # damaged, or taken away meanwhile: `doctor` tells, and its rows count
                continue

    def _elsewhere(self, today: float) -> Amount:
        """What rows say that no session of the state stands for: calls of the planner, and sessions that are gone."""
        store, known = UsageStore(self.parts.layout), set(self.parts.state.session_ids())
        found = (
            rows
            for name in store.sessions()
            if name not in known
            for _, rows in store.of_session(name)
            if isinstance(rows, UsageRows)
        )
        return total(
            Amount(row.tokens.total, row.tool_calls, 0, row.tokens.cost_usd or 0, 0 if row.helper else 1)
            for rows in found
            for row in rows.rows
            if row.at and seconds_of(row.at) >= today
        )


def _sum(runs: Iterable[Run], counts: Callable[[Attempt], bool]) -> tuple[Amount, Amount]:
    settled, running = Amount(), Amount()
    for run in runs:
        for attempt in run.attempts:
            if not counts(attempt):
                continue
            live = run.state in _UNDER_WAY and attempt.number == len(run.attempts) and not attempt.outcome
            if live:
                running = running.plus(charged(attempt, live=True))
            else:
                settled = settled.plus(charged(attempt, live=False))
    return settled, running


def _midnight(now: float) -> float:
    """When today began, in local time."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 0, 0, 0, 0, 0, -1))
