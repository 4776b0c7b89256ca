"""A run that is over, or waits to be landed, started again because a person asks for it.

What landed stays landed, and what a record on the target says of a run stays true: such a run is refused, with the way
to get its work done all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.refs import short
from gitfleet.model.request import Reply
from gitfleet.model.run import RunState, requeue
from gitfleet.recovery.runs import published

if TYPE_CHECKING:
    from gitfleet.coordinator.books import Books
    from gitfleet.coordinator.control.amendments import Amendments
    from gitfleet.coordinator.settling import Settling
    from gitfleet.model.request import Request
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule

WHY = "a person asked for it again"


def restart(
    settling: Settling,
    amendments: Amendments,
    schedule: Schedule,
    scopes: dict[str, Scope],
    wave: int,
    request: Request,
) -> tuple[Reply, Schedule | None]:
    """Queue the run again, with what was skipped because of it; ``wave`` is the one under way."""
    books, parts = settling.books, settling.parts
    run = books.runs[request.task]
    if run.state is RunState.QUEUED and run.not_before:
        books.record(run.task, not_before="", backoff_seconds=0.0)
        return Reply(id=request.id, task=run.task, message=f"{run.task} waits no longer for its next attempt."), None
    if run.parked is not None:
        books.record(run.task, parked=None, going_on=False)
        settling.claiming.release([run.instance])
        message = f"{run.task} does not wait for a permission any more, and starts again as a new attempt."
        return Reply(id=request.id, task=run.task, message=message), None
    refused = refusal(parts, books, run)
    if refused is not None:
        return Reply(id=request.id, task=run.task, error=refused[0], message=refused[1]), None
    settling.requeue(run.task, WHY, resolving=False)
    for other in _skipped_because_of(books, run.task):
        if not published(parts, books.session, other.task):
            books.replace(requeue(other))
    changed = None
    if run.wave < wave:
        started = any(one.wave == wave and one.state is not RunState.QUEUED for one in books.runs.values())
        changed = amendments.reschedule(books, schedule, scopes, after=wave if started else wave - 1)
    books.write_session()
    number = len(run.attempts) + 1
    message = f"{run.task} is queued again, as attempt {number} in wave {books.runs[run.task].wave}."
    return Reply(id=request.id, task=run.task, message=message), changed


def refusal(parts: Parts, books: Books, run: Run) -> tuple[str, str] | None:  # noqa: PLR0911 - one a reason
    """Why a run cannot be started again, as a code and a sentence."""
    branch = short(books.session.target)
    match run.state:
        case RunState.LANDED:
            return "landed", f"{run.task} has landed on {branch}; what it lacks is a task of its own (`gitfleet add`)."
        case RunState.SKIPPED:
            return "skipped", f"{run.task} was skipped: restart what it depends on, and it is queued with it."
        case RunState.QUEUED | RunState.PREPARING:
            return "not-started", f"{run.task} is {run.state}: there is nothing to start again."
        case RunState.GATED | RunState.VERIFIED if parts.layout.pending_landing(books.session.id).exists():
            return "landing", f"{run.task} is about to land; `gitfleet continue` finishes that first."
        case _ if books.session.ended:
            return "session-closed", "The session is over; its last landing told so."
        case _ if published(parts, books.session, run.task):
            again = "its work can be done by a new task (`gitfleet add`)"
            return "published", f"The record of {run.task} is on {branch} and says that it was {run.state}; {again}."
        case _:
            return None


def _skipped_because_of(books: Books, task: str) -> list[Run]:
    """Runs that were skipped and depend on ``task``, directly or through one another."""
    found = {task}
    skipped = [run for run in books.runs.values() if run.state is RunState.SKIPPED]
    while more := {run.task for run in skipped if run.task not in found and found & set(run.depends_on)}:
        found |= more
    return [run for run in skipped if run.task in found]
