"""What counts in the budget of a day: attempts and calls of planners, of every session here, that began on it.

Books say what attempts used or have reserved. Rows stand in for books that are gone or cannot be read, and tell of
planners. Whoever decides by this holds the lock of the day, and has written down what it let in before it lets go.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.coordinator.spending.known import Known
from gitfleet.errors import GitfleetError
from gitfleet.model.base import decode, seconds_of
from gitfleet.model.run import Run
from gitfleet.planner.budgets import Amount, beyond, charged, total
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import names, read_regular
from gitfleet.store.layout import PLANNER
from gitfleet.store.locks import LOCKED, hold, holder
from gitfleet.store.stamps import since, stamped
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitfleet.coordinator.spending.known import Sum
    from gitfleet.model.budget import Budget
    from gitfleet.model.evidence import Attempt
    from gitfleet.parts import Parts
    from gitfleet.store.layout import Layout

PATIENCE_SECONDS = 2.0
"""How long somebody is waited for who decides now; it takes milliseconds, and whoever waits hears no Ctrl-C."""

_SLACK_SECONDS = 3600.0
"""How much the clock of a file system may be behind ours."""


@dataclass(frozen=True, slots=True)
class Day:
    """What counts in one day: of attempts and of calls of planners, of each those that are over and those that are not.

    ``left`` are sessions and planners that have something reserved and that nobody goes on with: it counts as used.
    """

    settled: Amount
    running: Amount
    planners: Amount
    calling: Amount
    left: tuple[str, ...] = ()

    def of_tasks(self, reserve: Budget) -> tuple[Amount, Amount]:
        """What counts where ``reserve`` is kept for planners: of what is theirs, the part that is beyond that."""
        used, rest = (beyond(what, reserve) for what in (self.planners, self.planners.plus(self.calling)))
        return self.settled.plus(used), self.running.plus(rest.minus(used))

    @property
    def over(self) -> Amount:
        """What stays when all that is at work used nothing."""
        return self.settled.plus(self.planners)

    @property
    def all(self) -> Amount:
        """Everything."""
        return total((self.settled, self.running, self.planners, self.calling))


@contextmanager
def deciding(parts: Parts, patience: float = PATIENCE_SECONDS) -> Iterator[str]:
    """Hold the day while something is let in and written down: others spend of it, too.

    Gives why it is not held, as a clause, where somebody else holds it for longer than ``patience`` seconds, and then
    nothing may be let in; else nothing. Where the day has no budget there is nothing to hold.
    """
    why = ""
    with ExitStack() as held:
        if parts.config.budgets.day.said():
            try:
                held.enter_context(
                    hold(parts.layout.lock("budget-day"), timeout=patience, what="the budget of the day")
                )
            except GitfleetError as error:
                if error.code != LOCKED:
                    raise
                why = error.message
        yield why


def midnight(now: float) -> float:
    """When today began, in local time."""
    local = time.localtime(now)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 0, 0, 0, 0, 0, -1))


def day(parts: Parts, session: str = "", runs: Iterable[Run] = (), known: Known | None = None) -> Day:
    """Add up what counts today; ``runs`` are those of the caller's own ``session``.

    ``known`` is what the caller read before: only what changed since is read again. Raises ``GitfleetError``
    (``damaged-state``) where nobody can say what was used.
    """
    today, known = midnight(parts.now()), known or Known()
    known.begin(today)
    settled, running = sums(runs, lambda attempt: seconds_of(attempt.started) >= today)
    left, read = [], {session}
    for name in parts.state.session_ids():
        if name in read:
            continue
        try:
            found = _touched(parts, name, today, known)
        except (GitfleetError, FileNotFoundError, NotADirectoryError):  # damaged, or taken away meanwhile
            continue  # its rows count
        read.add(name)
        over, live = total(one for one, _ in found), total(one for _, one in found)
        if live != Amount() and holder(parts.layout.session_lock(name)) is None:
            left.append(name)
            over, live = over.plus(live), Amount()
        settled, running = settled.plus(over), running.plus(live)
    store, planners, calling = UsageStore(parts.layout), list[Amount](), Amount()
    for name, live in _calls(parts.layout, today, known):
        if holder(parts.layout.session_lock(name)) is None:
            left.append(name)
            planners.append(live)
        else:
            calling = calling.plus(live)
    for name in names(parts.layout.usage):
        if name in read:
            continue
        used = _of_rows(store, name, today, known)
        if name.startswith(PLANNER):
            planners += used
        else:
            settled = total((settled, *used))
    return Day(settled, running, total(planners), calling, tuple(left))


def sums(runs: Iterable[Run], counts: Callable[[Attempt], bool]) -> Sum:
    """What counts of attempts that are over, and of those that are not."""
    settled, running = Amount(), Amount()
    for run in runs:
        for attempt in run.attempts:
            if not counts(attempt):
                continue
            if run.is_under_way(attempt):
                running = running.plus(charged(attempt, live=True))
            else:
                settled = settled.plus(charged(attempt, live=False))
    return settled, running


def _touched(parts: Parts, session: str, today: float, known: Known) -> list[Sum]:
    """What runs of another session count that were written today: all that can have an attempt of today."""

    def read(path: str) -> Sum:
        run = parts.state.read_run(session, Path(path).stem)
        return sums((run,), lambda attempt: seconds_of(attempt.started) >= today)

    files = since(parts.layout.runs(session), today - _SLACK_SECONDS, ".json")
    return [known.of(path, stamp, partial(read, path)) for path, stamp in files]


def _of_rows(store: UsageStore, session: str, today: float, known: Known) -> list[Amount]:
    def read(path: str) -> Sum:
        try:
            rows = store.read_at(Path(path)).rows
        except GitfleetError:
            if Path(path).exists():
                raise
            rows = ()  # thrown away meanwhile
        counted = (row for row in rows if row.at and seconds_of(row.at) >= today)
        return total(
            Amount(row.tokens.total, row.tool_calls, 0, row.tokens.cost_usd or 0, 0 if row.helper else 1)
            for row in counted
        ), Amount()

    files = store.written(session, today - _SLACK_SECONDS)
    return [known.of(path, stamp, partial(read, path))[0] for path, stamp in files]


def _calls(layout: Layout, today: float, known: Known) -> Iterator[tuple[str, Amount]]:
    """What planners have reserved for calls that began today and are not over."""

    def read(path: str) -> Sum:
        with suppress(OSError, *UNREADABLE):
            calls = decode(read_regular(Path(path)), Run).attempts[-1:]
            open_ = (one for one in calls if one.exit is None and seconds_of(one.started) >= today)
            return Amount(), total(charged(one, live=True) for one in open_)
        return Amount(), Amount()

    begun = (layout.planning(name) for name in names(layout.root / "attempts") if name.startswith(PLANNER))
    for path, stamp in stamped(begun):
        live = known.of(path, stamp, partial(read, path))[1]
        if live != Amount():
            yield Path(path).parent.name, live
