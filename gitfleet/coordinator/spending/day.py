"""What counts in the budget of a day: attempts and calls of planners, of every session here, that began on it.

Books say what attempts used or have reserved. Rows stand in for books that are gone or cannot be read, and tell of
planners. Whoever decides by this holds the lock of the day, and has written down what it let in before it lets go.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.model.base import decode, seconds_of
from gitfleet.model.run import Run, RunState
from gitfleet.planner.budgets import Amount, beyond, charged, total
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import names, read_regular
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import hold, holder
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from gitfleet.model.budget import Budget
    from gitfleet.model.evidence import Attempt
    from gitfleet.model.usage import UsageRows
    from gitfleet.parts import Parts
    from gitfleet.store.layout import Layout

_UNDER_WAY = frozenset({RunState.PREPARING, RunState.RUNNING, RunState.FINISHED})
_LOCK_SECONDS = 30.0
_SLACK_SECONDS = 3600.0
"""How much the clock of a file system may be behind ours."""


@dataclass(frozen=True, slots=True)
class Day:
    """What counts in one day: of attempts that are over, of those that are not, and of planners.

    ``left`` are sessions that have something reserved and that nobody coordinates: it counts as used.
    """

    settled: Amount
    running: Amount
    planners: Amount
    left: tuple[str, ...] = ()

    def of_tasks(self, reserve: Budget) -> tuple[Amount, Amount]:
        """What counts where ``reserve`` is kept for planners: of what they used, the part that is beyond that."""
        return self.settled.plus(beyond(self.planners, reserve)), self.running

    @property
    def all(self) -> Amount:
        """Everything."""
        return total((self.settled, self.running, self.planners))


def deciding(layout: Layout) -> AbstractContextManager[object]:
    """Hold while something is let in and written down: others spend of the same day."""
    return hold(layout.lock("budget-day"), timeout=_LOCK_SECONDS, what="the budget of the day")


def midnight(now: float) -> float:
    """When today began, in local time."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 0, 0, 0, 0, 0, -1))


def day(parts: Parts, session: str = "", runs: Iterable[Run] = ()) -> Day:
    """Add up what counts today; ``runs`` are those of the caller's own ``session``.

    Raises ``GitfleetError`` (``damaged-state``) where nobody can say what was used.
    """
    today = midnight(parts.now())
    settled, running = sums(runs, lambda attempt: seconds_of(attempt.started) >= today)
    left, read = [], {session}
    for name in parts.state.session_ids():
        try:
            others = () if name in read else _touched(parts, name, today)
        except GitfleetError:  # damaged, or taken away meanwhile: its rows count
            continue
        read.add(name)
        over, live = sums(others, lambda attempt: seconds_of(attempt.started) >= today)
        if live != Amount() and holder(parts.layout.session_lock(name)) is None:
            left.append(name)
            over, live = over.plus(live), Amount()
        settled, running = settled.plus(over), running.plus(live)
    store, planners = UsageStore(parts.layout), [_called(parts.layout)]
    for name in store.sessions():
        if name in read:
            continue
        used = total(_of_rows(rows, today) for _, rows in store.of_session(name, today - _SLACK_SECONDS))
        if name.startswith(PLANNER):
            planners.append(used)
        else:
            settled = settled.plus(used)
    return Day(settled, running, total(planners), tuple(left))


def sums(runs: Iterable[Run], counts: Callable[[Attempt], bool]) -> tuple[Amount, Amount]:
    """What counts of attempts that are over, and of those that are not."""
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


def _touched(parts: Parts, session: str, today: float) -> list[Run]:
    """Runs of another session that something was written of today: all that can have an attempt of today."""
    runs = []
    for task in parts.state.run_ids(session):
        with suppress(FileNotFoundError):
            if parts.layout.run(session, task).stat().st_mtime >= today - _SLACK_SECONDS:
                runs.append(parts.state.read_run(session, task))
    return runs


def _of_rows(rows: UsageRows | GitfleetError, today: float) -> Amount:
    if isinstance(rows, GitfleetError):
        raise rows
    return total(
        Amount(row.tokens.total, row.tool_calls, 0, row.tokens.cost_usd or 0, 0 if row.helper else 1)
        for row in rows.rows
        if row.at and seconds_of(row.at) >= today
    )


def _called(layout: Layout) -> Amount:
    """What planners that are at work have reserved."""
    found = []
    for name in names(layout.root / "attempts"):
        if name.startswith(PLANNER):
            with suppress(OSError, *UNREADABLE):
                attempts = decode(read_regular(layout.planning(name)), Run).attempts
                found += [charged(one, live=True) for one in attempts[-1:] if one.exit is None]
    return total(found)
