"""Attempts under way: from the tree that was made ready, by the end of the agent, to the evidence that is taken in.

Each step is what a worker thread told; what becomes of the run then is ``settling``'s. A step gives why the session
must stop, if it must, and never starts another attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.attempt import attempts
from gitfleet.coordinator.attempt.collecting import Unchecked, collect
from gitfleet.coordinator.attempt.preparing import Unprepared
from gitfleet.coordinator.attempt.setting_up import INTERRUPTED
from gitfleet.coordinator.closing import Halt, nothing_can_run
from gitfleet.coordinator.machine import Refused
from gitfleet.coordinator.messages import CollectedMessage, EndedMessage
from gitfleet.model.event import EventKind
from gitfleet.model.run import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.checks import CheckRunner
    from gitfleet.coordinator.control.shutdown import Shutdown
    from gitfleet.coordinator.control.steering import Steering
    from gitfleet.coordinator.messages import PreparedMessage
    from gitfleet.coordinator.settling import Settling
    from gitfleet.coordinator.tracking import Tracker
    from gitfleet.coordinator.workers import Workers
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.runtime.hosts.base import Handle


@dataclass(slots=True)
class Running:
    """Takes the attempts of one session from step to step."""

    parts: Parts
    books: Books
    scopes: Mapping[str, Scope]
    settling: Settling
    steering: Steering
    shutdown: Shutdown
    checks: CheckRunner
    tracker: Tracker
    workers: Workers

    def adopt(self, task: str, handle: Handle) -> None:
        """Take up an attempt that runs, or ended while nobody looked."""
        run = self.books.runs[task]
        self.tracker.started(run, attempts.worktree_of(self.parts, run))
        self.workers.submit(lambda: EndedMessage(task, self.parts.host.wait(handle)))

    def prepared(self, message: PreparedMessage, halt: Halt | None) -> Halt | None:
        """Start the agent in the tree that is ready, unless the session stops by now."""
        task, result = message.task, message.result
        if isinstance(result, Refused):
            self.settling.requeue(task, "the machine could not prepare its worktree")
            return halt or Halt(result.why)
        self.settling.set_aside(result.notes)
        if halt is not None or (isinstance(result, Unprepared) and result.failure.code == INTERRUPTED):
            # Also where it was not prepared: what is being stopped is not judged.
            self.settling.requeue(task, "it had not started yet")
            return halt
        if isinstance(result, Unprepared):
            self.settling.fail(task, RunState.FAILED, result.failure)
            return nothing_can_run(self.books, task)
        run = self.books.advance(task, RunState.RUNNING)
        self.books.event(EventKind.AGENT_START, f"{task} started ({run.instance})", run=run, status="running")
        self.tracker.started(run, result.worktree)
        spec = result.spec
        self.workers.submit(lambda: EndedMessage(task, attempts.execute(self.parts, spec)))
        return None

    def ended(self, message: EndedMessage) -> None:
        """Write down how the agent ended, and have its evidence collected, at once or once the session stopped."""
        task = message.task
        run = self.books.runs[task]
        self.tracker.ended(run)
        last = msgspec.structs.replace(run.attempts[-1], exit=message.exit, ended=self.books.now())
        if run.state is not RunState.FINISHED:
            run = self.books.advance(task, RunState.FINISHED, attempts=(*run.attempts[:-1], last))
        if message.exit.reason == "deadline":
            self.books.event(EventKind.TIMEOUT, f"{task} was stopped at its deadline", run=run, status="timed-out")
        document, scope, target = self.books.plan.task(task), self.scopes[task], self.books.session.target

        def collecting() -> None:
            self.workers.submit(
                lambda: CollectedMessage(
                    task, collect(self.parts, document, run, scope, message.exit, self.checks, target=target)
                )
            )

        if not self.shutdown.hold(task, collecting):
            collecting()

    def collected(self, message: CollectedMessage, halt: Halt | None) -> Halt | None:
        """Take in what an attempt left."""
        if isinstance(message.work, Unchecked | Refused):
            # It stays finished: `continue` collects it again and runs its checks from the first one on.
            self.shutdown.kept(message.task)
            return halt or (Halt(message.work.why) if isinstance(message.work, Refused) else None)
        again = self.steering.ended_by_person(message.task, message.work.exit)
        self.settling.collected(message.task, message.work, again=again)
        self.shutdown.kept(message.task)
        return halt or nothing_can_run(self.books, message.task)
