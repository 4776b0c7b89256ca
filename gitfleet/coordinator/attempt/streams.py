"""What an agent's program said in its own stream, read from the log of the attempt.

Everything here follows from the log and from what the attempt started with, so that whoever reads it finds the same.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.agents.transcript import Follower, read_whole
from gitfleet.model.run import Failure, FailureSource
from gitfleet.model.usage import added
from gitfleet.planner.budgets import Amount, overrun, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.agents.base import Agent
    from gitfleet.agents.transcript import Reader, Transcript
    from gitfleet.model.evidence import Attempt, Exit
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.runtime.hosts.base import Handle

PIECE_BYTES = 1 << 20
"""How much of the stream of an attempt that runs is read at once."""


def reader_of(agent: Agent, attempts: Sequence[Attempt]) -> Reader | None:
    """A reader for the last of these attempts of one run; none for an agent whose output is text."""
    continues = attempts[-1].continues
    before = added(one.usage.tokens for one in attempts[:-1] if one.usage and one.cli_session == continues)
    return agent.reader(resumed=bool(continues), before=before if continues else None)


def transcript(parts: Parts, handle: Handle, agent: Agent, attempts: Sequence[Attempt]) -> Transcript | None:
    """Read the whole stream of the last of these attempts, which is over; none for an agent whose output is text.

    A log that cannot be read says nothing: that its stream is not whole is said then.
    """
    reader = reader_of(agent, attempts)
    if reader is None:
        return None

    def log(offset: int, size: int) -> tuple[int, bytes]:
        found = parts.host.log(handle, offset, size)
        return found.offset, found.data

    with suppress(OSError):
        return read_whole(reader, log)
    lost = Follower(reader).finish()
    lost.whole = False
    return lost


def read_on(parts: Parts, handle: Handle, follower: Follower) -> None:
    """Read one bounded piece more of the stream of an attempt that runs."""
    with suppress(OSError):  # not written yet, or gone: at its end it is told whether it was whole
        piece = parts.host.log(handle, follower.offset, PIECE_BYTES)
        if piece.data:
            follower.feed(piece.offset, piece.data)


def amount(told_so_far: Transcript | None) -> Amount:
    """How much a stream says was used; dollars as far as they are told."""
    if told_so_far is None:
        return Amount()
    return Amount(
        tokens=told_so_far.tokens,
        tool_calls=told_so_far.tool_calls,
        usd=sum(used.tokens.cost_usd or 0 for used in told_so_far.used.values()),
        turns=told_so_far.turns,
    )


def used_up(run: Run, agent: str, exit_: Exit, stream: Transcript | None) -> Failure | None:
    """The failure of an attempt that was ended because its budget was used up; none where something else ended it."""
    budget = run.attempts[-1].budget
    if budget is None:
        return None
    if exit_.reason == "budget":
        over = overrun(budget, amount(stream))
        what = over.sentence if over else "it had used up its budget"
    elif exit_.reason == "deadline" and budget.max_seconds is not None and (exit_.seconds or 0) >= budget.max_seconds:
        ran, most = told("seconds", exit_.seconds or 0), told("seconds", budget.max_seconds)
        what = f"it ran for {ran} of {most} (max_seconds)"
    else:
        return None
    return Failure(source=FailureSource.TASK, code="budget", message=f"Agent {agent} was stopped: {what}.")
