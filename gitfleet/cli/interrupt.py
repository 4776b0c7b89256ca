"""``gitfleet interrupt``: what Ctrl-C sends, to one agent."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import RUN, SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.model.request import Control


@command(
    "interrupt",
    examples=("gitfleet interrupt fleet-auth-refactor-k3f9qm-w1-a2", "gitfleet interrupt api-auth"),
    facts=facts(Control.INTERRUPT),
)
@click.argument("instance", type=RUN)
@click.option("--session", type=SESSION, help="The session, where several have such a task.")
def COMMAND(call: Call, *, instance: str, session: str | None) -> int:  # noqa: N802
    """Send the agent of INSTANCE, an instance or a task, what Ctrl-C sends.

    What it makes of that is its own business: it may end, go on, or ask. Nothing is retried or stopped because of it.
    """
    from gitfleet.app.steering.control import steer_run  # noqa: PLC0415

    done = steer_run(call.workspace(), instance, session, Control.INTERRUPT, Silent())
    return answer(call, Control.INTERRUPT, [done])
