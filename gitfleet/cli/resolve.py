"""``gitfleet resolve``: a shell in a worktree with a run's conflict, or the path of it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command
from gitfleet.cli.names import RUN, SESSION
from gitfleet.cli.output import document, is_terminal
from gitfleet.errors import ExitCode

if TYPE_CHECKING:
    from gitfleet.model.reports import ResolveReport


@command(
    "resolve",
    examples=("gitfleet resolve api-auth", 'cd "$(gitfleet resolve api-auth --print)"', "gitfleet continue"),
)
@click.argument("run", type=RUN)
@click.option("--session", type=SESSION, help="Look for a task in this session.")
@click.option(
    "--print", "--no-shell", "only_print", is_flag=True, help="Print the path of the worktree and start no shell."
)
def COMMAND(call: Call, *, run: str, session: str | None, only_print: bool) -> int:  # noqa: N802
    """Open a worktree with the conflict of an INSTANCE or a TASK that is held for you.

    The worktree is on the run's branch, with the merge of the target under way. Edit, `git add`, and commit if you
    like: `gitfleet continue` commits what is staged, and takes it through gate and checks to the target. Opened again,
    it is as you left it; after `git merge --abort` the merge is begun anew. The shell has GITFLEET_OPEN=1 in its
    environment, which marks it as a person's.
    """
    from gitfleet.app.open import shell  # noqa: PLC0415
    from gitfleet.app.resolve import resolve  # noqa: PLC0415
    from gitfleet.model.reports import OpenReport  # noqa: PLC0415

    report = resolve(call.workspace(), run, session)
    if call.json:
        document(report)
    elif only_print or not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        # As bytes and unescaped: this line is for `cd "$(...)"`.
        sys.stderr.write(_told(report))
        sys.stdout.flush()
        sys.stdout.buffer.write(os.fsencode(report.path) + b"\n")
    else:
        sys.stderr.write(f"{_told(report)}{report.instance} in {report.path}; `exit` returns.\n")
        shell(OpenReport(instance=report.instance, branch=report.branch, path=report.path), os.environ)
        sys.stderr.write(f"When it is resolved: gitfleet continue {report.session}\n")
    return ExitCode.DONE


def _told(report: ResolveReport) -> str:
    """Say what is left to do there."""
    target = report.target.removeprefix("refs/heads/")
    if report.unmerged:
        return f"In conflict with {target}: {', '.join(report.unmerged)}\n"
    if report.merging:
        return f"Nothing is in conflict there any more; the merge of {target} is not committed yet.\n"
    if report.committed:
        return f"No merge is under way there; `gitfleet continue {report.session}` takes up what is committed.\n"
    return (
        f"No merge is under way there, and nothing is committed: `git merge {report.onto[:12]}`, or put your edits "
        "elsewhere and ask again.\n"
    )
