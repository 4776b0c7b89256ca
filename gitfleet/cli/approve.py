"""``gitfleet approve``: let an agent do what it was not allowed to, once or always; list and revoke what is granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.live import Silent
from gitfleet.cli.names import GRANT, RUN, SESSION
from gitfleet.cli.output import Line, Table
from gitfleet.errors import ExitCode
from gitfleet.model.request import Permit
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import ApproveReport


@command(
    "approve",
    examples=(
        "gitfleet approve api-auth",
        "gitfleet approve fleet-auth-refactor-k3f9qm-w1-a2 --always",
        "gitfleet approve --list",
        "gitfleet approve --revoke 'Bash(make deploy)'",
    ),
)
@click.argument("instance", type=RUN, required=False)
@click.option("--always", is_flag=True, help="Grant it to all agents of this kind in this repository, for good.")
@click.option("--deny", is_flag=True, help="Deny it: the run is over, and its work is kept.")
@click.option("--list", "listing", is_flag=True, help="Show what waits for a permission, and what is always granted.")
@click.option(
    "--revoke",
    type=GRANT,
    metavar="TOOL",
    help="Take back what is always granted: a tool, or a tool with its argument.",
)
@click.option("--session", type=SESSION, help="The session, where several have such a task.")
def COMMAND(  # noqa: N802 - the options of one command
    call: Call,
    *,
    instance: str | None,
    always: bool,
    deny: bool,
    listing: bool,
    revoke: str | None,
    session: str | None,
) -> int:
    """Let the run of INSTANCE, an instance or a task, use the tool that it was denied.

    Its agent goes on where it stopped, in the same session of its own program. What is granted with --always is kept in
    your own state directory, for this repository alone; no file of the repository can grant anything. Without INSTANCE
    it shows what waits.
    """
    from gitfleet.app.steering import approve  # noqa: PLC0415

    _refuse(instance, always=always, deny=deny, listing=listing, revoke=revoke)
    if revoke is not None:
        report = approve.revoke(call.workspace(), revoke)
    elif instance is None:
        report = approve.listed(call.workspace())
    else:
        what = Permit.DENY if deny else Permit.APPROVE
        report = approve.permit(call.workspace(), instance, session, what, Silent(), always=always)
    call.answer(report, lambda: view(report))
    return ExitCode.DONE


def _refuse(instance: str | None, *, always: bool, deny: bool, listing: bool, revoke: str | None) -> None:
    if always and deny:
        message = "`--always` and `--deny` exclude each other."
    elif listing and revoke is not None:
        message = "`--list` and `--revoke` exclude each other."
    elif instance is not None and (listing or revoke is not None):
        message = "`--list` and `--revoke` are about what is always granted, and take no INSTANCE."
    elif instance is None and (always or deny):
        message = f"`{'--always' if always else '--deny'}` needs an INSTANCE."
    else:
        return
    raise click.UsageError(message)


def view(report: ApproveReport) -> Iterator[Piece]:
    """Draw the report."""
    if report.message:
        yield Line(report.message, "bold green")
    waiting = [run for run in report.parked if not run.approved]
    if report.action == "listed" and not waiting:
        yield Line("Nothing needs you: no run waits for a permission.", "bold green")
    elif waiting:
        yield Line(f"It needs you: {plural(len(waiting), 'run')} waiting for your word.", "bold yellow")
    for run in waiting:
        if run.interrupted:
            yield Line(f"  {run.task} was interrupted, and goes on when you say so")
        for one in run.denied:
            yield Line(f"  {run.task} was not allowed to use {one.full}")
        if run.more:
            yield Line(f"  {run.task} was not allowed {run.more} more, of which nothing is kept")
        yield Line(f"  next: gitfleet approve {run.instance}", copy=True)
    if report.action == "listed" or report.always:
        yield Table(
            ("always granted", "agent", "since"),
            [(one.permission.full, one.agent, one.since) for one in report.grants],
        )
