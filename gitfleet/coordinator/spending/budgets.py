"""Budgets of one session: room is found before an attempt starts, and one that uses more than it may is ended.

What counts is in the books alone: an attempt's allowance is written with it before it starts, and what it used with its
end. So a coordinator that takes over holds the same budgets, and other sessions of the repository see what this one has
reserved of their common day: they look, decide and write under one lock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.streams import amount
from gitfleet.coordinator.control.ending import end
from gitfleet.coordinator.spending.day import day, sums
from gitfleet.coordinator.spending.following import Following
from gitfleet.coordinator.spending.known import Known
from gitfleet.errors import GitfleetError
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.planner.budgets import (
    Amount,
    UsedUp,
    budget_of,
    left,
    measured,
    overrun,
    reserved,
    runs_model,
    total,
)
from gitfleet.planner.rooms import Short, Uncounted, rooms, short
from gitfleet.runtime.attempt import BUDGET

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.model.budget import Budget
    from gitfleet.parts import Parts
    from gitfleet.planner.rooms import Room


@dataclass(slots=True)
class Budgets:
    """Budgets of one session; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    following: Following = field(init=False)
    known: Known = field(default_factory=Known)
    _ended: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Follow what runs."""
        self.following = Following(self.parts, self.books)

    def allowance(self, task: str) -> Budget | UsedUp | Short | Uncounted:
        """What the next attempt of a task may use; or why it must not start now."""
        run, config = self.books.runs[task], self.parts.config
        document = self.books.plan.task(task)
        before = total(map(measured, run.attempts))
        rest = left(budget_of(document, config), before)
        if isinstance(rest, UsedUp):
            return rest
        try:
            found = self._rooms(run.wave)
        except GitfleetError as error:
            return Uncounted(f"{error.message}; {error.hint}")
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
        """What counts in the budgets of this session alone: of attempts that are over, and of those that are not."""
        budgets, here = self.parts.config.budgets, self.books.runs.values()
        taken = {}
        if budgets.wave.said():
            taken["wave"] = sums(here, lambda attempt: attempt.wave == wave)
        if budgets.session.said():
            taken["session"] = sums(here, lambda _: True)
        return taken

    def _rooms(self, wave: int) -> tuple[Room, ...]:
        budgets, taken = self.parts.config.budgets, self._taken(wave)
        if not budgets.day.said():
            return rooms(budgets, taken)
        today = day(self.parts, self.books.session.id, self.books.runs.values(), self.known)
        return rooms(budgets, {**taken, "day": today.of_tasks(budgets.reserve)}, today.left)
