"""``gitfleet restart``: stop an attempt, or take a run that is over, and start a new one."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import RUN, SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.model.request import Control


@command(
    "restart",
    examples=("gitfleet restart fleet-auth-refactor-k3f9qm-w1-a2", "gitfleet restart api-auth"),
    facts=facts(Control.RESTART),
)
@click.argument("instance", type=RUN)
@click.option("--session", type=SESSION, help="The session, where several have such a task.")
def COMMAND(call: Call, *, instance: str, session: str | None) -> int:  # noqa: N802
    """Start the run of INSTANCE, an instance or a task, again as a new attempt.

    A run that works is stopped first. One that failed, timed out, was rejected, cancelled or is in conflict is queued
    again, with what was skipped because of it. Refused for what has landed, and for a run whose record is on the target
    already. Where nobody runs the session, `gitfleet continue` starts the new attempt.
    """
    from gitfleet.app.steering.control import steer_run  # noqa: PLC0415

    done = steer_run(call.workspace(), instance, session, Control.RESTART, Silent())
    return answer(call, Control.RESTART, [done])
