"""Retries of one session: what a failure leads to, and which queued runs must not start yet.

Whether there is another attempt is decided by ``planner.retries``; here the decision meets books and clocks. A run that
waits for its next attempt is queued and holds no claim: nobody writes for it, and it starts clean from the target as it
is then. The wait is measured by a clock that does not jump, and after a restart of the coordinator it is never longer
than it was to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from gitfleet.coordinator.accounts import another_ready
from gitfleet.model.base import instant
from gitfleet.model.reports import waiting_run
from gitfleet.model.run import RunState, record
from gitfleet.planner.retries import (
    AUTH,
    LIMITED,
    SET_UP,
    Final,
    Retry,
    decide,
    left_out,
    limited,
    seconds_left,
    waiting_for,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gitfleet.agents.transcript import Transcript
    from gitfleet.coordinator.books import Books
    from gitfleet.model.plan import Plan
    from gitfleet.model.reports import WaitingRun
    from gitfleet.model.retry import RetryConfig
    from gitfleet.model.run import Failure, Run
    from gitfleet.parts import Parts


@dataclass(slots=True)
class Retrying:
    """What is to be tried again in one session, and when."""

    parts: Parts
    books: Books
    _due: dict[str, tuple[str, float]] = field(default_factory=dict)

    def judge(self, run: Run, failure: Failure, told: Transcript | None = None) -> tuple[Run, Retry | Final]:
        """Decide on a run that failed; gives the run with what its last attempt's record says of it.

        ``told`` is what its agent's program said, such as when a limit ends.
        """
        config, random, books = self.parts.config.retry, self.parts.random(), self.books
        limit = told.limit if told else None
        reset = limit.resets - self.parts.now() if limit and limit.hard and limit.resets is not None else None
        elsewhere = failure.code in LIMITED | {AUTH} and another_ready(self.parts, books.plan.task(run.task), run)
        return judged(
            run,
            failure,
            books.plan,
            books.runs,
            config,
            random=random,
            at=books.now(),
            reset=0.0 if elsewhere else reset,
            elsewhere=elsewhere,
        )

    def facts(self, decision: Retry) -> dict[str, object]:
        """What the books say of a run that is queued for another attempt."""
        wait = decision.after_seconds
        until = {"not_before": instant(self.parts.now() + wait), "backoff_seconds": wait} if wait else {}
        return {"reduced": decision.reduced, "going_on": decision.going_on, **until}

    def resting(self) -> Collection[str]:
        """Queued tasks that must not start now: those that wait, and those left out of their wave.

        A task is left out of a wave for as long as the wave has others that go on without it.
        """
        left = self.left_out()
        company = {
            run.wave for run in self.books.runs.values() if not run.sealed and not run.waiting and run.task not in left
        }
        alone = {task for task in left if self.books.session.rolling or self.books.runs[task].wave not in company}
        return (left - alone) | {task for task, run in self.books.runs.items() if run.waiting or self.seconds_left(run)}

    def waiting(self) -> tuple[WaitingRun, ...]:
        """Runs that wait for their next attempt, and how long each still waits."""
        left = ((run, self.seconds_left(run)) for run in self.books.runs.values())
        return tuple(waiting_run(run, seconds) for run, seconds in left if seconds)

    def left_out(self) -> set[str]:
        """Tasks whose worktree could not be set up in the wave that they are in."""
        return {task for task, run in self.books.runs.items() if left_out(run)}

    def behind(self) -> set[str]:
        """Tasks that the rest of their wave does not wait for: left out of it, or waiting for the end of a limit."""
        return self.left_out() | {task for task, run in self.books.runs.items() if limited(run)}

    def seconds_left(self, run: Run) -> float:
        """How long a queued run still waits for its next attempt; 0 when it does not."""
        if not run.not_before or run.state is not RunState.QUEUED:
            self._due.pop(run.task, None)
            return 0.0
        known = self._due.get(run.task)
        if known is None or known[0] != run.not_before:
            left = seconds_left(run, self.parts.now())
            known = self._due[run.task] = run.not_before, self.parts.monotonic() + left
        return max(0.0, known[1] - self.parts.monotonic())


def judged(  # noqa: PLR0913 - what a decision follows from
    run: Run,
    failure: Failure,
    plan: Plan,
    runs: Mapping[str, Run],
    config: RetryConfig,
    *,
    random: float,
    at: str,
    reset: float | None = None,
    elsewhere: bool = False,
) -> tuple[Run, Retry | Final]:
    """As ``Retrying.judge``, for books that the caller holds still."""
    last = run.attempts[-1]
    run = _noted(run, outcome=failure.code, message=failure.message, ended=last.ended or at)
    task = plan.task(run.task)
    policy = task.retry_policy.over(config) if task.retry_policy else config
    waiting = waiting_for(plan, runs, run.task)
    decision = decide(run, failure, task, policy, dependents=waiting, random=random, reset=reset, elsewhere=elsewhere)
    if isinstance(decision, Final):
        run = _noted(run, retry=f"not retried: {decision.why}")
    return run, decision


def _noted(run: Run, **facts: object) -> Run:
    return record(run, attempts=(*run.attempts[:-1], msgspec.structs.replace(run.attempts[-1], **facts)))


def sentence(run: Run, decision: Retry) -> str:
    """Say that a run waits for its next attempt, and how long."""
    number = len(run.attempts) + 1
    if not decision.after_seconds:
        how = f"goes into attempt {number}" + (" with a reduced prompt" if decision.reduced else "")
    else:
        how = f"waits {math.ceil(decision.after_seconds)} s before attempt {number}"
    return f"{run.task} {how}: {decision.why.rstrip('.')}"


def is_gap(failure: Failure) -> bool:
    """Whether a wave goes on without the run, because its worktree could not be set up."""
    return failure.code in SET_UP
