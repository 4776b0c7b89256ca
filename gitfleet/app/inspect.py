"""Everything that is known about one run: its record, its attempts on disk, and where its artifacts are. Read only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.app import attempt_files
from gitfleet.app.find import find_run
from gitfleet.model.base import instant
from gitfleet.model.event import EventKind
from gitfleet.model.reports import AttemptFiles, InspectReport
from gitfleet.model.run import RunState
from gitfleet.runtime.supervisor import Supervisor
from gitfleet.store import journal
from gitfleet.store.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.event import Event

_BAD = frozenset({EventKind.ERROR, EventKind.TIMEOUT, EventKind.CONFLICT})
_BAD_STATUS = frozenset({"failed", "red", "rejected", "conflicted", "timed-out", "lost"})


def inspect(workspace: Workspace, word: str, session_id: str | None = None) -> InspectReport:
    """Report on the run that an instance or a task names; raises as ``find_run`` does."""
    state = State(workspace.layout)
    session, run = find_run(state, word, session_id)
    latest: Event | None = None
    error: Event | None = None
    for event in journal.read(workspace.layout, session.id):
        if event.task == run.task:
            latest = event
            if event.kind in _BAD or event.status in _BAD_STATUS:
                error = event
    directories = attempt_files.directories(workspace.layout, run)
    files = tuple(_files(number, path) for number, path in directories)
    supervisor = Supervisor(wall=workspace.now)
    found = attempt_files.judgement(supervisor, run, directories[-1][1]) if directories else None
    brief = workspace.layout.briefs(session.id) / f"{run.task}.md"
    return InspectReport(
        run=run,
        activity=found.activity if found else None,
        note=found.note if found else "",
        session_state=session.state,
        target=session.target,
        labels=session.labels,
        last_pulse=files[-1].last_pulse if files else None,
        latest_event=latest,
        latest_error=error,
        worktree=_worktree(workspace, run.instance) if run.state is not RunState.QUEUED else None,
        brief=str(brief) if brief.exists() else None,
        attempts=files,
        landing=next((one for one in session.landings if run.merge and one.number == run.merge.landing), None),
    )


def _files(number: int, directory: Path) -> AttemptFiles:
    def there(name: str) -> str | None:
        path = directory / name
        return str(path) if path.exists() else None

    beat = attempt_files.last_output(directory)
    return AttemptFiles(
        number=number,
        directory=str(directory),
        log=there(attempt_files.LOG),
        prompt=there(attempt_files.PROMPT),
        handoff=there("handoff.json"),
        alive=attempt_files.alive(directory) is True,
        last_pulse=instant(beat) if beat is not None else None,
    )


def _worktree(workspace: Workspace, instance: str) -> str | None:
    from gitfleet.app.open import instances  # noqa: PLC0415 - asks git, which only runs that were dispatched need

    path = instances(workspace).get(instance)
    return str(path) if path is not None else None
