"""``gitfleet pause``: nothing new is started in a session, and what runs goes on."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.model.request import Control


@command(
    "pause",
    examples=("gitfleet pause", "gitfleet pause auth-refactor-k3f9qm --json"),
    facts=facts(Control.PAUSE),
)
@click.argument("session", required=False, type=SESSION)
def COMMAND(call: Call, *, session: str | None) -> int:  # noqa: N802
    """Start nothing new in SESSION, or in the only one that is open; what runs goes on and lands.

    Its coordinator stays and waits. The pause lasts until `gitfleet resume` or `gitfleet stop`, also when the
    coordinator ends before: `gitfleet continue` then lands what ran, starts nothing, and ends with exit code 3.
    """
    from gitfleet.app.steering.control import steer_session  # noqa: PLC0415

    done = steer_session(call.workspace(), session, Control.PAUSE, Silent())
    return answer(call, Control.PAUSE, [done])
