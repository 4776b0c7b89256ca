"""What agents used: attempts gathered from books and rows, in groups. Read only.

An attempt's figures are the sum of its rows. What was not measured is counted as such, in its group and in all: a sum
over it is a lower bound, and where nobody told anything there is none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import seconds_of
from gitfleet.model.reports import Difference, UsageBy, UsageGroup, UsageReport
from gitfleet.model.run import UNDER_WAY
from gitfleet.model.usage import Tokens, Truth, UsageSummary, added, summary
from gitfleet.store.state import State
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitfleet.app.workspace import Workspace
    from gitfleet.model.run import Run


@dataclass(frozen=True, slots=True)
class Spent:
    """One attempt that ran, and what it used; ``used`` is none where nobody told anything."""

    session: str
    task: str
    instance: str
    attempt: int
    agent: str
    account: str
    cli_session: str
    at: str
    used: UsageSummary | None
    seconds: float | None = None
    reports: bool = False
    """Whether its agent tells what it uses."""
    damaged: str = ""
    """Why its rows cannot be read, where nothing else is known of it."""


def usage(
    workspace: Workspace, session: str | None, by: UsageBy | None, *, since: str = "", until: str = ""
) -> tuple[UsageReport, tuple[Spent, ...]]:
    """Report on one session or all of them; gives the attempts that count, and those that went on with one another.

    ``since`` and ``until`` are days of local time, as in 2026-01-31, both included. Raises ``GitfleetError``
    (``unknown-session``).
    """
    by = by or (UsageBy.TASK if session else UsageBy.SESSION)
    found, running = _gather(workspace, session)

    def counts(one: Spent) -> bool:
        return (not since or day_of(one.at) >= since) and (not until or day_of(one.at) <= until)

    chosen = tuple(filter(counts, found))
    names: dict[str, list[Spent]] = {}
    for one in chosen:
        names.setdefault(_KEYS[by](one), []).append(one)
    report = UsageReport(
        by=by,
        sessions=tuple(sorted({one.session for one in chosen})),
        since=since,
        until=until,
        running=running,
        groups=tuple(_group(name, names[name]) for name in sorted(names)),
        all=_group("all", chosen),
        differences=tuple(difference(one, "damaged", one.damaged) for one in chosen if one.damaged),
    )
    # What went on with the same session of a program on other days is needed to hold that session against its file.
    sessions = {(one.account, one.cli_session) for one in chosen if one.cli_session}
    return report, tuple(one for one in found if counts(one) or (one.account, one.cli_session) in sessions)


def difference(
    one: Spent, problem: str, message: str, ours: Tokens | None = None, theirs: Tokens | None = None
) -> Difference:
    """Say of an attempt that its rows are not what they should be."""
    return Difference(
        session=one.session,
        task=one.task,
        instance=one.instance,
        cli_session=one.cli_session,
        problem=problem,
        message=message,
        rows=ours.total if ours else None,
        theirs=theirs.total if theirs else None,
    )


def day_of(at: str) -> str:
    """The day of local time that an instant is on."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds_of(at))) if at else ""


_KEYS: dict[UsageBy, Callable[[Spent], str]] = {
    UsageBy.SESSION: lambda one: one.session,
    UsageBy.TASK: lambda one: one.task,
    UsageBy.AGENT: lambda one: one.agent,
    UsageBy.ACCOUNT: lambda one: one.account,
    UsageBy.DAY: lambda one: day_of(one.at),
}


def _gather(workspace: Workspace, session: str | None) -> tuple[list[Spent], int]:
    """Every attempt that ran, of one session or of all; and how many run still."""
    state, store = State(workspace.layout), UsageStore(workspace.layout)
    here, rowed = state.session_ids(), store.sessions()
    if session is not None and session not in here and session not in rowed:
        raise GitfleetError(
            Kind.USAGE,
            "unknown-session",
            f"There is no session {session} here, and nothing is known of what it used.",
            hint="`gitfleet usage` lists what is known.",
        )
    found: list[Spent] = []
    running = 0
    for name in here if session is None else [session] if session in here else []:
        for run in state.read_runs(name).values():
            found += _of_run(run)
            running += run.state in UNDER_WAY
    for name in rowed if session is None else [session]:
        if name not in here:
            found += _of_rows(store, name)
    return found, running


def _of_run(run: Run) -> Iterator[Spent]:
    for attempt in run.attempts:
        if run.is_under_way(attempt) or (attempt.exit is None and attempt.usage is None):
            continue
        yield Spent(
            session=run.session,
            task=run.task,
            instance=run.instance,
            attempt=attempt.number,
            agent=attempt.agent or run.agent,
            account=attempt.account,
            cli_session=attempt.cli_session,
            at=attempt.started,
            used=attempt.usage,
            seconds=attempt.exit.seconds if attempt.exit else None,
            reports=bool(attempt.account or attempt.cli_session or attempt.usage),
        )


def _of_rows(store: UsageStore, session: str) -> Iterator[Spent]:
    """Attempts of which there are rows and no books: calls of the planner, and sessions that were cleaned away."""
    for name, rows in store.of_session(session):
        if isinstance(rows, GitfleetError):
            instance, _, number = name.rpartition("-")
            attempt = int(number) if number.isdecimal() else 1
            known = {"session": session, "task": "", "instance": instance, "attempt": attempt, "agent": ""}
            yield Spent(**known, account="", cli_session="", at="", used=None, damaged=rows.message)  # type: ignore[arg-type]
        elif rows.rows:
            first = rows.rows[0]
            yield Spent(
                session=first.session,
                task=first.task,
                instance=first.instance,
                attempt=first.attempt,
                agent=first.agent,
                account=first.account,
                cli_session=first.cli_session,
                at=first.at,
                used=summary(rows.rows, rows.truth),
                reports=True,
            )


def _group(name: str, members: Sequence[Spent]) -> UsageGroup:
    told = [one.used for one in members if one.used is not None and _says(one.used)]
    priced = [used for used in told if used.tokens.cost_usd is not None]
    tokens = added(used.tokens for used in told)
    return UsageGroup(
        name=name,
        attempts=len(members),
        not_measured=sum(one.used is None or one.used.truth is not Truth.EXACT for one in members),
        unpriced=sum(bool(used.turns) for used in told) - sum(bool(used.turns) for used in priced),
        tokens=tokens if told else None,
        total=tokens.total if told else None,
        turns=sum(used.turns for used in told) if told else None,
        tool_calls=sum(used.tool_calls for used in told) if told else None,
        seconds=_seconds(members),
    )


def _says(used: UsageSummary) -> bool:
    """Whether figures are there at all: one that was cut off before it told any is no zero."""
    return bool(used.turns or used.tool_calls or used.tokens.total) or used.truth is Truth.EXACT


def _seconds(members: Sequence[Spent]) -> float | None:
    known = [one.seconds for one in members if one.seconds is not None]
    return round(sum(known), 3) if known else None
