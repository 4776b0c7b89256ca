"""Drive a session to its end, close its books, and say how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.app.sessions.notices import notices
from gitfleet.coordinator.attempt.verdicts import exit_code
from gitfleet.coordinator.books import Books
from gitfleet.coordinator.closing import close
from gitfleet.errors import ExitCode, GitfleetError
from gitfleet.model.event import EventKind
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from gitfleet.coordinator.observer import Interrupts, Observer
    from gitfleet.model.plan import Plan
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts
    from gitfleet.planner.scopes import Scope
    from gitfleet.planner.waves import Schedule
    from gitfleet.recovery.reconcile import Findings


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session stands at the end of a command."""

    session: Session
    plan: Plan
    runs: dict[str, Run]
    exit_code: ExitCode
    interrupted: bool = False
    proof: bool = False
    """Whether a fixture stood in for every agent."""


def drive(  # noqa: PLR0913 - everything that one session is
    parts: Parts,
    session: Session,
    plan: Plan,
    runs: dict[str, Run],
    schedule: Schedule,
    scopes: dict[str, Scope],
    observer: Observer,
    interrupts: Interrupts,
    *,
    found: Findings | None = None,
) -> Outcome:
    """Run the loop from where the books stand, then close them; ``found`` is what recovery found before."""
    from gitfleet.coordinator.loop import Coordinator  # noqa: PLC0415 - plans and requests are told without it

    watcher = notices(parts, session.id, observer)
    books = Books(parts, session, plan, runs, watcher)
    verb = "continued" if found else "started"
    if found:
        books.write_session()
    tasks = plural(len(runs), "task")
    waves = plural(len(schedule.waves), "wave")
    books.event(EventKind.SESSION_START, f"session {session.id} {verb}: {tasks} in {waves}")
    coordinator = Coordinator(parts, books, schedule, scopes, watcher, interrupts)
    for note in found.notes if found else ():
        books.event(EventKind.REQUEUE, note)
    if found and found.pending is not None and not interrupts.requested:
        coordinator.land_again(found.pending)
    try:
        halt = coordinator.run(found.adopted if found else {})
        close(parts, books, halt, coordinator.publish_records)
    except Exception as error:
        # Somebody who went for lunch is told that it stopped, whatever stopped it.
        code = error.exit_code if isinstance(error, GitfleetError) else ExitCode.DEFECT
        watcher.stopped(f"it stopped: {error}", code)
        watcher.finish(books)
        raise
    interrupted = halt is not None and halt.interrupted
    code = ExitCode.INTERRUPTED if interrupted else exit_code(books.session, books.runs)
    watcher.ended(books, code)
    return Outcome(books.session, books.plan, dict(books.runs), code, interrupted, parts.config.fixture)
