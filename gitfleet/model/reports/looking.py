"""What is shown of one run, of logs, events and claims."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.claim import ExternalClaim
from gitfleet.model.event import Event
from gitfleet.model.reports.answers import Report
from gitfleet.model.reports.progress import ACTIVITY, NOTE, Activity
from gitfleet.model.run import Run
from gitfleet.model.session import Landing, SessionState

COORDINATOR_GONE = "its coordinator is gone"
"""Why a claim is stale that `continue` takes up again."""

SESSION_GONE = "its session is not known here"
SESSION_CLOSED = "its session is closed"
"""Why a claim is stale that nobody will take up again."""


class AttemptFiles(Report, frozen=True, kw_only=True):
    """Where an attempt's files are; a file that does not exist is none."""

    number: int
    directory: Annotated[str, Meta(description="Directory of the attempt.")]
    log: Annotated[str | None, Meta(description="Path of the log.")] = None
    prompt: Annotated[str | None, Meta(description="Path of the prompt.")] = None
    handoff: Annotated[str | None, Meta(description="Path of the handoff file.")] = None
    alive: Annotated[bool, Meta(description="Whether its warden lives.")] = False
    last_pulse: Annotated[str | None, Meta(description="ISO 8601 instant of the last output.")] = None


class InspectReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/inspect/v1"):
    """One run with everything that is known about it."""

    run: Annotated[Run, Meta(description="The run as its record says it.")]
    session_state: Annotated[SessionState, Meta(description="Where the session stands.")]
    target: str
    labels: Annotated[dict[str, str], Meta(description="Facts about the plan, as it says.")] = field(
        default_factory=dict
    )
    host: Annotated[str, Meta(description="Where its attempts run.")] = "local"
    activity: Annotated[Activity | None, ACTIVITY] = None
    note: Annotated[str, NOTE] = ""
    last_pulse: Annotated[str | None, Meta(description="ISO 8601 instant of the last output.")] = None
    latest_event: Annotated[Event | None, Meta(description="The last event of the task.")] = None
    latest_error: Annotated[
        Event | None, Meta(description="The last event of the task that says something went wrong.")
    ] = None
    worktree: Annotated[str | None, Meta(description="Its worktree, while it exists.")] = None
    brief: Annotated[str | None, Meta(description="Path of its brief, once there is one.")] = None
    attempts: tuple[AttemptFiles, ...] = ()
    landing: Annotated[Landing | None, Meta(description="The landing that it came with, and what its train did.")] = (
        None
    )


class LogReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/log/v1"):
    """Output of one attempt; bytes that are not UTF-8 are replaced."""

    instance: str
    attempt: Annotated[int, Meta(description="Number of the attempt, from 1.")]
    path: Annotated[str, Meta(description="Path of the log.")]
    size: Annotated[int, Meta(description="Bytes in the log.")]
    running: Annotated[bool, Meta(description="Whether more may come.")]
    text: Annotated[str, Meta(description="The output, or the last lines that were asked for.")]


class LogLine(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/log-line/v1"):
    """One line of a followed log; `logs -f --json` writes one such document a line."""

    instance: str
    attempt: Annotated[int, Meta(description="Number of the attempt, from 1.")]
    text: Annotated[str, Meta(description="The line without its end.")]


class EventsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/events/v1"):
    """The journal of one session; `events -f --json` writes one event a line instead."""

    session: str
    events: Annotated[tuple[Event, ...], Meta(description="Events, oldest first.")] = ()


class ClaimRow(Report, frozen=True, kw_only=True):
    """A live claim, and whether something stands behind it."""

    instance: str
    session: str
    task: str
    scope: tuple[str, ...]
    acquired: str
    stale: Annotated[str, Meta(description="Why nothing stands behind it any more; empty for a claim that holds.")] = ""


class ClaimsReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/claims/v1"):
    """Who may write what at this moment, in all sessions."""

    claims: Annotated[tuple[ClaimRow, ...], Meta(description="Live claims, oldest first.")] = ()
    external: Annotated[
        tuple[ExternalClaim, ...], Meta(description="Claims of another tool, honoured as they are.")
    ] = ()
    notes: Annotated[tuple[str, ...], Meta(description="Files of other tools that are no claims, and why.")] = ()
