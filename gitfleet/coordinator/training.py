"""The train of one session, as its coordinator sees it: at most one under way, in a worker thread.

What a train is and does is ``integrate.train``'s; what becomes of its runs is ``settling_trains``'s. A train that is
under way works on the books as they were when it started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.attempt.setting_up import ReadyFirst
from gitfleet.coordinator.closing import Halt
from gitfleet.coordinator.messages import IntegratedMessage
from gitfleet.coordinator.trains.deciding import Decided
from gitfleet.coordinator.trains.integration import Integration
from gitfleet.coordinator.trains.integration_worktree import open_integration
from gitfleet.coordinator.trains.remembering import Remembering
from gitfleet.integrate import landing, train
from gitfleet.integrate.verify import Interrupted, describe_red
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState
from gitfleet.planner.graph import in_order
from gitfleet.planner.retries import CHECK_FAILED, suffices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.coordinator.observer import Interrupts
    from gitfleet.coordinator.settling_trains import SettlingTrains
    from gitfleet.coordinator.workers import Workers
    from gitfleet.model.plan import Task
    from gitfleet.model.session import PendingLanding, Session
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope


_WAITING = frozenset({RunState.GATED, RunState.VERIFIED})


@dataclass(slots=True)
class Training:
    """Starts trains and takes in their ends; ``activity`` is what the one under way does, in words.

    ``rest`` were ready with the batch under way, or the last one, and ride next.
    """

    parts: Parts
    books: Books
    scopes: Mapping[str, Scope]
    settling: SettlingTrains
    checks: CheckRunner
    workers: Workers
    interrupts: Interrupts
    under_way: bool = False
    activity: str = ""
    rest: tuple[str, ...] = ()

    def ready(self) -> tuple[str, ...]:
        """Runs that may ride now, dependencies first, then as in the plan; not those that need one which may not."""
        runs, plan = self.books.runs, self.books.plan
        found: dict[str, Task] = {}
        for task in in_order([task for task in plan.tasks if runs[task.id].state in _WAITING]):
            if all(name in found or suffices(plan.task(name), runs[name].state) for name in task.depends_on):
                found[task.id] = task
        return tuple(found)

    def go_on(self) -> bool:
        """Start with what the batch before left, whatever else its wave still waits for; false when that is nothing."""
        rest = set(self.rest)
        batch = tuple(task for task in self.ready() if task in rest)
        if batch:
            self.start(batch)
        return bool(batch)

    def start(self, ready: tuple[str, ...]) -> None:
        """Take runs, in this order, to the target: as many at once as is worth it; the others are the ``rest``."""
        landed = sum(run.merge is not None for run in self.books.runs.values())
        failed = [attempt.outcome for run in self.books.runs.values() for attempt in run.attempts].count(CHECK_FAILED)
        size = train.batch_size(landed, failed)
        batch, self.rest = ready[:size], ready[size:]
        for task in batch:
            if self.books.runs[task].state is RunState.VERIFIED:
                self.books.advance(task, RunState.GATED)
        work = self._integration()
        self.under_way = True
        self.workers.submit(lambda: IntegratedMessage(work, work.run(batch)))

    def land_again(self, pending: PendingLanding) -> None:
        """Try a landing once more that was decided, verified, and kept from happening."""
        work = self._integration()
        runs = {**work.runs, **{run.task: run for run in pending.runs}}
        work.decided = Decided(pending.session, runs, pending.wave_text)
        self.under_way = True
        self.workers.submit(lambda: IntegratedMessage(work, work.land_again(pending)))

    def publish(self, closed: Session) -> None:
        """Land the records alone, for a session that closes without a landing that could carry them."""
        base = self.parts.refs.read(closed.target)
        outcome = self._integration().publish(base, closed) if base is not None else None
        if outcome is not None and not isinstance(outcome, landing.Landed):
            self.books.event(EventKind.ERROR, "the records were not published now; the next landing carries them")

    def _integration(self) -> Integration:
        git = open_integration(self.parts, self.books.session)
        return Integration(
            parts=self.parts,
            session=self.books.session,
            plan=self.books.plan,
            runs=dict(self.books.runs),
            scopes=dict(self.scopes),
            runner=ReadyFirst(self.parts, self.checks).one,
            git=git,
            memory=Remembering(self.parts, self.books.session, self.checks, git),
            say=self._say,
            leaving=lambda: self.interrupts.requested,
        )

    def _say(self, activity: str) -> None:
        self.activity = activity

    def ended(self, message: IntegratedMessage) -> Halt | None:
        """Write into the books what a train came to; why the session must stop because of it, if it must."""
        self.under_way = False
        self.activity = ""
        if message.work.memory.note:
            self.books.event(EventKind.VERIFY, message.work.memory.note, status="not-remembered")
        outcome = message.outcome
        match outcome:
            case None:
                self.settling.forget_landing()
            case train.Landed():
                self.settling.landed(message.work, outcome.commit)
            case train.NothingLands():
                self.settling.nothing_lands(outcome)
            case train.BaseRed():
                red = outcome.verification.blamed
                self.books.event(EventKind.VERIFY, f"the target is red: {describe_red(red)}", status="base-red")
                branch = self.books.session.target.removeprefix("refs/heads/")
                return Halt(f"{branch} itself fails: {red.run}")
            case train.Stopped():
                self.settling.stopped(message.work, outcome)
                return Halt(outcome.message)
            case Interrupted():
                self.books.event(EventKind.VERIFY, "integration was interrupted", status="interrupted")
            case _:
                assert_never(outcome)
        return None
