"""The checklist of a session or of one run: what must hold before anybody calls it done."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState


class Point(StrEnum):
    """What is asked of a run."""

    HANDOFF = "handoff"
    GATE = "gate"
    CHECKS = "checks"
    COMMIT = "commit"
    CLAIM = "claim"
    WORKTREE = "worktree"
    USAGE = "usage"


class CloseoutItem(Report, frozen=True, kw_only=True):
    """One line of the checklist."""

    point: Annotated[Point, Meta(description="What is asked.")]
    ok: Annotated[bool, Meta(description="Whether it holds.")]
    found: Annotated[str, Meta(description="What was found, in words.")]
    mend: Annotated[str, Meta(description="The command, or the deed, that mends it; empty where nothing does.")] = ""


class CloseoutRun(Report, frozen=True, kw_only=True):
    """The checklist of one run."""

    task: str
    instance: str
    state: Annotated[RunState, Meta(description="Where the run stands.")]
    ok: Annotated[bool, Meta(description="Whether every point holds.")]
    items: Annotated[tuple[CloseoutItem, ...], Meta(description="The points, always the same ones in this order.")]


class CloseoutReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/closeout/v1"):
    """Whether a session, or one run of it, is done: landed, checked, and nothing left behind."""

    session: str
    session_state: Annotated[
        SessionState | None, Meta(description="Where the session stands; none where its records do not say.")
    ]
    target: Annotated[str, Meta(description="Full ref name that it lands on.")]
    source: Annotated[str, Meta(description="`state`, or the ref whose `.planning/` records were read.")]
    ok: Annotated[
        bool, Meta(description="Whether every point of every run that was asked for holds, and the session is over.")
    ]
    runs: Annotated[tuple[CloseoutRun, ...], Meta(description="The runs that were asked for.")] = ()
    mend: Annotated[str, Meta(description="What ends the session, where it is not over.")] = ""
