"""``gitfleet open``: a shell in an agent's worktree, or the path of it."""

from __future__ import annotations

import os
import sys

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import RUN, SESSION
from gitfleet.cli.output import document, is_terminal
from gitfleet.errors import ExitCode


@command("open", examples=("gitfleet open api-auth", 'cd "$(gitfleet open api-auth --print)"'))
@click.argument("run", type=RUN)
@click.option("--session", type=SESSION, help="Look for a task in this session.")
@click.option("--print", "only_print", is_flag=True, help="Print the path and start nothing.")
def COMMAND(call: Call, *, run: str, session: str | None, only_print: bool) -> int:  # noqa: N802
    """Open a shell in the worktree of an INSTANCE or a TASK.

    The shell has GITFLEET_OPEN=1 in its environment, which marks it as a person's. Without a terminal the path is
    printed.
    """
    from gitfleet.app import open as opening  # noqa: PLC0415

    report = opening.locate(call.workspace(), run, session)
    if call.json:
        document(report)
    elif only_print or not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        # As bytes and unescaped: this line is for `cd "$(...)"`.
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(report.path) + b"\n")
    else:
        sys.stderr.write(f"{report.instance} in {report.path}; `exit` returns.\n")
        opening.shell(report, os.environ)
    return ExitCode.DONE
