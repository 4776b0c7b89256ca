"""What was done to an open session or to one of its runs: pause, resume, drain, stop, interrupt, restart."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import ErrorBody, Report
from gitfleet.model.request import Control
from gitfleet.model.session import SessionState


class Steered(Report, frozen=True, kw_only=True):
    """What a control did to one session."""

    session: str
    state: Annotated[SessionState, Meta(description="Where the session stands afterwards.")]
    coordinator: Annotated[bool, Meta(description="Whether a coordinator runs the session afterwards.")]
    message: str
    remaining: Annotated[
        tuple[str, ...], Meta(description="Processes that could not be stopped; their worktrees are kept.")
    ] = ()
    task: Annotated[str, Meta(description="Of `interrupt` and `restart`.")] = ""
    instance: Annotated[str, Meta(description="Of `interrupt` and `restart`.")] = ""


class UnsteeredSession(Report, frozen=True, kw_only=True):
    """A session that could not be stopped, and why."""

    session: str
    error: ErrorBody


class ControlReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/control/v1"):
    """What `pause`, `resume`, `drain`, `stop`, `interrupt` or `restart` did."""

    action: Control
    sessions: Annotated[tuple[Steered, ...], Meta(description="One session, or every open one with `stop --all`.")] = ()
    failed: Annotated[tuple[UnsteeredSession, ...], Meta(description="Sessions that `stop --all` could not stop.")] = ()
    processes: Annotated[str, Meta(description="What happens to processes.")]
    claims: Annotated[str, Meta(description="What happens to claims.")]
    worktrees: Annotated[str, Meta(description="What happens to worktrees.")]
