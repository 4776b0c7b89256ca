"""``gitfleet continue``: go on with a session that stopped, was interrupted, or lost its coordinator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.consent import consent
from gitfleet.cli.live import stopping, watching
from gitfleet.cli.names import SESSION
from gitfleet.cli.output import Line, show
from gitfleet.cli.wave import finish
from gitfleet.errors import ExitCode, GitfleetError, Kind

if TYPE_CHECKING:
    from collections.abc import Callable


@command(
    "continue",
    examples=(
        "gitfleet continue",
        "gitfleet continue auth-refactor-k3f9qm --json",
        "gitfleet continue auth-refactor-k3f9qm --budget session.max_tokens=2000000",
        "gitfleet continue auth-refactor-k3f9qm --take-over --yes",
    ),
)
@click.argument("session", required=False, type=SESSION)
@click.option("--take-over", is_flag=True, help="End the coordinator that holds the session, and go on in its place.")
@click.option(
    "--owner-is-gone",
    is_flag=True,
    help="With --take-over: say of a coordinator on another machine or in another container that it is gone.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    help="What may be used from now on, such as session.max_tokens=2000000; may be repeated.",
    metavar="SCOPE.KEY=N",
)
@click.option("--yes", is_flag=True, help="Give the consent that --take-over asks for.")
def COMMAND(  # noqa: N802 - one argument an option
    call: Call, *, session: str | None, take_over: bool, owner_is_gone: bool, budgets: tuple[str, ...], yes: bool
) -> int:
    """Go on with SESSION, or with the only one that is open.

    Nothing that landed is done again. Consent to the plan was given when the session started and is not asked again.
    A session that another coordinator holds is left alone, with exit code 5, unless it is taken over: the process that
    holds it is killed once it is proven to be that very process, and its agents go on.
    """
    if owner_is_gone and not take_over:
        raise GitfleetError(
            Kind.USAGE, "usage", "--owner-is-gone needs --take-over.", hint="See `gitfleet continue -h`."
        )
    from gitfleet.app.sessions.resume import resume  # noqa: PLC0415
    from gitfleet.app.which import choose  # noqa: PLC0415
    from gitfleet.coordinator.observer import Interrupts  # noqa: PLC0415
    from gitfleet.model.reports import IdleReport  # noqa: PLC0415
    from gitfleet.store.state import State  # noqa: PLC0415

    interrupts = Interrupts()
    workspace = call.workspace()
    taken = ""
    if take_over:
        from gitfleet.app.sessions import takeover  # noqa: PLC0415

        chosen = choose(State(workspace.layout), session)
        if chosen is None and session is not None:
            raise GitfleetError(
                Kind.USAGE,
                "session-closed",
                f"Session {session} is closed: there is nothing of it to take over.",
                hint=f"`gitfleet closeout {session}` says how it ended.",
            )
        if chosen is not None:
            session = chosen.id
            taken = takeover.take_over(workspace, session, _asking(call, yes=yes), owner_is_gone=owner_is_gone)
    with stopping(interrupts), watching(as_json=call.json) as observer:
        outcome = resume(workspace, session, observer, interrupts, taken_over=taken, budgets=budgets)
    if outcome is None:
        what = f"session {session} is closed" if session is not None else "there is no session to continue"
        idle = IdleReport(message=f"Nothing needs you: {what}.")
        call.answer(idle, lambda: [Line(idle.message, "bold green")])
        return ExitCode.DONE
    return finish(call, outcome)


def _asking(call: Call, *, yes: bool) -> Callable[[str], None]:
    """Say what taking over does, and ask."""

    def agree(words: str) -> None:
        if not call.json:
            show([Line(words, "bold yellow")])
        consent(yes=yes, ask=not call.json, question="Take it over?", nothing="nothing was changed")

    return agree
