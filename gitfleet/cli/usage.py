"""``gitfleet usage``: what agents used, in groups, and whether that is all of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command, exit_code
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import Line, Table
from gitfleet.cli.text import count, duration
from gitfleet.model.reports import UsageBy
from gitfleet.model.words import dollars, plural

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import UsageGroup, UsageReport

DAY = click.DateTime(formats=["%Y-%m-%d"])


@command(
    "usage",
    examples=(
        "gitfleet usage",
        "gitfleet usage auth-refactor-k3f9qm --by agent",
        "gitfleet usage --by day --since 2026-01-01 --json",
        "gitfleet usage --reconcile",
    ),
)
@click.argument("session", required=False, type=SESSION)
@click.option("--by", type=click.Choice([by.value for by in UsageBy]), help="What to group by.")
@click.option("--since", type=DAY, help="Only attempts that started on this day or later.", metavar="DAY")
@click.option("--until", type=DAY, help="Only attempts that started on this day or earlier.", metavar="DAY")
@click.option("--reconcile", is_flag=True, help="Hold it against the session files of the agents' own programs.")
def COMMAND(  # noqa: N802 - one argument an option
    call: Call, *, session: str | None, by: str | None, since: datetime | None, until: datetime | None, reconcile: bool
) -> int:
    """Show what agents used, in SESSION or in all of them: tokens, turns, tool calls, time, cost.

    Figures are exact or said to be not measured; nothing is estimated. Days are those of local time. With --reconcile,
    exit code 1 where a row is missing or says other than the program that the agent is.
    """
    from gitfleet.app.usage import usage  # noqa: PLC0415

    days = {"since": f"{since:%Y-%m-%d}" if since else "", "until": f"{until:%Y-%m-%d}" if until else ""}
    workspace = call.workspace()
    report, spent = usage(workspace, session, UsageBy(by) if by else None, **days)
    if reconcile:
        from gitfleet.app.reconciling import reconciled  # noqa: PLC0415

        report = reconciled(workspace, report, spent, os.environ)
    call.answer(report, lambda: view(report))
    return exit_code(failed=bool(report.differences))


def view(report: UsageReport) -> Iterator[Piece]:
    """Draw the report."""
    whole = report.all
    style = "bold yellow" if report.differences or whole.not_measured else "bold green"
    if report.differences:
        wrong = plural(len(report.differences), "attempt")
        asked = "with rows that cannot be read" if report.reconciled is None else "not as their programs say"
        yield Line(f"{wrong} {asked}; see below.", style)
    elif not whole.attempts:
        yield Line("Nothing was used: no agent ran.", "bold green")
    else:
        checked = f"; the agents' own programs say the same of {report.reconciled} of them" if report.reconciled else ""
        yield Line(f"{_told(whole)} by {plural(whole.attempts, 'attempt')}{checked}{_doubt(whole)}.", style)
    yield Table(
        (
            report.by.value,
            "attempts",
            "turns",
            "tools",
            "input",
            "cached",
            "written",
            "output",
            "cost",
            "time",
            "measured",
        ),
        [_row(group) for group in report.groups],
        stacks=True,
    )
    if report.running:
        yield Line(f"{plural(report.running, 'attempt')} still under way, counted once over.", "dim")
    if report.gone:
        yield Line(
            f"{plural(report.gone, 'attempt')} not held against anything: the account was removed, "
            "and what its program wrote down went with it.",
            "dim",
        )
    for one in report.differences:
        yield Line(f"  {one.task or one.session} ({one.instance}): {one.message}", "yellow")


def _row(group: UsageGroup) -> tuple[str, ...]:
    tokens = group.tokens
    cost = tokens.cost_usd if tokens else None
    missing = "no" if group.not_measured == group.attempts else f"but for {group.not_measured}"
    measured = missing if group.not_measured else "exactly"
    return (
        group.name or "-",
        str(group.attempts),
        count(group.turns),
        count(group.tool_calls),
        *(
            count(getattr(tokens, name) if tokens else None)
            for name in ("input", "cache_read", "cache_write", "output")
        ),
        "-" if cost is None else dollars(cost) + "+" * bool(group.unpriced),
        duration(group.seconds),
        measured,
    )


def _told(group: UsageGroup) -> str:
    if group.total is None:
        return "Not measured: no agent told what it used"
    cost = group.tokens.cost_usd if group.tokens else None
    priced = "" if cost is None else f", {dollars(cost)}" + " where the agent told a price" * bool(group.unpriced)
    return f"{count(group.total)} {'token' if group.total == 1 else 'tokens'}{priced}, used"


def _doubt(group: UsageGroup) -> str:
    if not group.not_measured or group.total is None:
        return ""
    were = "was" if group.not_measured == 1 else "were"
    return f"; at least, since {plural(group.not_measured, 'attempt')} {were} not measured"
