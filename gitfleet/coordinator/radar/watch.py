"""The conflict radar as the coordinator sees it: what is compared, when, and what is said of it.

A predicted conflict is told once for each pair and set of paths, and so is its end; what was told last is in a file
that ``status`` reads, and by which the next coordinator knows. Nothing is compared where nothing can conflict: one
agent alone, on a target that has not moved, costs nothing, and neither do agents that are done before the first look at
them is due. A round that takes long makes the next one come later.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import worktree_of
from gitfleet.coordinator.radar.pausing import Pausing
from gitfleet.coordinator.radar.worker import Order, Side, Worker
from gitfleet.git.command import GitFailed
from gitfleet.git.refs import short
from gitfleet.integrate.radar.scratch import sweep
from gitfleet.model.base import decode, encode
from gitfleet.model.event import EventKind
from gitfleet.model.paths import quote_path
from gitfleet.model.radar import RadarPolicy
from gitfleet.model.reports import Prediction, Predictions
from gitfleet.model.run import RunState
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, read_regular, write_durable

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.radar.worker import Outcome
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

SHARE = 20
"""A round is followed by at least so many times its own length without one: a twentieth of a core."""

PATHS = 20
"""Paths of one prediction that are kept."""

_COMPARED = frozenset({RunState.RUNNING, RunState.GATED, RunState.VERIFIED})


@dataclass(slots=True)
class RadarWatch:
    """One session's radar; only the coordinator's own thread calls it."""

    parts: Parts
    books: Books
    predictions: tuple[Prediction, ...] = ()
    _worker: Worker = field(init=False)
    _pausing: Pausing = field(init=False)
    _ordered: Order | None = None
    _due: float = 0.0
    _told: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know what was told before."""
        self._worker = Worker(self.parts.repository, self.parts.layout, fold=self.parts.fold)
        self._pausing = Pausing(self.parts, self.books)
        with suppress(OSError, *UNREADABLE):
            known = decode(read_regular(self._file), Predictions).predictions
            self.predictions = tuple(row for row in known if row.task in self.books.runs)
        self._due = self.parts.monotonic() + self.parts.config.radar.every_seconds

    @property
    def _file(self) -> Path:
        return self.parts.layout.predictions(self.books.session.id)

    def look(self, *, ending: bool) -> None:
        """Take in what was found, act on it, and have somebody look again when it is time to; never waits."""
        policy = self.parts.config.radar.policy
        if policy is RadarPolicy.OFF:
            return
        outcome = self._worker.take()
        if outcome is not None and self._ordered is not None:
            self._found(self._ordered, outcome)
        self._forget_what_ended()
        if ending:
            self._pausing.stand_down()
            return
        if policy is RadarPolicy.PAUSE_LATER:
            self._pausing.apply(self.predictions)
        now, young = self.parts.monotonic(), self._young()
        if self._ordered is None and now >= self._due:
            self._due = now + self.parts.config.radar.every_seconds
            order = self._order(young)
            if order is not None:
                self._ordered = order
                self._worker.order(order)

    def close(self) -> None:
        """Let everybody go on, and take away what only a running session needs."""
        self._pausing.stand_down()
        self._worker.close()
        # What a killed coordinator left goes even where nobody had anything to compare since.
        with suppress(OSError):
            sweep(self.parts.layout.radar)
        self._file.unlink(missing_ok=True)

    def _order(self, young: set[str]) -> Order | None:
        """What there is to compare; none where nobody could conflict with anybody."""
        runs = [run for run in self._in_order() if run.state in _COMPARED and run.instance not in young]
        working = any(run.state is RunState.RUNNING for run in runs)
        if not working or (len(runs) == 1 and self._target() == runs[0].base):
            return None
        sides = [
            Side(run.task, worktree_of(self.parts, run), "", f"{run.instance}.{len(run.attempts)}")
            if run.state is RunState.RUNNING
            else Side(run.task, None, run.tip)
            for run in runs
        ]
        return Order(tuple(sides), self.books.session.target)

    def _young(self) -> set[str]:
        """Instances at work that nobody looks at yet; most attempts of some seconds never pay for it."""
        now = self.parts.monotonic()
        running = {run.instance for run in self.books.runs.values() if run.state is RunState.RUNNING}
        self._since = {instance: self._since.get(instance, now) for instance in running}
        return {
            instance for instance, since in self._since.items() if now - since < self.parts.config.radar.every_seconds
        }

    def _target(self) -> str | None:
        try:
            return self.parts.objects.resolve(self.books.session.target)
        except GitFailed:
            return None

    def _in_order(self) -> list[Run]:
        """Runs as they started; those that started together as the plan has them."""
        place = {task.id: number for number, task in enumerate(self.books.plan.tasks)}
        started = [run for run in self.books.runs.values() if run.attempts]
        return sorted(started, key=lambda run: (run.attempts[-1].started, place.get(run.task, 0)))

    # -- what was found ------------------------------------------------------------------------------------------

    def _found(self, order: Order, outcome: Outcome) -> None:
        self._ordered = None
        self._due = max(self._due, self.parts.monotonic() + SHARE * outcome.seconds)
        if outcome.broken:
            self._fail("", f"the conflict radar does not work now: {outcome.broken}")
            return
        for task, why in outcome.unread.items():
            self._fail(task, f"the conflict radar does not see what {task} does: {why}")
        rows = [row for row in self.predictions if self._is_between(row)]
        kept = {_pair(row) for row in rows}
        for (earlier, later), conflict in outcome.conflicts.items():
            run, other = self.books.runs[later], self.books.runs.get(earlier)
            if run.state not in _COMPARED or (other is not None and other.state not in _COMPARED):
                continue
            row = Prediction(
                task=later,
                instance=run.instance,
                other=earlier or short(order.target),
                other_instance=other.instance if other is not None else "",
                paths=tuple(map(quote_path, conflict.paths[:PATHS])),
                kinds=conflict.kinds,
            )
            if _pair(row) not in kept:
                rows.append(row)
        self._say(tuple(rows))

    def _is_between(self, row: Prediction) -> bool:
        """Whether what is known must do, since one of the two is being collected and nobody can look at it."""
        pair = [self.books.runs[task] for task in (row.task, row.other) if task in self.books.runs]
        return any(run.state is RunState.FINISHED for run in pair)

    def _forget_what_ended(self) -> None:
        """Take back what was said of runs that are over or started anew: others would wait for them."""
        runs = [run for run in self.books.runs.values() if run.instance]
        over = {run.instance for run in runs if run.sealed or run.state is RunState.QUEUED}
        left = tuple(row for row in self.predictions if not {row.instance, row.other_instance} & over)
        if left != self.predictions:
            self._say(left)

    def _say(self, rows: tuple[Prediction, ...]) -> None:
        """Tell what is new and what is no more, then write down that it was told."""
        before = {_pair(row): row for row in self.predictions}
        after = {_pair(row): row for row in rows}
        for pair, row in after.items():
            if pair not in before or before[pair].paths != row.paths:
                words = f"{row.task} and {row.other} would conflict in {', '.join(row.paths) or 'every file'}"
                self._event(row, f"{words} ({', '.join(row.kinds)})", "predicted")
        for pair, row in before.items():
            if pair not in after:
                self._event(row, f"{row.task} and {row.other} {self._why_gone(row)}", "cleared")
        if rows != self.predictions:
            self.predictions = rows
            with suppress(OSError):  # it is told again by the next coordinator, at worst
                make_directory(self._file.parent)
                write_durable(self._file, encode(Predictions(predictions=rows)))

    def _why_gone(self, row: Prediction) -> str:
        for task in (row.task, row.other):
            run = self.books.runs.get(task)
            if run is not None and (run.sealed or run.state is RunState.QUEUED):
                return f"are not compared any more: {task} is {run.state.value}"
        return "would no longer conflict"

    def _event(self, row: Prediction, message: str, status: str) -> None:
        self.books.event(EventKind.CONFLICT_PREDICTED, message, run=self.books.runs[row.task], status=status)

    def _fail(self, key: str, message: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.books.event(EventKind.ERROR, message, status="radar")


def _pair(row: Prediction) -> tuple[str, str, str]:
    return row.instance, row.other, row.other_instance
