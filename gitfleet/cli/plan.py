"""``gitfleet plan``: what a plan would do, without doing it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.disclosure import view
from gitfleet.cli.names import PLAN
from gitfleet.errors import ExitCode, GitfleetError, Kind

PLAN_BYTES = 1 << 20
"""Size of a plan; what is longer is refused by the reader of documents, and not read to its end."""

if TYPE_CHECKING:
    from gitfleet.app.request import WaveRequest


@command(
    "plan",
    examples=(
        "gitfleet plan plan.yaml --explain",
        "gitfleet plan spec.md -o plan.yaml",
        "gitfleet plan - --json < plan.json",
    ),
)
@click.argument("plan", type=PLAN)
@click.option("--explain", is_flag=True, help="Say of each task why it is in its wave.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the normalised plan to this new file.")
@click.option("--target", help="Branch to land on.", metavar="BRANCH")
@click.option("--max-agents", "--max-workers", type=click.IntRange(min=1, max=256), help="Agents at the same time.")
@click.option("--rolling/--no-rolling", default=None, help="Start each task as soon as it can, without waves.")
@click.option("--only", multiple=True, help="Only this task and what it depends on; may be repeated.", metavar="TASK")
@click.option("--tag", multiple=True, help="Only tasks with this tag and what they depend on; may be repeated.")
@click.option("--agent", help="The agent of tasks that name none.")
def COMMAND(  # noqa: N802, PLR0913 - one argument an option
    call: Call,
    *,
    plan: Path,
    explain: bool,
    output: Path | None,
    target: str | None,
    max_agents: int | None,
    rolling: bool | None,
    only: tuple[str, ...],
    tag: tuple[str, ...],
    agent: str | None,
) -> int:
    """Show the waves that PLAN would run in; starts nothing, and writes --output and what it read of history only.

    PLAN is YAML, JSON, TOML or Markdown; `-` reads standard input.
    """
    from gitfleet.app.wave import prepare  # noqa: PLC0415

    request = request_of(plan, target=target, max_agents=max_agents, rolling=rolling, only=only, tags=tag, agent=agent)
    preparation = prepare(call.workspace(), request)
    if output is not None:
        from gitfleet.store.documents.plans import write_plan  # noqa: PLC0415

        try:
            with output.open("xb") as file:
                file.write(write_plan(preparation.plan))
        except FileExistsError as error:
            raise GitfleetError(
                Kind.USAGE, "file-exists", f"{output} exists and is not overwritten.", hint="Name a new file."
            ) from error
        except OSError as error:
            raise GitfleetError(Kind.USAGE, "cannot-write", f"{output} cannot be written: {error.strerror}.") from error
    call.answer(preparation.disclosure, lambda: view(preparation.disclosure, explain=explain))
    return ExitCode.DONE


def request_of(  # noqa: PLR0913 - one argument an option
    plan: Path,
    *,
    target: str | None,
    max_agents: int | None,
    rolling: bool | None,
    only: tuple[str, ...],
    agent: str | None,
    tags: tuple[str, ...] = (),
    fetch: bool = False,
    recheck: bool = False,
    fixture: bool = False,
) -> WaveRequest:
    """Read the plan's bytes and put the request together; raises ``GitfleetError`` (``cannot-read``)."""
    from gitfleet.app.request import WaveRequest  # noqa: PLC0415

    data, name = read_document(plan)
    return WaveRequest(
        plan_bytes=data,
        plan_name=name,
        target=target,
        max_agents=max_agents,
        rolling=rolling,
        only=only,
        tags=tags,
        agent=agent,
        fetch=fetch,
        recheck=recheck,
        fixture=fixture,
    )


def read_document(path: Path) -> tuple[bytes, str]:
    """Read a document that a person named, `-` for standard input: its bytes and what messages call it."""
    if str(path) == "-":
        return sys.stdin.buffer.read(PLAN_BYTES + 1), "<standard input>"
    try:
        with path.open("rb") as file:  # which may be a pipe of a shell's, such as <(make-plan)
            return file.read(PLAN_BYTES + 1), str(path)
    except OSError as error:
        raise GitfleetError(Kind.USAGE, "cannot-read", f"{path} cannot be read: {error.strerror}.") from error
