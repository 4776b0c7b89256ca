"""What runs, and what needs a person: read from the state alone, without git, YAML or a schema.

Everything is derived from records, locks and pulses at the moment of asking; nothing is stored and nothing is repaired.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.app import attempt_files
from gitfleet.app.claims import of_other_clones
from gitfleet.app.orphans import Known, attempts, session_of
from gitfleet.app.planning.planners import left_behind, working
from gitfleet.app.which import find_session, sessions
from gitfleet.errors import GitfleetError
from gitfleet.model.base import decode, seconds_of
from gitfleet.model.conflict import paths_of
from gitfleet.model.event import EventKind
from gitfleet.model.lease import quoted
from gitfleet.model.reports import (
    Activity,
    HeldTask,
    LiveRun,
    Need,
    Predictions,
    SessionStatus,
    StatusReport,
    WaitingRun,
    waiting_run,
)
from gitfleet.model.run import LIVE, RunState
from gitfleet.model.session import SessionState
from gitfleet.model.usage import LiveFigures
from gitfleet.planner.retries import seconds_left
from gitfleet.runtime.supervisor import Supervisor
from gitfleet.store import journal
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import read_regular
from gitfleet.store.leases import Leases
from gitfleet.store.locks import holder
from gitfleet.store.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.reports import Prediction
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.model.usage import Figures
    from gitfleet.runtime.supervisor import Judgement

CLOSED_SHOWN = 3
_PATHS = 10
FAILED = frozenset({RunState.FAILED, RunState.REJECTED, RunState.TIMED_OUT, RunState.LOST})


def status(workspace: Workspace, session_id: str | None = None, *, every: bool = False) -> StatusReport:
    """Report on open sessions and the newest closed ones, on one session, or on ``every`` session.

    Sessions that wait for a person come first. Raises ``GitfleetError`` (``unknown-session``).
    """
    state = State(workspace.layout)
    damaged: dict[str, GitfleetError] = {}
    if session_id is not None:
        chosen, hidden = [find_session(state, session_id)], 0
    else:
        listed = sessions(state, damaged)
        closed = [session for session in listed if session.state is SessionState.COMPLETED]
        shown = closed if every else closed[:CLOSED_SHOWN]
        chosen = [session for session in listed if session.state is not SessionState.COMPLETED] + shown
        hidden = len(closed) - len(shown)
    supervisor = Supervisor(wall=workspace.now)
    needs: list[Need] = []
    rows: list[SessionStatus] = []
    newest_closed = next((session.id for session in chosen if session.state is SessionState.COMPLETED), None)
    for session in chosen:
        try:
            runs = state.read_runs(session.id)
        except GitfleetError as error:
            damaged[session.id] = error
            continue
        row = _row(workspace, supervisor, session, runs)
        found = _needs(session, runs, coordinator=row.coordinator, latest=session.id == newest_closed)
        found += _silent(row)
        needs += found
        if found and session.state is not SessionState.COMPLETED:
            rows.insert(sum(1 for other in rows if other.id in {need.session for need in needs}), row)
        else:
            rows.append(row)
    # Sessions that wait to be continued come before anything that their runs need: going on may settle it. But those
    # that stopped for just that come behind it.
    needs = sorted(needs, key=lambda need: 2 if need.waits_for(needs) else bool(need.task))
    needs += _set_aside(workspace, session_id)
    needs += left_behind(workspace.layout) if session_id is None else ()
    needs += [Need(session=name, reason=error.message, next=error.hint) for name, error in damaged.items()]
    left = (
        ()
        if session_id is not None
        else tuple(orphan.message for orphan in attempts(workspace.layout, Known.of(workspace.layout)))
    )
    planners = () if session_id is not None else tuple(working(workspace.layout, workspace.now()))
    return StatusReport(needs=tuple(needs), sessions=tuple(rows), hidden=hidden, planners=planners, orphans=left)


def _set_aside(workspace: Workspace, session_id: str | None) -> list[Need]:
    """Trees that may hold the only copy of something."""
    return [
        Need(
            session=session_of(tree.instance) or "(no session)",
            task=tree.instance,
            reason=f"its worktree was set aside: {tree.why}; once you have looked: {tree.let_go}",
            next=f"gitfleet open {tree.instance}" if tree.instance else f"cd {quoted(tree.path)}",
        )
        for tree in Leases(workspace.layout).set_aside().values()
        if session_id in {None, session_of(tree.instance)}
    ]


def _row(workspace: Workspace, supervisor: Supervisor, session: Session, runs: Mapping[str, Run]) -> SessionStatus:
    told = _figures(workspace, session) if any(run.state in LIVE for run in runs.values()) else {}
    live = tuple(_live(workspace, supervisor, run, told) for run in runs.values() if run.state in LIVE)
    activities = Counter(run.activity for run in live if run.activity is not None)
    states = Counter(run.state for run in runs.values())
    failures = Counter(run.failure.source for run in runs.values() if run.failure is not None and run.state in FAILED)
    return SessionStatus(
        id=session.id,
        name=session.name,
        state=session.state,
        target=session.target,
        started=session.started,
        ended=session.ended,
        coordinator=holder(workspace.layout.session_lock(session.id)) is not None,
        reason=session.reason,
        wave=min((run.wave for run in runs.values() if not run.sealed), default=None),
        waves=len(session.waves),
        counts={state.value: states[state] for state in RunState if states[state]},
        activities={activity.value: activities[activity] for activity in Activity if activities[activity]},
        failures={source.value: count for source, count in sorted(failures.items())},
        restarted=sum(len(run.attempts) > 1 for run in runs.values()),
        waiting=tuple(_waiting(workspace, run) for run in runs.values() if run.not_before),
        held=_held(workspace, session, runs),
        live=live,
        predictions=_predictions(workspace, session) if any(run.alive for run in live) else (),
        other_clones=of_other_clones(workspace, session.id) if live else (),
        landings=session.landings,
    )


def _predictions(workspace: Workspace, session: Session) -> tuple[Prediction, ...]:
    """What its coordinator said last that would conflict."""
    try:
        return decode(read_regular(workspace.layout.predictions(session.id)), Predictions).predictions
    except (OSError, *UNREADABLE):
        return ()


def _held(workspace: Workspace, session: Session, runs: Mapping[str, Run]) -> tuple[HeldTask, ...]:
    """Queued tasks of which the last thing that was told is that they wait."""
    queued = {task for task, run in runs.items() if run.state is RunState.QUEUED}
    if session.state is SessionState.COMPLETED or not queued:
        return ()
    last = {event.task: event for event in journal.read(workspace.layout, session.id) if event.task in queued}
    return tuple(
        HeldTask(task=task, reason=last[task].message)
        for task in runs
        if task in last and last[task].kind is EventKind.WAITING
    )


def _figures(workspace: Workspace, session: Session) -> dict[str, Figures]:
    """What its coordinator left of running attempts."""
    try:
        return decode(read_regular(workspace.layout.figures(session.id)), LiveFigures).attempts
    except (OSError, *UNREADABLE):
        return {}


def _waiting(workspace: Workspace, run: Run) -> WaitingRun:
    return waiting_run(run, seconds_left(run, workspace.now()))


def _live(workspace: Workspace, supervisor: Supervisor, run: Run, figures: Mapping[str, Figures]) -> LiveRun:
    now = workspace.now()
    found = attempt_files.directories(workspace.layout, run)
    number, directory = found[-1] if found else (None, None)
    output = attempt_files.last_output(directory) if directory else None
    seen = attempt_files.judgement(supervisor, run, directory) if directory else None
    started = run.attempts[-1].started if run.attempts else ""
    ended = run.attempts[-1].ended if run.attempts else ""
    until = seconds_of(ended) if ended else now
    told = figures.get(f"{run.instance}/{number}")
    return LiveRun(
        instance=run.instance,
        task=run.task,
        name=run.name,
        state=run.state,
        agent=run.agent,
        wave=run.wave,
        attempt=number,
        alive=attempt_files.alive(directory) if directory else None,
        elapsed_seconds=max(0.0, round(until - seconds_of(started), 3)) if started else None,
        activity=_activity(seen.activity if seen else None, told.standing if told else ""),
        note=seen.note if seen else "",
        needs_person=seen.lasting if seen else False,
        last_activity_seconds=_ago(now, output, seen),
        log_bytes=attempt_files.log_bytes(directory) if directory else None,
        turns=told.turns if told else None,
        tokens=told.tokens if told else None,
        tool_calls=told.tool_calls if told else None,
    )


def _activity(seen: Activity | None, stands: str) -> Activity | None:
    """What is seen of an agent, unless it lives and its coordinator knows what it waits for."""
    return Activity(stands) if stands and seen in {Activity.WORKING, Activity.SILENT} else seen


def _ago(now: float, output: float | None, found: Judgement | None) -> float | None:
    """Seconds since the last output: awake ones while it runs, by the clock once nothing runs any more."""
    if found is not None and found.activity is not Activity.DEAD:
        return round(found.output, 3)
    return None if output is None else max(0.0, round(now - output, 3))


def _silent(row: SessionStatus) -> list[Need]:
    """List agents that have shown no life for two periods: by then the policy has done what it can."""
    return [
        Need(session=row.id, task=run.task, reason=f"silent: {run.note}", next=f"gitfleet logs {run.instance}")
        for run in row.live
        if run.needs_person
    ]


def _needs(session: Session, runs: Mapping[str, Run], *, coordinator: bool, latest: bool) -> list[Need]:
    """List what waits for a person. What did not land of a closed session counts while it is the ``latest`` one."""
    again = f"gitfleet continue {session.id}"
    found: list[Need] = []
    if session.state is SessionState.NEEDS_CONTINUE:
        found.append(Need(session=session.id, reason=session.reason or "it stopped before its end", next=again))
    elif session.state is SessionState.PAUSED and not coordinator:
        reason = f"it is paused, and nobody runs it{': ' + session.reason if session.reason else ''}"
        found.append(Need(session=session.id, reason=reason, next=f"gitfleet resume {session.id}"))
    elif session.state in {SessionState.ACTIVE, SessionState.DRAINING} and not coordinator:
        found.append(Need(session=session.id, reason="its coordinator is gone", next=again))
    if latest or session.state is not SessionState.COMPLETED:
        target = session.target.removeprefix("refs/heads/")
        found += [
            Need(
                session=session.id,
                task=run.task,
                reason=(
                    f"conflicts with {target} in {', '.join(paths_of(run.conflicts)[:_PATHS])}"
                    if run.conflicts
                    else run.failure.message
                    if run.failure
                    else f"conflicts with {target}"
                ),
                next=f"gitfleet resolve {run.instance}",
            )
            for run in runs.values()
            if run.held
        ]
        found += [
            Need(
                session=session.id,
                task=run.task,
                reason=run.parked.why,
                next=f"gitfleet approve {run.instance}",
            )
            for run in runs.values()
            if run.parked is not None and run.waiting
        ]
        found += [
            Need(
                session=session.id,
                task=run.task,
                reason=f"{run.state.value}: {run.failure.message if run.failure else 'no reason was recorded'}",
                next=f"gitfleet inspect {run.instance or run.task}",
            )
            for run in runs.values()
            if run.state in FAILED
        ]
    return found
