"""``gitfleet accounts``: connect, list, show and remove accounts of agents."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitfleet.cli.command import Call, command, group
from gitfleet.cli.names import ACCOUNT
from gitfleet.cli.output import Line, Table
from gitfleet.errors import ExitCode
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.agents.accounts.store import Accounts
    from gitfleet.cli.output import Piece
    from gitfleet.model.reports import AccountChanged, AccountRow

KINDS = click.Choice([AgentKind.CLAUDE.value, AgentKind.CODEX.value, AgentKind.OPENCODE.value])


@group(
    "accounts",
    examples=(
        "gitfleet accounts",
        "gitfleet accounts connect claude",
        "gitfleet accounts connect codex --api-key-env KEY --capacity 4",
        "gitfleet accounts status codex-2",
        "gitfleet accounts remove codex-2",
    ),
)
def COMMAND(call: Call) -> int:  # noqa: N802
    """List the accounts that agents work with.

    Each has a home of its own, below XDG_STATE_HOME; your own homes (~/.claude, ~/.codex, ~/.config/opencode) are left
    as they are. Whether one is ready is computed from what runs and from what its program was told.
    """
    return _listed(call)


@command("list", examples=("gitfleet accounts list", "gitfleet accounts list --json"))
def list_(call: Call) -> int:
    """List the accounts, as `gitfleet accounts` alone does."""
    return _listed(call)


@command("status", examples=("gitfleet accounts status", "gitfleet accounts status codex-2 --json"))
@click.argument("ref", required=False, type=ACCOUNT)
def status(call: Call, *, ref: str | None) -> int:
    """Show all there is to say of accounts.

    Of the account REF, or of each: who works with it, what it met, what mends it.
    """
    from gitfleet.app.accounts import listed  # noqa: PLC0415

    report = listed(_accounts(), ref)
    call.answer(report, lambda: details(report.accounts))
    return ExitCode.DONE


@command(
    "connect",
    examples=(
        "gitfleet accounts connect claude",
        "gitfleet accounts connect claude --import-settings",
        "gitfleet accounts connect codex --api-key-env TEAM_KEY --capacity 4",
        "gitfleet accounts connect codex --api-key-file ~/.keys/codex",
        "gitfleet accounts connect codex --ref codex-2",
        "gitfleet accounts connect codex --ref codex-2 --api-key-env TEAM_KEY --endpoint ''",
    ),
)
@click.argument("agent", type=KINDS)
@click.option("--ref", type=ACCOUNT, help="Connect this account anew; without it a new one is made.")
@click.option("--api-key-env", help="Variable that holds its key; the name is stored, never the key.", metavar="NAME")
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path),
    help="File that holds its key, private to you; the path is stored, never the key.",
)
@click.option(
    "--endpoint",
    help="Address of a gateway in place of the vendor's own; '' goes back to that.",
    metavar="URL",
)
@click.option(
    "--setting",
    multiple=True,
    help="A variable for its program that is no secret; may be repeated.",
    metavar="NAME=VALUE",
)
@click.option("--capacity", type=click.IntRange(min=1, max=256), help="Most attempts at once.  [default: 8]")
@click.option(
    "--import-settings",
    is_flag=False,
    flag_value="",
    help="Take settings over from your own home of its program, or from PATH; never credentials.",
    metavar="[PATH]",
)
def connect(  # noqa: PLR0913 - one argument an option
    call: Call,
    *,
    agent: str,
    ref: str | None,
    api_key_env: str | None,
    api_key_file: Path | None,
    endpoint: str | None,
    setting: Sequence[str],
    capacity: int | None,
    import_settings: str | None,
) -> int:
    """Connect an account of AGENT.

    By a login of its own program, in a home of its own, or by a key that you name. The account gets the next free
    name: codex, codex-2. Without a key the program's own login has the terminal, and where there is none it is refused.
    """
    from gitfleet.app.accounts import Connection  # noqa: PLC0415
    from gitfleet.app.accounts import connect as connected  # noqa: PLC0415

    wanted = Connection(
        kind=AgentKind(agent),
        ref=ref or "",
        key_env=api_key_env or "",
        key_path=api_key_file,
        endpoint=endpoint,
        settings=setting,
        capacity=capacity,
        import_from=Path(import_settings) if import_settings else None,
        imports=import_settings is not None,
    )
    output = sys.stderr.fileno() if call.json else None
    report = connected(_accounts(), wanted, output=output, terminal=sys.stdin.isatty())
    call.answer(report, lambda: changed(report))
    return ExitCode.DONE


@command("remove", examples=("gitfleet accounts remove codex-2", "gitfleet accounts remove codex-2 --json"))
@click.argument("ref", type=ACCOUNT)
def remove(call: Call, *, ref: str) -> int:
    """Remove the account REF and its home.

    Refused while attempts work with it, and while its program logs in.
    """
    from gitfleet.app.accounts import remove as removed  # noqa: PLC0415

    report = removed(_accounts(), ref)
    call.answer(report, lambda: changed(report))
    return ExitCode.DONE


for _below in (connect, list_, status, remove):
    COMMAND.add_command(_below)


def _accounts() -> Accounts:
    from gitfleet.agents.accounts.store import Accounts  # noqa: PLC0415

    return Accounts.of(os.environ, time.time)


def _listed(call: Call) -> int:
    from gitfleet.app.accounts import listed  # noqa: PLC0415

    report = listed(_accounts())
    call.answer(report, lambda: table(report.accounts))
    return ExitCode.DONE


def table(rows: Sequence[AccountRow]) -> Iterator[Piece]:
    """Draw accounts, a row each."""
    yield _first(rows)
    yield Table(
        ("account", "readiness", "busy", "queued", "available", "capacity", "identity"),
        [
            (row.ref, row.readiness, str(row.busy), str(row.queued), str(row.available), _capacity(row), row.identity)
            for row in rows
        ],
    )
    for row in rows:
        if row.next:
            yield Line(f"  {row.ref}: {row.message}", "yellow")
            yield Line(f"    {row.next}", copy=True)


def details(rows: Sequence[AccountRow]) -> Iterator[Piece]:
    """Draw all there is to say of accounts."""
    yield _first(rows)
    for row in rows:
        yield Line(f"{row.ref}: {row.message}", "bold")
        facts = {
            "identity": row.identity,
            "endpoint": row.endpoint,
            "settings": ", ".join(row.settings),
            "capacity": f"{_capacity(row)}, {row.busy} busy, {row.queued} queued, {row.available} available",
            "used by": plural(row.used, "attempt"),
            "last trouble": row.trouble,
        }
        for name, value in facts.items():
            if value:
                yield Line(f"  {name}: {value}")
        for holder in row.holders:
            how = "works with it" if holder.alive else "is dead, and its lease is taken back by the next run"
            yield Line(f"  {holder.instance}/{holder.attempt} {how} ({holder.repository})")
        if row.next:
            yield Line(f"  {row.next}", copy=True)


def changed(report: AccountChanged) -> Iterator[Piece]:
    """Say what was connected or removed."""
    yield Line(f"Account {report.ref} is {report.action}.", "bold green")
    row = report.account
    if row is not None:
        who = f", {row.identity}" if row.identity else ""
        yield Line(f"  {row.message}{who}, capacity {row.capacity}")
        if row.next:
            yield Line(f"  {row.next}", copy=True)
    if report.imported:
        yield Line(f"  settings taken over: {', '.join(report.imported)}")
    for left in report.left_out:
        yield Line(f"  left out: {left}", "yellow")


def _first(rows: Sequence[AccountRow]) -> Line:
    if not rows:
        return Line("No account is connected; `gitfleet accounts connect claude` connects one.", "bold yellow")
    usable = sum(row.readiness in {"ready", "busy"} for row in rows)
    style = "bold green" if usable == len(rows) else "bold yellow"
    return Line(f"{usable} of {plural(len(rows), 'account')} ready.", style)


def _capacity(row: AccountRow) -> str:
    return str(row.capacity) if row.allowed == row.capacity else f"{row.allowed} of {row.capacity}"
