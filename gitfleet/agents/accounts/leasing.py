"""Leases of accounts: one lock around the look, the choice and the write, whatever process asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gitfleet.agents.accounts.limits import after
from gitfleet.agents.accounts.readiness import Standing, pick

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gitfleet.agents.accounts.limits import Ending
    from gitfleet.agents.accounts.store import Accounts
    from gitfleet.model.account import Account, AccountLease
    from gitfleet.model.agent_config import AgentKind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Accounts that would do: all of a kind, or the one that is pinned; ``agent`` is who would work with them."""

    kind: AgentKind
    ref: str = ""
    agent: str = ""

    def fits(self, account: Account) -> bool:
        """Whether an account would do."""
        return account.kind is self.kind and self.ref in {"", account.ref}


@dataclass(frozen=True, slots=True)
class Leased:
    """An account was given to the attempt; ``wanted`` is which of the wishes it meets."""

    account: Account
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Unready:
    """No account that would do is ready; ``standings`` are those there are, none when nothing is connected."""

    standings: tuple[Standing, ...]


def take(accounts: Accounts, wishes: Sequence[Wanted], lease: AccountLease, *, prefer: str = "") -> Leased | Unready:
    """Give the least used ready account that meets a wish to an attempt.

    Whatever the instance held before is taken back in the same stroke.
    """
    with accounts.lock() as proof:
        accounts.drop_leases(proof, lease.instance, lease.repository)
        fitting = {
            account.ref: (account, wish)
            for account in accounts.all()
            for wish in reversed(wishes)
            if wish.fits(account)
        }
        for ref in fitting:
            accounts.sweep(proof, ref)
        standings = [one for one in accounts.standings() if one.ref in fitting]
        chosen = pick(standings, prefer=prefer)
        if chosen is None:
            return Unready(tuple(standings))
        account, wish = fitting[chosen.ref]
        accounts.queue.drop(proof, lease.instance, lease.repository)
        accounts.write_lease(proof, account.ref, lease)
        state = accounts.state(account.ref)
        accounts.write_state(proof, account.ref, msgspec.structs.replace(state, used=state.used + 1))
        return Leased(account, wish)


def wait(accounts: Accounts, lease: AccountLease, refs: Sequence[str]) -> None:
    """Write down that an instance waits for one of these accounts; who is dead waits no more."""
    with accounts.lock() as proof:
        accounts.queue.write(proof, msgspec.structs.replace(lease, wants=tuple(dict.fromkeys(refs))))


def recover(accounts: Accounts, session: str, repository: str, keep: Collection[str]) -> int:
    """Take back what instances of a session hold or wait for, but for those to ``keep``; returns how many.

    What anybody left who is dead goes with it.
    """
    if not accounts.root.is_dir():
        return 0
    with accounts.lock() as proof:
        gone = [
            lease.instance
            for lease in accounts.every_lease()
            if (lease.session, lease.repository) == (session, repository) and lease.instance not in keep
        ]
        for instance in gone:
            accounts.drop_leases(proof, instance, repository)
            accounts.queue.drop(proof, instance, repository)
        accounts.queue.sweep(proof)
        for ref in accounts.refs():
            accounts.sweep(proof, ref)
    return len(gone)


def release(accounts: Accounts, instance: str, repository: str) -> None:
    """Take back what an instance holds or waits for; nothing is no error."""
    with accounts.lock() as proof:
        accounts.drop_leases(proof, instance, repository)
        accounts.queue.drop(proof, instance, repository)


def ended(accounts: Accounts, ref: str, what: Ending) -> Standing | None:
    """Write down what the end of an attempt says of its account; gives how that stands then.

    None when it is gone or cannot be read: what the attempt made counts all the same.

    Called twice for one attempt, as after a crash, it counts twice: then an account rests as long, and fewer attempts
    work with it for a while.
    """
    with accounts.lock() as proof:
        account = accounts.find(ref)
        if account is None:
            return None
        before = accounts.state(ref)
        now = after(account, before, what, accounts.now())
        if now != before:
            accounts.write_state(proof, ref, now)
        return accounts.standing(ref)
