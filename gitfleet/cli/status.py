"""``gitfleet status``: the forms that the quick path leaves to click, ``--watch`` and ``--help`` among them."""

from __future__ import annotations

import sys
import time

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import console, draw, is_terminal
from gitfleet.cli.status_view import view
from gitfleet.errors import ExitCode, GitfleetError, Kind


@command(
    "status",
    examples=("gitfleet status", "gitfleet status --watch", "gitfleet status auth-refactor-k3f9qm --json"),
)
@click.argument("session", required=False, type=SESSION)
@click.option("--watch", is_flag=True, help="Stay and refresh twice a second; Ctrl-C ends it. Needs a terminal.")
@click.option("--all", "every", is_flag=True, help="List every closed session that is still in the state.")
def COMMAND(call: Call, *, session: str | None, watch: bool, every: bool) -> int:  # noqa: N802 - the group looks for this name
    """Show what runs, and what needs you, which comes first.

    Without SESSION: all open sessions and the newest closed ones.
    """
    from gitfleet.app.status import status  # noqa: PLC0415

    workspace = call.workspace()
    if not watch:
        call.answer(report := status(workspace, session, every=every), lambda: view(report))
        return ExitCode.DONE
    if call.json or not is_terminal(sys.stdout):
        raise GitfleetError(
            Kind.USAGE,
            "needs-terminal",
            "--watch needs a terminal.",
            hint="`gitfleet events -f` follows a session in a pipe.",
        )
    screen = console()
    with screen.screen(hide_cursor=True):
        while True:
            report = status(workspace, session, every=every)
            screen.clear()
            draw(view(report), screen)
            try:
                time.sleep(0.5)
            except KeyboardInterrupt:
                break
    draw(view(report), screen)
    return ExitCode.DONE
