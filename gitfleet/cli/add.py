"""``gitfleet add``: one more task for an open session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.consent import consent
from gitfleet.cli.direction import read_document
from gitfleet.cli.disclosure import view
from gitfleet.cli.names import PLAN, SESSION
from gitfleet.cli.output import Line, amended, show
from gitfleet.errors import ExitCode
from gitfleet.model.reports import AmendReport

if TYPE_CHECKING:
    from pathlib import Path


@command(
    "add",
    examples=(
        "gitfleet add task.yaml",
        "gitfleet add task.yaml --session auth-refactor-k3f9qm",
        "gitfleet add - --yes",
    ),
)
@click.argument("task", type=PLAN)
@click.option("--session", type=SESSION, help="The session; the open one unless given.")
@click.option("--yes", is_flag=True, help="Give the consent that is asked for.")
def COMMAND(call: Call, *, task: Path, session: str | None, yes: bool) -> int:  # noqa: N802
    """Add the one task in the plan document TASK to an open session.

    Where it brings what was not consented to with the session's plan (a command, an agent with a bypass, tools or
    variables that it asks for) or may write what everybody builds on, it says what will start and asks first.
    """
    from gitfleet.app.steering.amend import add, addition  # noqa: PLC0415

    data, name = read_document(task)
    workspace = call.workspace()
    wanted = addition(workspace, session, data, name)
    if wanted.asks:
        if not call.json:
            show(view(wanted.disclosure, explain=False))
        consent(yes=yes, ask=not call.json, question="Add it?", nothing="nothing was added")
    reply = add(workspace, wanted)
    report = AmendReport(action="add", task=reply.task, message=reply.message)
    call.answer(report, lambda: [Line(amended(report))])
    return ExitCode.DONE
