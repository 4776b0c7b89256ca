"""Whether a failed attempt is made again, when, and with which prompt: pure, with randomness passed in.

Four failures lead to another attempt. What was not the task's doing (``transport``: an agent that did not start or was
lost, a worktree that could not be set up) is tried again after a wait, within the policy. An attempt that ran out of
time while others wait for its task is made once more with a reduced prompt. What passed its gate and then met the work
of others, in a merge or in the checks of a candidate, is made again at once on what the target is by then, and told
what happened. An account that met a limit is waited for until its reset, which uses up no attempt: the run goes on then
where it stopped. Where the agent's program can go on with its own session after a broken connection, it does that too;
``going_on`` is a wish, and whoever starts the attempt finds out whether it can be. What the task itself got wrong, and
what a gate or its own check refused, would only be got wrong again: it is for people.

The wait before attempt n+1 lies in the upper half of ``initial * multiplier ** (n - 1)`` (equal jitter): a whole wave
that the machine failed does not come back in one instant, and still each gives the machine at least half of the wait,
which full jitter would not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, final

from gitfleet.model.base import seconds_of
from gitfleet.model.plan import TaskKind
from gitfleet.model.run import SEALED, FailureSource, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitfleet.model.evidence import Attempt
    from gitfleet.model.plan import Plan, Task
    from gitfleet.model.retry import RetryConfig
    from gitfleet.model.run import Failure, Run

SET_UP = frozenset({"prepare-failed", "setup-failed"})
"""Codes of failures that came before anything of the task ran: they may always be tried again."""

NOT_BEGUN = SET_UP | {"spawn-failed"}
"""Codes of failures after which nothing of the task can have been done."""

DEADLINE = "deadline"

CHECK_FAILED = "check-failed"
"""Code of a run that a train ejected because it turned the checks red."""

MET_OTHERS = {CHECK_FAILED: "it turned the checks red", "conflict": "it conflicted"}
"""What an attempt may still fail of once it passed its gate, as clauses: what the next one starts from may differ."""

LIMITED = frozenset({"rate-limited", "usage-limit"})
"""Codes of an account that met a limit."""

DENIED = "permission-denied"
"""Code of an agent that was not allowed to use a tool."""

INTERRUPTED = "interrupted"
"""Code of an agent that ended because somebody interrupted it."""

AUTH = "auth"
"""Code of an account that its vendor does not let in: another attempt with it would not be, either."""

NOT_RESUMED = "not-resumed"
"""Code of an attempt that was to go on with a session of its program and could not; the next one starts clean."""

RESUMABLE = LIMITED | {"network", "model-error", "no-end-event", "killed", "lost"}
"""Codes after which a session of the agent's program is as good as it was, and may be gone on with."""

LIMITS_IN_A_ROW = 20
"""After so many attempts in a row that met a limit nobody believes in its reset any more."""

_UNCOUNTED = frozenset({"", "success", INTERRUPTED, "stopped", "restarted", DENIED, NOT_RESUMED}) | LIMITED
"""Outcomes that use up no attempt: none was recorded, it came to its end, somebody stopped it, or it has to wait."""


@final
@dataclass(frozen=True, slots=True)
class Retry:
    """The run is queued again: not before ``after_seconds`` from now, and ``reduced`` after a timeout.

    ``going_on``: where it stopped, with the session of the agent's program, as far as that can be.
    """

    after_seconds: float
    reduced: bool
    why: str
    going_on: bool = False


@final
@dataclass(frozen=True, slots=True)
class Final:
    """The run is over; ``why`` is a clause behind `not retried: `."""

    why: str


def decide(  # noqa: PLR0911 - a reason each
    run: Run,
    failure: Failure,
    task: Task,
    policy: RetryConfig,
    *,
    dependents: Sequence[str],
    random: float,
    reset: float | None = None,
    elsewhere: bool = False,
) -> Retry | Final:
    """Decide on a run whose last attempt, recorded with its outcome, ended in ``failure``.

    ``policy`` is the config's with the task's own on top. ``dependents`` are tasks that still wait for this one.
    ``random`` is in [0, 1). ``reset`` is how many seconds from now a limit ends that it met, where that is known;
    ``elsewhere`` says that another account could do it.
    """
    spent = counted(run.attempts)
    left = policy.max_attempts - spent
    used_up = f"all {policy.max_attempts} attempts are used up" if policy.max_attempts > 1 else "max_attempts is 1"
    if failure.code == DEADLINE:
        return _timed_out(run, task, left, used_up, dependents)
    if failure.code == NOT_RESUMED:
        return Retry(0.0, run.reduced, failure.message)
    if failure.code in LIMITED and task.retry_safe:
        return _limited(run, failure, policy, random, reset)
    if failure.code == AUTH and not elsewhere:
        return Final("its account is not let in, and would not be again")
    met = MET_OTHERS.get(failure.code)
    if failure.source is not FailureSource.TRANSPORT and met is None:
        return Final(f"{_OWN} {_BLAME[failure.source]}, and would come again")
    if not task.retry_safe and failure.code not in SET_UP:
        return Final("the task is not retry_safe")
    if left <= 0:
        return Final(used_up)
    if met is not None:
        return Retry(0.0, run.reduced, met)
    return Retry(backoff(policy, spent, random), run.reduced, failure.message, going_on=failure.code in RESUMABLE)


def _limited(run: Run, failure: Failure, policy: RetryConfig, random: float, reset: float | None) -> Retry | Final:
    """Wait for the reset, and longer each time that it was not one; without a reset as after any failure."""
    row = sum(1 for _ in takewhile(lambda one: one.outcome in LIMITED, reversed(run.attempts)))
    if row >= LIMITS_IN_A_ROW:
        return Final(f"{row} attempts in a row met a limit")
    wait = backoff(policy, row, random)
    if reset is not None:
        wait = max(reset + min(wait, _AFTER_RESET) * random, wait if row > 1 else 0.0)
    return Retry(round(wait, 3), run.reduced, failure.message, going_on=True)


_AFTER_RESET = 5.0
"""Seconds over which runs that waited for the same reset come back."""

_OWN = "the failure is the"
_BLAME = {
    FailureSource.TASK: "task's own",
    FailureSource.VERIFIER: "verdict of a check",
    FailureSource.NEEDS_PERSON: "business of a person",
}


def _timed_out(run: Run, task: Task, left: int, used_up: str, dependents: Sequence[str]) -> Retry | Final:
    if is_survey(task):
        return Final("research that ran out of time hands on what it has")
    if not dependents:
        return Final("it ran out of time and no task waits for it")
    if run.reduced:
        return Final("it ran out of time with the reduced prompt too")
    if not task.retry_safe:
        return Final("the task is not retry_safe")
    if left <= 0:
        return Final(used_up)
    return Retry(0.0, reduced=True, why=f"it ran out of time, and {_names(dependents)} for it")


def worth_telling(attempt: Attempt) -> bool:
    """Whether people should read what became of a failed attempt.

    Not that failures of a task are never retried, nor that an attempt which a person stopped is made again.
    """
    if attempt.outcome in _UNCOUNTED:
        return False
    return bool(attempt.retry) and not attempt.retry.startswith(f"not retried: {_OWN}")


def backoff(policy: RetryConfig, failures: int, random: float) -> float:
    """Seconds to wait after so many failed attempts (from 1): between half of the policy's wait and the whole."""
    wait = policy.initial_backoff_seconds
    for _ in range(1, failures):
        if wait >= policy.max_backoff_seconds:
            break
        wait *= policy.backoff_multiplier
    wait = min(wait, policy.max_backoff_seconds)
    return round(wait / 2 + wait / 2 * random, 3)


def counted(attempts: Iterable[Attempt]) -> int:
    """How many of these attempts count against the policy: those that failed by themselves."""
    return sum(attempt.outcome not in _UNCOUNTED for attempt in attempts)


def seconds_left(run: Run, now: float) -> float:
    """How long a queued run still waits; never longer than was decided, should the clock have gone back."""
    longest = max(0.0, run.backoff_seconds or 0.0)
    try:
        return min(max(0.0, seconds_of(run.not_before) - now), longest)
    except ValueError:
        # Not an instant: the file was damaged, and what is left of it still bounds the wait.
        return longest


def is_survey(task: Task) -> bool:
    """Whether a task is read-only research, whose report is all that others need of it."""
    return task.kind is TaskKind.RESEARCH and not task.scope


def suffices(task: Task, state: RunState) -> bool:
    """Whether those that depend on a task may go on: it landed, or is research that handed on what it had."""
    return state is RunState.LANDED or (state is RunState.TIMED_OUT and is_survey(task))


def waiting_for(plan: Plan, runs: Mapping[str, Run], task: str) -> tuple[str, ...]:
    """Tasks that depend on this one directly and may still run, in plan order."""
    return tuple(
        other.id
        for other in plan.tasks
        if task in other.depends_on and other.id in runs and runs[other.id].state not in SEALED
    )


def limited(run: Run) -> bool:
    """Whether a queued run waits for the end of a limit: of an account, not of its wave."""
    return bool(run.not_before) and bool(run.attempts) and run.attempts[-1].outcome in LIMITED


def left_out(run: Run) -> bool:
    """Whether a queued run was left out of the wave that it is in, because its worktree could not be set up."""
    if run.state is not RunState.QUEUED or not run.attempts:
        return False
    last = run.attempts[-1]
    return last.outcome in SET_UP and last.wave == run.wave


def _names(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:3]) + (f" and {len(tasks) - 3} more" if len(tasks) > 3 else "")
    return f"{shown} {'waits' if len(tasks) == 1 else 'wait'}"
