"""``gitfleet add``: one more task for an open session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.direction import read_document
from gitfleet.cli.names import PLAN, SESSION
from gitfleet.cli.output import Line, amended
from gitfleet.errors import ExitCode
from gitfleet.model.reports import AmendReport

if TYPE_CHECKING:
    from pathlib import Path


@command("add", examples=("gitfleet add task.yaml", "gitfleet add task.yaml --session auth-refactor-k3f9qm"))
@click.argument("task", type=PLAN)
@click.option("--session", type=SESSION, help="The session; the open one unless given.")
def COMMAND(call: Call, *, task: Path, session: str | None) -> int:  # noqa: N802
    """Add the one task in the plan document TASK to an open session."""
    from gitfleet.app.steering.amend import add  # noqa: PLC0415

    data, name = read_document(task)
    reply = add(call.workspace(), session, data, name)
    report = AmendReport(action="add", task=reply.task, message=reply.message)
    call.answer(report, lambda: [Line(amended(report))])
    return ExitCode.DONE
