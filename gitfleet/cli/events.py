"""``gitfleet events``: the journal of a session."""

from __future__ import annotations

import time

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import sentence
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import Line, document, show
from gitfleet.errors import ExitCode


@command("events", examples=("gitfleet events", "gitfleet events -n 20", "gitfleet events -f --json"))
@click.argument("session", required=False, type=SESSION)
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last events; all unless given.")
@click.option("-f", "--follow", is_flag=True, help="Stay until the session stops; with --json one event a line.")
def COMMAND(call: Call, *, session: str | None, lines: int | None, follow: bool) -> int:  # noqa: N802
    """Show the journal of SESSION, or of the open session, else of the newest closed one."""
    from gitfleet.app import events  # noqa: PLC0415

    workspace = call.workspace()
    if not follow:
        report = events.events(workspace, session, lines)
        call.answer(report, lambda: [Line(sentence(event)) for event in report.events])
        return ExitCode.DONE
    skip = 0
    if lines is not None:
        skip = max(0, len(events.events(workspace, session).events) - lines)
    for number, event in enumerate(events.follow(workspace, session, time.sleep)):
        if number < skip:
            continue
        if call.json:
            document(event, line=True)
        else:
            show([Line(sentence(event))])
    return ExitCode.DONE
