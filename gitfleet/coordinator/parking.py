"""What people say to the parked runs of a session: approved, or denied.

Every answer is one write of the run's own record, so a crash leaves a run that is parked, or one that is not; a claim
that nobody holds any more is released by whoever looks next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import msgspec

from gitfleet.coordinator.parked import goes_on
from gitfleet.coordinator.sealing import failed_run
from gitfleet.model.event import EventKind
from gitfleet.model.request import Permit, Reply
from gitfleet.model.run import Failure, FailureSource, RunState
from gitfleet.planner.retries import DENIED, INTERRUPTED

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.settling import Settling
    from gitfleet.model.parking import Parked
    from gitfleet.model.request import Request
    from gitfleet.model.run import Run


@dataclass(frozen=True, slots=True)
class Parking:
    """What people say to the parked runs of one session."""

    books: Books
    settling: Settling

    def answer(self, request: Request, permit: Permit) -> Reply:
        """Do what a person says of a parked run."""
        run = self.books.runs.get(request.task)
        if run is None:
            return _refusal(request, "unknown-task", f"The session has no task {request.task}.")
        if run.parked is None:
            return _refusal(request, "not-parked", f"{run.task} is {run.state} and waits for no permission.")
        match permit:
            case Permit.APPROVE:
                return self._approve(request, run, run.parked)
            case Permit.DENY:
                return self._deny(request, run, run.parked)
            case _:
                assert_never(permit)

    def _approve(self, request: Request, run: Run, waits: Parked) -> Reply:
        if waits.approved:
            return Reply(id=request.id, task=run.task, message=f"{run.task} was approved already, and goes on.")
        known = {one.key for one in run.grants}
        grants = (*run.grants, *(one for one in waits.permitted if one.key not in known))
        run = self.books.record(run.task, grants=grants, parked=msgspec.structs.replace(waits, approved=True))
        message = goes_on(run.task, waits)
        self.books.event(EventKind.CONTROL, message, run=run, status="approved")
        return Reply(id=request.id, task=run.task, message=f"{message}.")

    def _deny(self, request: Request, run: Run, waits: Parked) -> Reply:
        code, message = DENIED, f"A person denied it {waits.words}, which it asked for."
        said = f"it was denied {waits.words}"
        if waits.interrupted:
            code, message = INTERRUPTED, "It was interrupted, and a person ended it."
            said = "it was interrupted, and does not go on"
        failure = Failure(source=FailureSource.NEEDS_PERSON, code=code, message=message)
        over = self.books.replace(failed_run(run, RunState.FAILED, failure, self.books.now()))
        self.settling.over([over])
        return Reply(id=request.id, task=run.task, message=f"{run.task} is over: {said}.")


def _refusal(request: Request, code: str, message: str) -> Reply:
    return Reply(id=request.id, task=request.task, error=code, message=message)
