"""Pure: a run whose agent was not allowed to use a tool, or was interrupted, as it waits for a person.

It has not failed: it is put back into the queue, keeps its claim, its worktree and its branch, and uses up no attempt.
What depends on it waits, and everything else goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.lines import HALF_PAIRS
from gitfleet.model.parking import Parked, Permission
from gitfleet.model.run import Failure, FailureSource, requeue
from gitfleet.planner.retries import DENIED, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitfleet.agents.transcript import Transcript
    from gitfleet.model.parking import StandingGrant
    from gitfleet.model.run import Run

MOST_KEPT = 10
ARGUMENT_CHARACTERS = 2000
TOOL_CHARACTERS = 100


def parks(failure: Failure) -> bool:
    """Whether a failure is none, but a question to a person."""
    return failure.code in {DENIED, INTERRUPTED} and failure.source is FailureSource.NEEDS_PERSON


def denials(told: Transcript | None, clean: Callable[[Permission], Permission]) -> tuple[Permission, ...]:
    """What an agent was not allowed to do, each use once; ``clean`` takes secrets out of it.

    What is cut, or is not what was asked for any more, is no permission that a person could give.
    """
    found: dict[tuple[str, str], Permission] = {}
    for one in told.denied if told else ():
        asked = Permission(tool=one.tool, argument=one.argument, allows=one.allows)
        known = clean(asked)
        kept = msgspec.structs.replace(
            known,
            tool=known.tool[:TOOL_CHARACTERS],
            argument=known.argument[:ARGUMENT_CHARACTERS],
            allows=known.allows if len(known.allows) <= ARGUMENT_CHARACTERS else "",
        )
        whole = kept.key == asked.key and HALF_PAIRS not in kept.words
        found.setdefault(kept.key, msgspec.structs.replace(kept, whole=whole))
    return tuple(found.values())


def parked(run: Run, failure: Failure, denied: Sequence[Permission], at: str, *, approved: bool = False) -> Run:
    """The run whose last attempt was denied something or interrupted, as it waits for a person, or to be started."""
    last = run.attempts[-1]
    interrupted = failure.code == INTERRUPTED
    denied = () if interrupted else denied
    waits = Parked(
        interrupted=interrupted,
        denied=tuple(denied[:MOST_KEPT]),
        more=len(denied[MOST_KEPT:]),
        cli_session=last.cli_session,
        account=last.account,
        since=at,
        approved=approved,
    )
    last = msgspec.structs.replace(
        last,
        outcome=failure.code,
        message=failure.message,
        ended=last.ended or at,
        retry=f"parked: it goes on when a person {'says so' if interrupted else 'permits it'}",
        handoff=run.handoff,
        files=run.files,
    )
    claim = run.claim
    return msgspec.structs.replace(
        requeue(run, attempts=(*run.attempts[:-1], last)), parked=waits, claim=claim, going_on=True
    )


def sentence(run: Run) -> str:
    """What a parked run waits for, and the command that lets it go on."""
    waits = run.parked or Parked()
    lets = "lets it go on" if waits.interrupted else "lets it, and it goes on"
    return f"{run.task} {waits.why}: `gitfleet approve {run.instance}` {lets}"


def goes_on(task: str, waits: Parked) -> str:
    """What an approval comes to, as a clause: what cannot be permitted is not, whatever a person says."""
    if waits.interrupted:
        return f"{task} goes on where it stopped"
    left = [one for one in waits.denied if not one.whole]
    if waits.denied and len(left) == len(waits.denied):
        return f"{task} goes on where it stopped, without {waits.words}"
    more = f", without {len(left)} of what it asked for, which cannot be permitted" if left else ""
    may = msgspec.structs.replace(waits, denied=waits.permitted, more=0).words
    return f"{task} may use {may}, and goes on where it stopped{more}"


def without(denied: Sequence[Permission]) -> str:
    """What an agent did without, since it was not allowed it, as the end of a sentence; empty without any."""
    return f"; it did without {Parked(denied=tuple(denied)).words}, which it was not allowed" if denied else ""


def covered(denied: Sequence[Permission], grants: Sequence[StandingGrant], *, kind: str, since: str = "") -> bool:
    """Whether people always permit all of this to agents of a kind, and some of it only ``since`` then."""
    given = {one.permission.key: one.since for one in grants if one.agent == kind}
    known = all(one.whole and one.key in given for one in denied)
    return bool(denied) and known and any(given[one.key] >= since for one in denied)
