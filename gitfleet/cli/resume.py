"""``gitfleet resume``: a paused or draining session starts tasks again."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.model.request import Control


@command(
    "resume",
    examples=("gitfleet resume", "gitfleet resume auth-refactor-k3f9qm --json"),
    facts=facts(Control.RESUME),
)
@click.argument("session", required=False, type=SESSION)
def COMMAND(call: Call, *, session: str | None) -> int:  # noqa: N802
    """Take back a pause or a drain of SESSION, or of the only one that is open.

    Where nobody runs the session, `gitfleet continue` goes on with it afterwards.
    """
    from gitfleet.app.steering.control import steer_session  # noqa: PLC0415

    done = steer_session(call.workspace(), session, Control.RESUME, Silent())
    return answer(call, Control.RESUME, [done])
