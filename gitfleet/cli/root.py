"""The command group: names and one-line summaries here, each command's module imported only when it is used."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from gitfleet import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Set gitfleet up in a repository; commits nothing."),
    "plan": ("plan", "Show the waves that a plan would run in, and why."),
    "wave": ("wave", "Run a plan: agents in waves, checked and landed."),
    "continue": ("continue_", "Go on with a session that stopped."),
    "status": ("status", "Show what runs, and what needs you."),
    "inspect": ("inspect", "Show everything about one run."),
    "logs": ("logs", "Show the output of an agent."),
    "events": ("events", "Show the journal of a session."),
    "claims": ("claims", "Show who may write what at this moment."),
    "conflicts": ("conflicts", "Show what would conflict if it were merged now."),
    "add": ("add", "Add a task to an open session."),
    "cancel": ("cancel", "Cancel a queued task of an open session."),
    "pause": ("pause", "Start nothing new; what runs goes on and lands."),
    "resume": ("resume", "Take a pause or a drain back."),
    "drain": ("drain", "Finish what runs, then stop."),
    "stop": ("stop", "Stop a session's agents, keep their work, save."),
    "interrupt": ("interrupt", "Send an agent what Ctrl-C sends."),
    "restart": ("restart", "Start a run again, as a new attempt."),
    "approve": ("approve", "Let an agent do what it was not allowed to, once or always."),
    "resolve": ("resolve", "Open a tree with the conflict of a run, for you to resolve."),
    "open": ("open", "Open a shell in an agent's worktree."),
    "usage": ("usage", "Show what agents used, exactly or not measured."),
    "accounts": ("accounts", "Connect and show accounts of agents, each in a home of its own."),
    "closeout": ("closeout", "Show what is missing before a session is done."),
    "check": ("check", "Validate the documents below .planning."),
    "doctor": ("doctor", "Look for what would keep gitfleet from working here."),
    "rescue": ("rescue", "List, show, bring back and prune the snapshots of work."),
    "clean": ("clean", "Remove what closed sessions left; never unlanded work."),
    "demo": ("demo", "Run a sample session in a repository of its own."),
    "completion": ("completion", "Print the completion script of a shell."),
}

GROUPS: dict[str, tuple[str, ...]] = {
    "Begin": ("demo", "init", "accounts", "doctor"),
    "Run": ("plan", "wave", "continue", "resolve", "add", "cancel"),
    "Steer": ("pause", "resume", "drain", "stop", "interrupt", "restart", "approve"),
    "Look": ("status", "inspect", "logs", "events", "claims", "conflicts", "usage", "closeout", "open"),
    "Tidy": ("rescue", "check", "clean", "completion"),
}
"""What each command is for; a command is in one group."""

LATER_COMMANDS = frozenset(
    {
        "compare",
        "pick",
        "momentum",
    }
)
"""Commands that the design names and that no release has yet; refused by name."""

EPILOG = """\b
Examples:
  gitfleet demo
  gitfleet init
  gitfleet wave plan.yaml
  gitfleet status

Exit codes: 0 done; 1 finished, some runs failed or were refused; 2 wrong usage or invalid document; 3 needs a person
or a `continue`; 4 the environment lacks something; 5 another coordinator holds it; 70 a defect in gitfleet; 130
interrupted, after state was saved.

`git fleet` is the same program. `git fleet --help` is answered by git, which looks for a manual page; use `git fleet
-h`.
"""


class Group(click.Group):
    """Commands by name, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Name the commands in the order of a person's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gitfleet.cli.{COMMANDS[cmd_name][0]}")
        made = module.COMMAND
        assert isinstance(made, click.Command)  # noqa: S101 - a command module without one is a defect
        made.short_help = COMMANDS[cmd_name][1]
        return made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or refuse with the nearest name."""
        name = args[0]
        if name in COMMANDS or name.startswith("-"):
            return super().resolve_command(ctx, args)
        if name in LATER_COMMANDS:
            message = f"`{name}` is not built yet."
            raise click.UsageError(message, ctx)
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        message = f"There is no command `{name}`." + (f" Did you mean `{near[0]}`?" if near else "")
        raise click.UsageError(message, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List names and summaries without importing a command."""
        longest = max(map(len, COMMANDS))
        for purpose, names in GROUPS.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(longest), COMMANDS[name][1]) for name in names])


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        sys.stdout.write(f"gitfleet {__version__}\n")
        ctx.exit()


GROUP = Group(
    name="gitfleet",
    help="Run many coding agents on one Git repository: no collisions, no lost work, nothing lands unchecked.",
    epilog=EPILOG,
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version.",
        )
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def program() -> str:
    """Name the program as it was called."""
    return "git fleet" if sys.argv[0].rpartition("/")[2] == "git-fleet" else "gitfleet"


def run(args: Sequence[str]) -> int:
    """Run a command line and give its exit code; raises click's and our refusals."""
    instruction = os.environ.get("_GITFLEET_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete  # noqa: PLC0415 - only a completing shell pays

        return shell_complete(GROUP, {}, "gitfleet", "_GITFLEET_COMPLETE", instruction)
    if not args:
        sys.stdout.write(GROUP.get_help(click.Context(GROUP, info_name=program(), **GROUP.context_settings)) + "\n")
        return 2
    try:
        code = GROUP.main(list(args), prog_name=program(), standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return code if isinstance(code, int) else 0
