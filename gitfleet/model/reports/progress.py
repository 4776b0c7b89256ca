"""How things stand while agents run."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report
from gitfleet.model.reports.radar import Prediction
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Landing, SessionState

if TYPE_CHECKING:
    from collections.abc import Iterable


class Activity(StrEnum):
    """Whether a running agent shows life, or what it waits for; what else a run can be is its state."""

    WORKING = "working"
    SILENT = "silent"
    PAUSED = "paused"
    STUCK = "stuck"
    DEAD = "dead"
    NEEDS_PERSON = "needs-person"
    RATE_LIMITED = "rate-limited"
    RETRYING = "retrying"


ACTIVITY = Meta(
    description="working: output, events, CPU, children or file changes within timeouts.stall; silent: none of them; "
    "paused: it stands and will go on, see the note; stuck: its warden does not move; dead: nobody owns it any more; "
    "by its own word needs-person: it waits for one, rate-limited: for the end of a limit, retrying: its program asks "
    "its model again. "
    "None before that is known and when it has ended."
)
PREDICTED = Meta(description="Conflicts that merging the work as it is now would have.")
NOTE = Meta(description="More about the activity, such as that a working agent is quiet; empty when there is none.")


TURNS = Meta(description="Answers of its model so far; none where its agent does not say.")
TOKENS = Meta(description="Tokens so far, as far as they were told; none before the first are.")
TOOL_CALLS = Meta(description="Calls of tools so far; none where its agent does not say.")


class AgentProgress(Report, frozen=True, kw_only=True):
    """One run while it is in flight; unknown values are none, never zero."""

    instance: str
    task: str
    state: str
    elapsed_seconds: float
    activity: Annotated[Activity | None, ACTIVITY] = None
    note: Annotated[str, NOTE] = ""
    last_activity_seconds: Annotated[float | None, Meta(description="Since its last output.")] = None
    turns: Annotated[int | None, TURNS] = None
    tokens: Annotated[int | None, TOKENS] = None
    tool_calls: Annotated[int | None, TOOL_CALLS] = None
    files: int | None = None
    added: int | None = None
    removed: int | None = None


class WaitingRun(Report, frozen=True, kw_only=True):
    """A run that waits for its next attempt."""

    task: str
    instance: str
    attempt: Annotated[int, Meta(description="Number of the attempt to come.")]
    seconds: Annotated[float, Meta(description="How long it still waits, at most.")]
    reason: Annotated[str, Meta(description="Why there is another attempt.")] = ""


def waiting_run(run: Run, seconds: float) -> WaitingRun:
    """Say of a queued run that it waits for its next attempt, so many seconds from now on."""
    return WaitingRun(
        task=run.task,
        instance=run.instance,
        attempt=len(run.attempts) + 1,
        seconds=round(seconds, 3),
        reason=run.attempts[-1].message if run.attempts else "",
    )


class Progress(Report, frozen=True, kw_only=True):
    """A session at one moment, for live views."""

    session: str
    wave: int
    waves: Annotated[int, Meta(description="How many waves there are.")]
    done: Annotated[int, Meta(description="Runs of this wave that are sealed or wait to be integrated.")]
    total: Annotated[int, Meta(description="Runs of this wave.")]
    activity: Annotated[str, Meta(description="What the coordinator itself does, such as `verify: pytest -q`.")] = ""
    agents: tuple[AgentProgress, ...] = ()
    waiting: Annotated[tuple[WaitingRun, ...], Meta(description="Runs that wait for their next attempt.")] = ()
    predictions: Annotated[tuple[Prediction, ...], PREDICTED] = ()


class Need(Report, frozen=True, kw_only=True):
    """One thing that waits for a person, and the command that goes on from there; sessions come before their runs.

    A session that stopped for what its runs need comes behind them: until they have it, going on changes nothing.
    """

    session: str
    task: Annotated[str, Meta(description="Empty where the whole session waits.")] = ""
    reason: str
    next: Annotated[str, Meta(description="What to do, as a command or a sentence.")]

    def waits_for(self, needs: Iterable[Need]) -> list[Need]:
        """What its runs wait for, where this is a session that stopped for that."""
        words = [one for one in needs if one.session == self.session and one.next.startswith(_WORD)]
        return words if not self.task and any(one.next in self.reason for one in words) else []


_WORD = ("gitfleet approve ", "gitfleet resolve ")
"""Commands that a run waits for, and its session stopped for."""


class LiveRun(Report, frozen=True, kw_only=True):
    """A run that holds a claim at this moment; unknown values are none, never zero."""

    instance: str
    task: str
    name: str
    state: RunState
    agent: str
    wave: int
    attempt: Annotated[int | None, Meta(description="Number of the attempt, from 1; none before there is one.")] = None
    alive: Annotated[bool | None, Meta(description="Whether its warden holds its lock; none before it started.")] = None
    activity: Annotated[Activity | None, ACTIVITY] = None
    note: Annotated[str, NOTE] = ""
    needs_person: Annotated[bool, Meta(description="Whether it is silent for twice timeouts.stall, or stuck.")] = False
    elapsed_seconds: float | None = None
    last_activity_seconds: Annotated[float | None, Meta(description="Since its last output.")] = None
    log_bytes: int | None = None
    turns: Annotated[int | None, TURNS] = None
    tokens: Annotated[int | None, TOKENS] = None
    tool_calls: Annotated[int | None, TOOL_CALLS] = None


class HeldTask(Report, frozen=True, kw_only=True):
    """A queued task that could start but for what its session told last of it: a scope, a tree, a budget."""

    task: str
    reason: Annotated[str, Meta(description="What it waits for, in a sentence.")]


class SessionStatus(Report, frozen=True, kw_only=True):
    """One session at this moment."""

    id: str
    name: str
    state: SessionState
    target: str
    started: str
    ended: str = ""
    coordinator: Annotated[bool, Meta(description="Whether a process holds the session lock.")] = False
    reason: str = ""
    wave: Annotated[int | None, Meta(description="The earliest wave with runs that are not sealed.")] = None
    waves: Annotated[int, Meta(description="How many waves there are.")] = 0
    counts: Annotated[dict[str, int], Meta(description="Runs by state; states without a run are left out.")]
    activities: Annotated[dict[str, int], Meta(description="Running agents by activity.")]
    failures: Annotated[dict[str, int], Meta(description="Failed runs by source of the failure.")]
    restarted: Annotated[int, Meta(description="Runs that were started more than once.")] = 0
    waiting: Annotated[tuple[WaitingRun, ...], Meta(description="Runs that wait for their next attempt.")] = ()
    held: Annotated[tuple[HeldTask, ...], Meta(description="Queued tasks that wait for a scope or a budget.")] = ()
    live: Annotated[tuple[LiveRun, ...], Meta(description="Runs that hold a claim at this moment.")] = ()
    predictions: Annotated[tuple[Prediction, ...], PREDICTED] = ()
    other_clones: Annotated[
        tuple[str, ...], Meta(description="Claims of other clones on what agents here may write, a sentence each.")
    ] = ()
    landings: tuple[Landing, ...] = ()


class PlannerStatus(Report, frozen=True, kw_only=True):
    """A planner that makes a plan of a direction now."""

    instance: Annotated[str, Meta(description="Its name, for `gitfleet stop`.")]
    name: Annotated[str, Meta(description="The direction, or its beginning.")]
    agent: str
    account: Annotated[str, Meta(description="The account that it works with.")] = ""
    call: Annotated[int, Meta(description="How many calls were made of it; repairs are calls of their own.")] = 0
    calling: Annotated[bool, Meta(description="Whether its agent runs; else it waits for an account.")] = False
    alive: Annotated[bool, Meta(description="Whether the command that asked for it lives.")] = True
    pid: Annotated[int | None, Meta(description="The process of that command.")] = None
    elapsed_seconds: Annotated[float | None, Meta(description="Since this call was made.")] = None
    last_activity_seconds: Annotated[float | None, Meta(description="Since its agent's last output.")] = None


class StatusReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/status/v1"):
    """Everything about the open sessions, and what needs a person first."""

    needs: Annotated[tuple[Need, ...], Meta(description="What waits for a person.")] = ()
    sessions: Annotated[
        tuple[SessionStatus, ...], Meta(description="Sessions, those that wait for a person first.")
    ] = ()
    planners: Annotated[tuple[PlannerStatus, ...], Meta(description="Planners that are at work on a direction.")] = ()
    orphans: Annotated[
        tuple[str, ...], Meta(description="Attempts that no session knows, a sentence each; `doctor` looks further.")
    ] = ()
    hidden: Annotated[int, Meta(description="Closed sessions that are kept but not listed; --all lists them.")] = 0
