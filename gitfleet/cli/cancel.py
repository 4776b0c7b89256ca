"""``gitfleet cancel``: a queued task of an open session is not run."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import SESSION, TASK
from gitfleet.cli.output import Line, amended
from gitfleet.errors import ExitCode
from gitfleet.model.reports import AmendReport


@command("cancel", examples=("gitfleet cancel changelog", "gitfleet cancel changelog --session auth-refactor-k3f9qm"))
@click.argument("task", type=TASK)
@click.option("--session", type=SESSION, help="The session; the open one unless given.")
def COMMAND(call: Call, *, task: str, session: str | None) -> int:  # noqa: N802
    """Cancel the queued TASK of an open session; what depends on it is skipped.

    A task that runs already is not touched.
    """
    from gitfleet.app.steering.amend import cancel  # noqa: PLC0415

    reply = cancel(call.workspace(), session, task)
    report = AmendReport(action="cancel", task=reply.task, message=reply.message)
    call.answer(report, lambda: [Line(amended(report))])
    return ExitCode.DONE
