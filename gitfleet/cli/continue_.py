"""``gitfleet continue``: go on with a session that stopped, was interrupted, or lost its coordinator."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import stopping, watching
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import Line
from gitfleet.cli.wave import finish
from gitfleet.errors import ExitCode


@command("continue", examples=("gitfleet continue", "gitfleet continue auth-refactor-k3f9qm --json"))
@click.argument("session", required=False, type=SESSION)
def COMMAND(call: Call, *, session: str | None) -> int:  # noqa: N802
    """Go on with SESSION, or with the only one that is open.

    Nothing that landed is done again. Consent to the plan was given when the session started and is not asked again.
    """
    from gitfleet.app.resume import resume  # noqa: PLC0415
    from gitfleet.coordinator.observer import Interrupts  # noqa: PLC0415
    from gitfleet.model.reports import IdleReport  # noqa: PLC0415

    interrupts = Interrupts()
    workspace = call.workspace()
    with stopping(interrupts), watching(as_json=call.json) as observer:
        outcome = resume(workspace, session, observer, interrupts)
    if outcome is None:
        idle = IdleReport(message="Nothing needs you: there is no session to continue.")
        call.answer(idle, lambda: [Line(idle.message, "bold green")])
        return ExitCode.DONE
    return finish(call, outcome)
