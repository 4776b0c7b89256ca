"""What the doctor says of accounts, and mends of them: a finding for each condition, with the command that ends it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.programs import PROGRAMS, found
from gitfleet.agents.accounts.store import Accounts
from gitfleet.model.reports import Finding, Level, Mend
from gitfleet.model.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitfleet.app.workspace import Workspace

FIX = "gitfleet doctor --fix"


def account_findings(workspace: Workspace) -> Iterator[Finding]:
    """How each account stands, or that there is none for the programs that are here."""
    accounts = Accounts.of(os.environ, workspace.now)
    if not accounts.root.is_dir():
        yield from _unused(())
        return
    if accounts.root.stat().st_mode & 0o077:
        message = f"{accounts.root} can be read by others: it holds logins."
        yield Finding(name="account-open", level=Level.WARN, message=message, hint=f"chmod 700 {accounts.root}")
    yield from _unused(accounts.refs())
    standings = {one.ref: one for one in accounts.standings()}
    for ref in accounts.refs():
        one = standings.get(ref)
        if one is None:
            message = f"{accounts.root / ref / 'account.json'} cannot be read; a newer gitfleet may have written it."
            yield Finding(
                name="account-damaged", level=Level.WARN, message=message, hint=f"gitfleet accounts remove {ref}"
            )
            continue
        for path in (path for path, lease in accounts.leases(ref).items() if lease is None):
            message = f"{path} cannot be read, and counts as an attempt that works with account {ref}."
            hint = f"When no session of yours goes on: rm {shlex.quote(str(path))}"
            yield Finding(name="account-damaged-lease", level=Level.WARN, message=message, hint=hint)
        level = Level.OK if one.usable else Level.WARN
        yield Finding(
            name=f"account-{one.condition}",
            level=level,
            message=f"Account {ref} is {one.clause}." if one.usable else f"Account {ref}: {one.clause}.",
            hint="" if one.usable else one.mend,
        )
        if one.dead:
            message = f"Account {ref} has {plural(one.dead, 'lease')} of dead runs, which the next run takes back."
            yield Finding(name="account-dead-lease", level=Level.WARN, message=message, hint=FIX)


def _unused(refs: Sequence[str]) -> Iterator[Finding]:
    """Say so where programs of agents are here and nobody could work with them."""
    here = [kind for kind in PROGRAMS if found(kind, os.environ)]
    if here and not refs:
        message = f"No account is connected, so {', '.join(here)} cannot do tasks here; commands can."
        connect = f"gitfleet accounts connect {here[0]}"
        yield Finding(name="account-none", level=Level.WARN, message=message, hint=connect)


def mend_accounts(workspace: Workspace) -> Iterator[Mend]:
    """Take back leases of dead runs, and delete what was removed and is still there."""
    accounts = Accounts.of(os.environ, workspace.now)
    if not accounts.root.is_dir():
        return
    with accounts.lock() as proof:
        for ref in accounts.refs():
            taken = accounts.sweep(proof, ref)
            if taken:
                yield Mend(name="account", done=True, message=f"{plural(taken, 'lease')} of {ref} was taken back")
    accounts.empty_bin()
