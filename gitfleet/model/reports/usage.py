"""What agents used, in groups, and how that compares with what their own programs wrote down."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.reports.answers import Report
from gitfleet.model.usage import Tokens


class UsageBy(StrEnum):
    """What usage is grouped by."""

    SESSION = "session"
    TASK = "task"
    AGENT = "agent"
    ACCOUNT = "account"
    DAY = "day"


class UsageGroup(Report, frozen=True, kw_only=True):
    """What the attempts of one group used; figures are sums of what was told, and none where nothing was."""

    name: Annotated[str, Meta(description="What the attempts have in common; empty where that is not known.")]
    attempts: Annotated[int, Meta(description="Attempts that ran.")] = 0
    not_measured: Annotated[int, Meta(description="Attempts whose figures are not complete; sums are at least.")] = 0
    unpriced: Annotated[int, Meta(description="Attempts that ran a model and whose cost nobody told.")] = 0
    tokens: Annotated[Tokens | None, Meta(description="Tokens by sort; none where none were told.")] = None
    total: Annotated[int | None, Meta(description="All tokens; none where none were told.")] = None
    turns: Annotated[int | None, Meta(description="Answers of models, helpers' left out.")] = None
    tool_calls: Annotated[int | None, Meta(description="Calls of tools.")] = None
    seconds: Annotated[float | None, Meta(description="Seconds that agents ran; none where that is not known.")] = None


class Difference(Report, frozen=True, kw_only=True):
    """Rows that say other than the agent's own program wrote down, or that cannot be held against it."""

    session: str
    task: str
    instance: str
    cli_session: Annotated[str, Meta(description="Session of the agent's own program.")] = ""
    problem: Annotated[str, Meta(description="missing, differs, incomplete, no-file, or damaged.")]
    message: Annotated[str, Meta(description="A sentence for people.")]
    rows: Annotated[int | None, Meta(description="Tokens that the rows have; none without rows.")] = None
    theirs: Annotated[int | None, Meta(description="Tokens that the program wrote down; none where it did not.")] = None


class UsageReport(Report, frozen=True, kw_only=True, tag_field="schema", tag="gitfleet/report/usage/v1"):
    """What agents used."""

    by: Annotated[UsageBy, Meta(description="What the groups are.")]
    sessions: Annotated[tuple[str, ...], Meta(description="Sessions that were looked at.")] = ()
    since: Annotated[str, Meta(description="First day that counts, in local time; empty for the first there is.")] = ""
    until: Annotated[str, Meta(description="Last day that counts, in local time; empty for today.")] = ""
    running: Annotated[int, Meta(description="Attempts that run still, and count nowhere yet.")] = 0
    groups: Annotated[tuple[UsageGroup, ...], Meta(description="The groups, by name.")] = ()
    all: Annotated[UsageGroup, Meta(description="Everything together.")]
    reconciled: Annotated[
        int | None, Meta(description="Attempts held against their program's own files; none unasked.")
    ] = None
    gone: Annotated[int, Meta(description="Attempts whose account was removed, and with it those files.")] = 0
    differences: Annotated[tuple[Difference, ...], Meta(description="What is missing or differs.")] = ()
