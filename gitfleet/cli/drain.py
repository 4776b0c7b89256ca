"""``gitfleet drain``: what runs is finished and landed, and then the session stops."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.model.request import Control


@command(
    "drain",
    examples=("gitfleet drain", "gitfleet drain auth-refactor-k3f9qm --json"),
    facts=facts(Control.DRAIN),
)
@click.argument("session", required=False, type=SESSION)
def COMMAND(call: Call, *, session: str | None) -> int:  # noqa: N802
    """Let SESSION, or the only one that is open, finish what runs, and stop then.

    Returns at once. The coordinator ends with exit code 3 where tasks are left, and `gitfleet continue` goes on with
    them.
    """
    from gitfleet.app.steering.control import steer_session  # noqa: PLC0415

    done = steer_session(call.workspace(), session, Control.DRAIN, Silent())
    return answer(call, Control.DRAIN, [done])
