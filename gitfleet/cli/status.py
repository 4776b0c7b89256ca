"""``gitfleet status``: the forms that the quick path leaves to click, ``--watch`` and ``--help`` among them."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import console, draw, is_terminal
from gitfleet.cli.status_view import view
from gitfleet.cli.terminal import Lending
from gitfleet.errors import ExitCode, GitfleetError, Kind

if TYPE_CHECKING:
    from rich.console import Console


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
    report = status(workspace, session, every=every)
    # A termination leaves the alternate screen as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt), screen.screen(hide_cursor=True):
            lending = Lending(lambda: _switch(screen, alternate=False), lambda: _switch(screen, alternate=True))
            with lending.on_stop():
                while True:
                    with lending.drawing():
                        screen.clear()
                        draw(view(report), screen)
                    time.sleep(0.5)
                    report = status(workspace, session, every=every)
    finally:
        signal.signal(signal.SIGTERM, before)
    draw(view(report), screen)
    return ExitCode.DONE


def _switch(screen: Console, *, alternate: bool) -> None:
    screen.set_alt_screen(alternate)
    screen.show_cursor(not alternate)
