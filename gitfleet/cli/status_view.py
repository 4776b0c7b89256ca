"""How ``status`` looks to a person. Free of click, so that the quick path can use it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import duration, plural
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import LiveRun, SessionStatus, StatusReport


NEEDS_SHOWN = 12
_UNDER_WAY = frozenset({SessionState.ACTIVE, SessionState.PAUSED, SessionState.DRAINING})


def headline(report: StatusReport) -> str:
    """Answer in one line whether anything needs a person."""
    if report.needs:
        return f"{plural(len(report.needs), 'thing')} {'needs' if len(report.needs) == 1 else 'need'} you."
    running = [session for session in report.sessions if session.state in _UNDER_WAY]
    if running:
        agents = sum(len(session.live) for session in running)
        return (
            f"Nothing needs you: {plural(len(running), 'session')} {'runs' if len(running) == 1 else 'run'}, "
            f"{plural(agents, 'agent')} at work{_held_back(running)}."
        )
    if report.sessions:
        return "Nothing needs you: no session is open."
    return "Nothing needs you: there is no session here."


def _held_back(sessions: Iterable[SessionStatus]) -> str:
    counts = Counter(session.state for session in sessions if session.state is not SessionState.ACTIVE)
    return "".join(f", {count} {state.value}" for state, count in sorted(counts.items()))


def view(report: StatusReport) -> Iterator[Piece]:
    """Draw the report: needs first, then a block for each session."""
    yield Line(headline(report), "bold yellow" if report.needs else "bold green")
    for need in report.needs[:NEEDS_SHOWN]:
        yield Line(f"  {need.session}{' ' + need.task if need.task else ''}: {need.reason}")
        if need.next:
            yield Line(f"    {need.next}", "cyan", copy=True)
    if len(report.needs) > NEEDS_SHOWN:
        yield Line(f"  and {len(report.needs) - NEEDS_SHOWN} more; `gitfleet status --json` lists them all.")
    for session in report.sessions:
        yield from _session(session)
    if report.hidden:
        yield Line()
        yield Line(f"{plural(report.hidden, 'older closed session')} not shown; --all lists them.", "dim")


def _agent(run: LiveRun) -> str:
    """Say whether the agent's process lives; that of a run in the gate or the train has ended as it should."""
    if run.alive is None:
        return "-"
    if run.alive:
        return "alive"
    return "gone" if run.state in {RunState.PREPARING, RunState.RUNNING} else "ended"


def _session(session: SessionStatus) -> Iterator[Piece]:
    yield Line()
    head = f"{session.id}  {session.state.value} on {session.target.removeprefix('refs/heads/')}"
    if session.state in _UNDER_WAY and not session.coordinator:
        head += ", no coordinator"
    if session.wave is not None:
        head += f", wave {session.wave} of {session.waves}"
    yield Line(head, "bold")
    counts = ", ".join(f"{count} {state}" for state, count in session.counts.items())
    failures = ", ".join(f"{count} by {source}" for source, count in session.failures.items())
    yield Line(f"  runs: {counts or 'none'}" + (f" (failures: {failures})" if failures else ""))
    if session.live:
        yield Table(
            ("  task", "state", "elapsed", "last output", "agent", "instance"),
            [
                (
                    f"  {run.task}",
                    run.state.value,
                    duration(run.elapsed_seconds),
                    duration(run.last_activity_seconds),
                    _agent(run),
                    run.instance,
                )
                for run in session.live
            ],
        )
    for landing in session.landings:
        word = "verified" if landing.verified else "unverified"
        commit = (landing.commit or landing.candidate)[:12]
        yield Line(f"  landing {landing.number}: {commit} {word}, {', '.join(landing.tasks)}")
