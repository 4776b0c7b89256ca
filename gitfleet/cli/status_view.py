"""How ``status`` looks to a person. Free of click, so that the quick path can use it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import duration, headed, spent
from gitfleet.model.reports import Activity
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import LiveRun, Need, PlannerStatus, Prediction, SessionStatus, StatusReport, WaitingRun


NEEDS_SHOWN = 12
PATHS_SHOWN = 3
_HELD = {
    SessionState.PAUSED: "nothing new starts until then",
    SessionState.DRAINING: "it stops when what runs is over",
}
_TO_LAND = frozenset({RunState.GATED, RunState.VERIFIED})
_UNDER_WAY = frozenset({SessionState.ACTIVE, SessionState.PAUSED, SessionState.DRAINING})


def headline(report: StatusReport) -> str:
    """Answer in one line whether anything needs a person."""
    first = [need for need in report.needs if not need.waits_for(report.needs)]
    waiting = [need for need in first if not need.task and need.next.startswith("gitfleet continue ")]
    others = len(first) - len(waiting)
    more = f"{plural(others, 'thing')} {'needs' if others == 1 else 'need'} you."
    if waiting:
        words = f"{plural(len(waiting), 'session')} {'waits' if len(waiting) == 1 else 'wait'} to be continued."
        return f"{words} {more}" if others else words
    if report.needs:
        return more
    running = [session for session in report.sessions if session.state in _UNDER_WAY]
    if running:
        live = [run for session in running for run in session.live]
        done = sum(run.state in _TO_LAND for run in live)
        to_land = f", {plural(done, 'run')} {'waits' if done == 1 else 'wait'} to land" if done else ""
        lifeless = [f"{count} {name}" for name, count in _activities(running).items() if name != Activity.WORKING]
        return (
            f"Nothing needs you: {plural(len(running), 'session')} {'runs' if len(running) == 1 else 'run'}"
            f"{_held_back(running)}, {plural(len(live) - done, 'agent')} at work{_in_brackets(lifeless)}{to_land}."
        )
    at_work = sum(planner.alive for planner in report.planners)
    if at_work:
        return f"Nothing needs you: {plural(at_work, 'planner')} {'makes a plan' if at_work == 1 else 'make plans'}."
    if report.sessions:
        return "Nothing needs you: no session is open."
    return "Nothing needs you: there is no session here."


def _held_back(sessions: Iterable[SessionStatus]) -> str:
    counts = Counter(session.state for session in sessions if session.state is not SessionState.ACTIVE)
    return _in_brackets([f"{count} {state.value}" for state, count in sorted(counts.items())])


def _in_brackets(words: Sequence[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def view(report: StatusReport) -> Iterator[Piece]:
    """Draw the report: needs first, then a block for each session."""
    yield Line(headline(report), "bold yellow" if report.needs else "bold green")
    for need in report.needs[:NEEDS_SHOWN]:
        if not need.task and need.next.startswith("gitfleet continue "):
            # The reason as a comment: the whole line may be copied to a shell.
            yield Line(f"  {need.next}  # {_why(need, report.needs)}", copy=True)
            continue
        yield Line(f"  {need.session}{' ' + need.task if need.task else ''}: {headed(need.reason)}")
        if need.next:
            yield Line(f"    {need.next}", "cyan", copy=True)
    if len(report.needs) > NEEDS_SHOWN:
        yield Line(f"  and {len(report.needs) - NEEDS_SHOWN} more; `gitfleet status --json` lists them all.")
    for planner in report.planners:
        yield from _planner(planner)
    for session in report.sessions:
        yield from _session(session, {need.task for need in report.needs if need.session == session.id})
    if report.orphans:
        yield Line()
        yield Line(
            f"{plural(len(report.orphans), 'attempt')} of no session; `gitfleet doctor` names what is left over.", "dim"
        )
    if report.hidden:
        yield Line()
        yield Line(f"{plural(report.hidden, 'older closed session')} not shown; --all lists them.", "dim")


def _why(need: Need, needs: Sequence[Need]) -> str:
    """Why a session waits; where that is what its runs need, it is told of each of them and not here again."""
    waits = need.waits_for(needs)
    return (
        f"then, as {plural(len(waits), 'run')} {'waits' if len(waits) == 1 else 'wait'} for you"
        if waits
        else need.reason
    )


def _activities(sessions: Sequence[SessionStatus]) -> Counter[str]:
    total: Counter[str] = Counter()
    for session in sessions:
        total.update(session.activities)
    return total


def _agent(run: LiveRun) -> str:
    """Say whether the agent shows life; that of a run in the gate or the train has ended as it should."""
    if run.activity is not None:
        return run.activity.value
    if run.alive is None:
        return "-"
    if run.alive:
        return "alive"
    return "gone" if run.state in {RunState.PREPARING, RunState.RUNNING} else "ended"


def _used(run: LiveRun) -> str:
    return f"{spent(run.turns, run.tool_calls, run.tokens)} so far"


def waiting(run: WaitingRun) -> str:
    """Say how long a run still waits."""
    if not run.seconds:
        return f"{run.task} is about to go into attempt {run.attempt}"
    return f"{run.task} waits {math.ceil(run.seconds)} s before attempt {run.attempt}"


def predicted(row: Prediction) -> str:
    """Say which two would conflict, and where."""
    more = f" and {len(row.paths) - PATHS_SHOWN} more" if len(row.paths) > PATHS_SHOWN else ""
    paths = ", ".join(row.paths[:PATHS_SHOWN]) or "every file"
    return f"{row.task} would conflict with {row.other} in {paths}{more} ({', '.join(row.kinds)})"


def _planner(planner: PlannerStatus) -> Iterator[Piece]:
    yield Line()
    yield Line(f"{planner.instance}  makes a plan: {headed(planner.name)}", "bold")
    account = f", account {planner.account}" if planner.account and planner.calling else ""
    if not planner.alive:
        yield Line(
            "  Its gitfleet was killed; `gitfleet doctor --fix` ends it, and so does the next direction.", "yellow"
        )
        return
    if planner.calling:
        how = f"call {planner.call}, {duration(planner.elapsed_seconds)}, last output "
        how += "none yet" if planner.last_activity_seconds is None else f"{duration(planner.last_activity_seconds)} ago"
    else:
        how = f"waits to make call {planner.call + 1}"
    yield Line(f"  agent {planner.agent}{account}: {how} (process {planner.pid})")
    if planner.call:
        yield Line(f"  gitfleet logs -f {planner.instance}  # what it says", copy=True)
    yield Line(f"  gitfleet stop {planner.instance}  # ends it", copy=True)


def _session(session: SessionStatus, needs: Collection[str]) -> Iterator[Piece]:
    """A block for a session; what its tasks that a person is needed for wait for was told before."""
    yield Line()
    head = f"{session.id}  {session.state.value} on {session.target.removeprefix('refs/heads/')}"
    if session.state in _UNDER_WAY and not session.coordinator:
        head += ", no coordinator"
    if session.wave is not None:
        head += f", wave {session.wave} of {session.waves}"
    yield Line(head, "bold")
    if session.coordinator and session.state in _HELD:
        yield Line(f"  gitfleet resume {session.id}  # {_HELD[session.state]}", copy=True)
    counts = ", ".join(f"{count} {state}" for state, count in session.counts.items())
    failures = ", ".join(f"{count} {source}" for source, count in session.failures.items())
    more = [f"{session.restarted} restarted"] * bool(session.restarted) + [f"failures: {failures}"] * bool(failures)
    yield Line(f"  runs: {counts or 'none'}" + (f" ({'; '.join(more)})" if more else ""))
    for run in session.waiting:
        yield Line(f"  {waiting(run)}: {run.reason}")
    yield from (Line(f"  {one.reason}") for one in session.held if one.task not in needs)
    if session.activities:
        yield Line("  agents: " + ", ".join(f"{count} {name}" for name, count in session.activities.items()))
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
        yield from (Line(f"  {run.task}: {_used(run)}", "dim") for run in session.live if run.turns is not None)
        yield from (Line(f"  {run.task}: {run.note}", "dim") for run in session.live if run.note)
    yield from (Line(f"  {predicted(row)}", "yellow") for row in session.predictions)
    yield from (Line(f"  {sentence}", "yellow") for sentence in session.other_clones)
    for landing in session.landings:
        commit = (landing.commit or landing.candidate)[:12]
        word = str(landing.verdict) + " from the cache" * landing.cached
        yield Line(f"  landing {landing.number}: {commit} {word}, {', '.join(landing.tasks)}")
