"""Pure: a run whose agent was not allowed to use a tool, as it waits for a person.

It has not failed: it is put back into the queue, keeps its claim, its worktree and its branch, and uses up no attempt.
What depends on it waits, and everything else goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.model.parking import Parked, Permission
from gitfleet.model.run import Failure, FailureSource, requeue
from gitfleet.planner.retries import DENIED

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.run import Run

MOST_SHOWN = 10
ARGUMENT_CHARACTERS = 2000


def parks(failure: Failure) -> bool:
    """Whether a failure is none, but a question to a person."""
    return failure.code == DENIED and failure.source is FailureSource.NEEDS_PERSON


def parked(run: Run, failure: Failure, told: Transcript | None, at: str) -> Run:
    """The run whose last attempt was denied something, as it waits for a person."""
    last = run.attempts[-1]
    denied = dict.fromkeys((one.tool, one.argument[:ARGUMENT_CHARACTERS]) for one in (told.denied if told else ()))
    waits = Parked(
        denied=tuple(Permission(tool=tool, argument=argument) for tool, argument in list(denied)[:MOST_SHOWN]),
        cli_session=last.cli_session,
        account=last.account,
        since=at,
    )
    last = msgspec.structs.replace(
        last,
        outcome=failure.code,
        message=failure.message,
        ended=last.ended or at,
        retry="parked: it goes on when a person permits it",
        handoff=run.handoff,
        files=run.files,
    )
    claim = run.claim
    return msgspec.structs.replace(
        requeue(run, attempts=(*run.attempts[:-1], last)), parked=waits, claim=claim, going_on=True
    )


def sentence(run: Run) -> str:
    """What a parked run waits for, and the command that lets it go on."""
    what = run.parked.words if run.parked else ""
    return f"{run.task} was not allowed to use {what}: `gitfleet approve {run.instance}` lets it, and it goes on"
