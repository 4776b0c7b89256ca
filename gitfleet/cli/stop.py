"""``gitfleet stop``: stop a session, or every open one, from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import STOPPABLE
from gitfleet.cli.steering import answer, facts, view
from gitfleet.errors import ExitCode, GitfleetError, Kind
from gitfleet.model.control import CONSEQUENCES
from gitfleet.model.request import Control

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@command(
    "stop",
    examples=("gitfleet stop", "gitfleet stop auth-refactor-k3f9qm --json", "gitfleet stop --all"),
    facts=facts(Control.STOP),
)
@click.argument("session", required=False, type=STOPPABLE)
@click.option("--all", "every", is_flag=True, help="Stop every open session of the repository.")
def COMMAND(call: Call, *, session: str | None, every: bool) -> int:  # noqa: N802
    """Stop SESSION, or the only one that is open, whether or not a coordinator runs it; nothing of its work is lost.

    A planner that makes a plan is stopped by the name that `gitfleet status` shows.

    Returns once everything has ended and is saved. The coordinator ends with exit code 130, and `gitfleet continue`
    goes on with the session. A landing that is being made is finished first.
    """
    from gitfleet.app.planning.planners import begun  # noqa: PLC0415
    from gitfleet.app.planning.planners import stop as stop_planner  # noqa: PLC0415
    from gitfleet.app.steering.control import steer_session, stop_all  # noqa: PLC0415

    workspace = call.workspace()
    if not every and session is not None and session in begun(workspace.layout):
        return _planner(call, session, *stop_planner(workspace, session))
    if not every:
        return answer(call, Control.STOP, [steer_session(workspace, session, Control.STOP, Silent())])
    if session is not None:
        raise GitfleetError(Kind.USAGE, "all-or-one", "--all stops every session; name none with it.")
    stopped, failed = stop_all(workspace, Silent())
    return answer(call, Control.STOP, stopped, failed)


def _planner(call: Call, name: str, place: Path, notes: Sequence[str]) -> int:
    from gitfleet.model.reports import ControlReport, Steered  # noqa: PLC0415
    from gitfleet.model.session import SessionState  # noqa: PLC0415

    told = "".join(f" Note: {note}." for note in notes)
    report = ControlReport(
        action=Control.STOP,
        sessions=(
            Steered(
                session=name,
                state=SessionState.COMPLETED,
                coordinator=False,
                message=f"The planner {name} was stopped; what it said is kept in {place}.{told}",
            ),
        ),
        processes=CONSEQUENCES[Control.STOP].processes,
        claims="a planner has none",
        worktrees="its own is thrown away, and what it changed there is saved as a snapshot first",
    )
    call.answer(report, lambda: view(report))
    return ExitCode.DONE
