"""What every command has in common: ``--json``, ``--repo``, examples in ``--help``, and one object to answer through.

A command module declares a function with ``@command`` and returns its exit code. It imports its use case inside the
function, so that ``gitfleet -h`` and completion pay for none of them.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitfleet.cli.output import document, show
from gitfleet.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import msgspec

    from gitfleet.app.workspace import Workspace
    from gitfleet.cli.output import Piece


LATER_OPTIONS = frozenset({"--quick", "--speculative", "--confirm", "--resolver", "--host", "--account"})
"""Options that the design names and that no release has yet; they are refused by name, never ignored."""

ELSEWHERE = {
    (
        "wave",
        "--take-over",
    ): "A wave starts a session of its own, which nobody holds yet; to take an open one over, use "
    "`gitfleet continue SESSION --take-over`.",
}
"""Options of a command that a person may look for at another one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a command: where, and in which form to answer."""

    repo: Path
    json: bool

    def workspace(self) -> Workspace:
        """Open the repository that the command is about."""
        from gitfleet.app.workspace import open_workspace  # noqa: PLC0415

        return open_workspace(self.repo)

    def answer(self, report: msgspec.Struct, view: Callable[[], Iterable[Piece]]) -> None:
        """Print the report as the one JSON document, or its view for people."""
        if self.json:
            document(report)
        else:
            show(view())


class Command(click.Command):
    """A command that refuses later options by name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and say of an option of a later release that it is not built yet."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in LATER_OPTIONS:
                message = f"{error.option_name} is not built yet."
                raise click.UsageError(message, ctx) from error
            elsewhere = ELSEWHERE.get((self.name or "", error.option_name))
            if elsewhere is not None:
                raise click.UsageError(elsewhere, ctx) from error
            raise


class CommandGroup(Command, click.Group):
    """A command with commands below it; alone it does what its own function does."""


def command(name: str, *, examples: Sequence[str], facts: str = "") -> Callable[[Callable[..., int]], click.Command]:
    """Make a command of a function that takes a ``Call`` and its own parameters.

    Its docstring is the help, followed by ``facts`` with their lines kept.
    """

    def decorate(function: Callable[..., int]) -> click.Command:
        @functools.wraps(function)
        def callback(*, as_json: bool, repo: Path, **values: object) -> int:
            return int(function(_call(as_json=as_json, repo=repo), **values))

        words = inspect.cleandoc(function.__doc__ or "") + (f"\n\n\b\n{facts}" if facts else "")
        made = click.command(name, cls=Command, help=words, epilog=_epilog(examples))(callback)
        made.params += _common()
        return made

    return decorate


def group(name: str, *, examples: Sequence[str]) -> Callable[[Callable[..., int]], CommandGroup]:
    """Make a command that has others below it, added with ``add_command``; the function answers where none is named."""

    def decorate(function: Callable[..., int]) -> CommandGroup:
        @functools.wraps(function)
        def callback(*, as_json: bool, repo: Path, **values: object) -> int:
            context = click.get_current_context()
            below = context.invoked_subcommand
            if below is None:
                return int(function(Call(repo, as_json), **values))
            for parameter in context.command.params:
                if parameter.name in values and values[parameter.name] is not None:
                    message = f"{parameter.opts[0]} goes behind `{below}`."
                    raise click.UsageError(message)
            return 0

        made = click.group(name, cls=CommandGroup, invoke_without_command=True, epilog=_epilog(examples))(callback)
        made.params += _common()
        return made

    return decorate


def _epilog(examples: Sequence[str]) -> str:
    return "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples)


def _call(*, as_json: bool, repo: Path) -> Call:
    """Honour what was written before the name of a command below a group, as after it."""
    above = click.get_current_context().parent
    if above is not None and isinstance(above.command, CommandGroup):
        as_json = as_json or bool(above.params.get("as_json"))
        repo = above.params["repo"] if repo == Path() else repo
    return Call(repo, as_json)


def _common() -> list[click.Parameter]:
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Answer with one JSON document on standard output."),
        click.Option(
            ["--repo"],
            type=click.Path(path_type=Path),
            default=Path(),
            help="Work on the repository at this path rather than the current directory's.",
            metavar="PATH",
        ),
    ]


def exit_code(*, failed: bool) -> ExitCode:
    """Give the exit code of a command that only looks: 1 where it found something wrong."""
    return ExitCode.RUNS_FAILED if failed else ExitCode.DONE
