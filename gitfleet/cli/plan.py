"""``gitfleet plan``: what a plan would do, without doing it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.direction import plan_options, prepared, source_of
from gitfleet.cli.disclosure import view
from gitfleet.cli.names import PLAN_TEXT
from gitfleet.errors import ExitCode, GitfleetError, Kind

if TYPE_CHECKING:
    from gitfleet.app.planning.direction import Planned
    from gitfleet.cli.direction import Prepared


@command(
    "plan",
    examples=(
        "gitfleet plan plan.yaml --explain",
        "gitfleet plan spec.md -o plan.yaml",
        "gitfleet plan - --json < plan.json",
        'gitfleet plan "Move authentication to JWT" --edit -o plan.yaml',
    ),
)
@click.argument("plan", type=PLAN_TEXT, required=False)
@click.option("--direction", help="A direction in words, in place of PLAN.", metavar="TEXT")
@click.option("--explain", is_flag=True, help="Say of each task why it is in its wave.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the normalised plan to this new file.")
@plan_options
@click.option("--edit", is_flag=True, help="Edit the plan that the planner made, in $VISUAL or $EDITOR.")
@click.option("--yes", is_flag=True, help="Give the consent that is asked for before the planner is called.")
def COMMAND(  # noqa: N802, PLR0913 - one argument an option
    call: Call,
    *,
    plan: str | None,
    direction: str | None,
    explain: bool,
    output: Path | None,
    target: str | None,
    max_agents: int | None,
    rolling: bool | None,
    only: tuple[str, ...],
    tag: tuple[str, ...],
    agent: str | None,
    edit: bool,
    yes: bool,
) -> int:
    """Show the waves that PLAN would run in; starts nothing but the planner, where PLAN is a direction in words.

    PLAN is YAML, JSON, TOML or Markdown; `-` reads standard input. Words that are no file, or free text in a .md or
    .txt file, are a direction: an agent makes a plan of it, after consent. Writes --output, what it read of history,
    and what the planner answered.
    """
    from gitfleet.app.sessions.request import WaveRequest  # noqa: PLC0415

    source = source_of(plan, direction)
    if output is not None:
        _refuse(output)
    request = WaveRequest(
        plan_bytes=b"",
        plan_name="",
        target=target,
        max_agents=max_agents,
        rolling=rolling,
        only=only,
        tags=tag,
        agent=agent,
    )
    found = prepared(call, source, request, yes=yes, edit=edit)
    if output is not None:
        with found.naming():
            _write(output, found)
    disclosure = found.preparation.disclosure
    call.answer(disclosure, lambda: view(disclosure, explain=explain, asked=found.planned is not None))
    return ExitCode.DONE


def _refuse(output: Path) -> None:
    """Refuse where the plan cannot be written to; a planner would have been paid for it first."""
    if os.path.lexists(output):
        raise _exists(output)
    if not output.parent.is_dir():
        why = f"{output.parent} is no directory" if os.path.lexists(output.parent) else f"there is no {output.parent}"
        raise GitfleetError(Kind.USAGE, "cannot-write", f"{output} cannot be written: {why}.")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise GitfleetError(Kind.USAGE, "cannot-write", f"{output} cannot be written: Permission denied.")


def _write(output: Path, found: Prepared) -> None:
    from gitfleet.store.documents.plans import write_plan  # noqa: PLC0415

    data = write_plan(found.preparation.plan)
    if found.planned is not None:
        from gitfleet.app.planning.direction import commented  # noqa: PLC0415

        data = commented(data, _head(found.planned))
    try:
        with output.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise _exists(output) from error
    except OSError as error:
        raise GitfleetError(Kind.USAGE, "cannot-write", f"{output} cannot be written: {error.strerror}.") from error


def _head(planned: Planned) -> list[str]:
    day = time.strftime("%Y-%m-%d", time.localtime(planned.preparation.workspace.now()))
    return [f"Made by `gitfleet plan` from a direction in words, {day}:", planned.origin]


def _exists(output: Path) -> GitfleetError:
    return GitfleetError(Kind.USAGE, "file-exists", f"{output} exists and is not overwritten.", hint="Name a new file.")
