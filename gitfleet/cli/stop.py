"""``gitfleet stop``: stop a session, or every open one, from anywhere."""

from __future__ import annotations

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import SESSION
from gitfleet.cli.steering import answer, facts
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.request import Control


@command(
    "stop",
    examples=("gitfleet stop", "gitfleet stop auth-refactor-k3f9qm --json", "gitfleet stop --all"),
    facts=facts(Control.STOP),
)
@click.argument("session", required=False, type=SESSION)
@click.option("--all", "every", is_flag=True, help="Stop every open session of the repository.")
def COMMAND(call: Call, *, session: str | None, every: bool) -> int:  # noqa: N802
    """Stop SESSION, or the only one that is open, whether or not a coordinator runs it; nothing of its work is lost.

    Returns once everything has ended and is saved. The coordinator ends with exit code 130, and `gitfleet continue`
    goes on with the session. A landing that is being made is finished first.
    """
    from gitfleet.app.control import steer_session, stop_all  # noqa: PLC0415

    workspace = call.workspace()
    if not every:
        return answer(call, Control.STOP, [steer_session(workspace, session, Control.STOP, Silent())])
    if session is not None:
        raise GitfleetError(Kind.USAGE, "all-or-one", "--all stops every session; name none with it.")
    stopped, failed = stop_all(workspace, Silent())
    return answer(call, Control.STOP, stopped, failed)
