"""``gitfleet wave``: disclose, ask, run, say how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.consent import consent
from gitfleet.cli.direction import plan_options, prepared, source_of
from gitfleet.cli.disclosure import view as disclosure_view
from gitfleet.cli.live import stopping, watching
from gitfleet.cli.names import PLAN_TEXT
from gitfleet.cli.outcome import report as report_of
from gitfleet.cli.outcome import view
from gitfleet.cli.output import document, show
from gitfleet.cli.terminal import NOBODY_READS, silence
from gitfleet.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.app.sessions.outcome import Outcome
    from gitfleet.app.sessions.wave import Preparation
    from gitfleet.cli.output import Piece


@command(
    "wave",
    examples=(
        "gitfleet wave plan.yaml",
        "gitfleet wave plan.yaml --yes --max-agents 5",
        "gitfleet wave plan.yaml --dry-run --json",
        'gitfleet wave "Move authentication to JWT"',
    ),
)
@click.argument("plan", type=PLAN_TEXT, required=False)
@click.option("--direction", help="A direction in words, in place of PLAN.", metavar="TEXT")
@plan_options
@click.option("--fetch", is_flag=True, help="Update the target from its upstream first.")
@click.option("--recheck", is_flag=True, help="Run the checks on the target as it is first; stop where they fail.")
@click.option("--fixture", is_flag=True, help="A proof: a script that spends nothing stands in for every agent.")
@click.option("--edit", is_flag=True, help="Edit the plan that the planner made, in $VISUAL or $EDITOR.")
@click.option("--dry-run", is_flag=True, help="Show what would happen, as `gitfleet plan` does, and stop.")
@click.option("--yes", is_flag=True, help="Give the consent that is asked for.")
def COMMAND(  # noqa: N802, PLR0913 - one argument an option
    call: Call,
    *,
    plan: str | None,
    direction: str | None,
    target: str | None,
    max_agents: int | None,
    rolling: bool | None,
    only: tuple[str, ...],
    tag: tuple[str, ...],
    agent: str | None,
    fetch: bool,
    recheck: bool,
    fixture: bool,
    edit: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Run PLAN: agents in waves, each in a worktree of its own, checked and landed on the target.

    PLAN may be a direction in words: an agent makes a plan of it first, which is shown before anything else starts.
    Says what will happen and asks before anything starts; without a terminal it needs --yes.
    The first Ctrl-C stops the agents and saves, `gitfleet continue` goes on; the second leaves at once.
    """
    from gitfleet.app.sessions.request import WaveRequest  # noqa: PLC0415

    source = source_of(plan, direction)
    request = WaveRequest(
        plan_bytes=b"",
        plan_name="",
        target=target,
        max_agents=max_agents,
        rolling=rolling,
        only=only,
        tags=tag,
        agent=agent,
        fetch=fetch and not dry_run,
        recheck=recheck,
        fixture=fixture,
    )
    found = prepared(call, source, request, yes=yes, edit=edit)
    preparation = found.preparation

    def shown() -> Iterator[Piece]:
        return disclosure_view(preparation.disclosure, explain=False, asked=found.planned is not None)

    if dry_run:
        call.answer(preparation.disclosure, shown)
        return ExitCode.DONE
    with found.naming():
        preparation.refuse()
        if not call.json:
            show(shown())
        consent(yes=yes, ask=not call.json, unread=found.planned.unread if found.planned else ())
    return finish(call, start(preparation, as_json=call.json))


def start(preparation: Preparation, *, as_json: bool) -> Outcome:
    """Run what was prepared, watched."""
    from gitfleet.app.sessions.wave import run  # noqa: PLC0415
    from gitfleet.coordinator.observer import Interrupts  # noqa: PLC0415

    interrupts = Interrupts()
    with stopping(interrupts), watching(as_json=as_json) as observer:
        return run(preparation, observer, interrupts)


def finish(call: Call, outcome: Outcome) -> int:
    """Say how it ended, and give the exit code; a closed pipe or terminal changes neither."""
    report = report_of(outcome)
    try:
        if call.json:
            document(report)
        else:
            show(view(report))
    except OSError as error:
        if error.errno not in NOBODY_READS:
            raise
        silence(1, 2)
    return outcome.exit_code
