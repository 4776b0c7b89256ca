"""Accounts on disk, below the user's own state directory; every check and write under one lock.

====================  ==============================================================================================
``lock``               held around every look that leads to a write
``<ref>/account.json`` what was connected; no secret
``<ref>/state.json``   what attempts met with it
``<ref>/home/``        everything of its program, mode 0700
``<ref>/leases/``      who works with it, a file each
``.waiting/``          who waits for an account, a file each
``.removed/``          homes that were taken away by a rename and not deleted yet
====================  ==============================================================================================

Each change is one durable write or one rename, so a kill between two of them leaves an account without its state (as
after its connection), a lease that is dead (nobody holds a lock of it), a home that nobody knows (swept later), or one
that is empty and has no ``account.json`` yet: that is no account, and the next one that is connected takes its place.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.agents.accounts.keys import missing
from gitfleet.agents.accounts.lease_files import Queue, alive, lease_name, read_leases
from gitfleet.agents.accounts.programs import found
from gitfleet.agents.accounts.readiness import Known, Standing, standing
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.account import Account, AccountLease, AccountState
from gitfleet.model.base import decode, encode
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import (
    make_directory,
    names,
    read_regular,
    remove_durable,
    rename_durable,
    sweep,
    write_durable,
)
from gitfleet.store.locks import hold
from gitfleet.store.user_state import state_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gitfleet.model.agent_config import AgentKind
    from gitfleet.store.locks import LockProof

_REF = re.compile(r"[a-z][a-z0-9-]{0,60}", re.ASCII)
_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of one user; ``caller`` is the environment that gitfleet was started with."""

    root: Path
    caller: Mapping[str, str]
    now: Callable[[], float]

    @classmethod
    def of(cls, caller: Mapping[str, str], now: Callable[[], float]) -> Accounts:
        """The accounts of whom this environment belongs to. Raises ``GitfleetError`` (``no-home``)."""
        root = state_home(caller)
        if root is None:
            message, hint = (
                "HOME is not set, so there is no place for accounts.",
                "Set HOME, or XDG_STATE_HOME to an absolute path.",
            )
            raise GitfleetError(Kind.ENVIRONMENT, "no-home", message, hint=hint)
        return cls(root / "gitfleet" / "accounts", caller, now)

    # -- looking -------------------------------------------------------------------------------------------------

    def refs(self) -> list[str]:
        """Names of all accounts, sorted: ``codex-2`` before ``codex-10``."""
        here = [name for name in names(self.root) if _REF.fullmatch(name) and (self.root / name).is_dir()]
        return sorted((ref for ref in here if not self._unfinished(ref)), key=_order)

    def check(self, ref: str) -> None:
        """Raise ``GitfleetError`` (``unknown-account``) where there is no account of this name, damaged or not."""
        refs = self.refs()
        if ref not in refs:
            known = ", ".join(refs) or "none"
            message = f"There is no account {ref} (there are: {known})."
            raise GitfleetError(Kind.USAGE, "unknown-account", message) from None

    def read(self, ref: str) -> Account:
        """One account; raises ``GitfleetError`` (``unknown-account``, ``damaged-account``)."""
        path = self._path(ref) / "account.json"
        try:
            account = decode(read_regular(path), Account)
        except FileNotFoundError as error:
            self.check(ref)
            raise _damaged(ref, path) from error
        except (OSError, *UNREADABLE) as error:
            raise _damaged(ref, path) from error
        if account.ref != ref:
            raise _damaged(ref, path)
        return account

    def find(self, ref: str) -> Account | None:
        """One account, if it is there and can be read."""
        if ref in self.refs():
            with suppress(GitfleetError):
                return self.read(ref)
        return None

    def all(self) -> list[Account]:
        """All accounts that can be read."""
        accounts = []
        for ref in self.refs():
            with suppress(GitfleetError):
                accounts.append(self.read(ref))
        return accounts

    def state(self, ref: str) -> AccountState:
        """What attempts met with an account; nothing where that cannot be read, since it costs a request at most."""
        try:
            return decode(read_regular(self._path(ref) / "state.json"), AccountState)
        except (OSError, *UNREADABLE):
            return AccountState()

    def home(self, ref: str) -> Path:
        """The directory that holds everything of an account's program."""
        return self._path(ref) / "home"

    def login_lock(self, ref: str) -> Path:
        """The lock that is held while an account's program logs in."""
        return self._path(ref) / "login.lock"

    def leases(self, ref: str) -> dict[Path, AccountLease | None]:
        """Leases of an account by file; none for one that cannot be read, which counts as taken."""
        return read_leases(self._path(ref) / "leases")

    @property
    def queue(self) -> Queue:
        """Who waits for an account."""
        return Queue(self.root / ".waiting")

    def every_lease(self) -> list[AccountLease]:
        """Every lease that can be read, and everybody who waits, alive or dead."""
        places = [self._path(ref) / "leases" for ref in self.refs()] + [self.queue.directory]
        return [lease for place in places for lease in read_leases(place).values() if lease is not None]

    def standings(self) -> list[Standing]:
        """How all accounts stand, computed now."""
        waiting, now = self.queue.alive(), self.now()
        return [self._standing(account, waiting, now) for account in self.all()]

    def standing(self, ref: str) -> Standing:
        """How one account stands, computed now."""
        return self._standing(self.read(ref), self.queue.alive(), self.now())

    def _standing(self, account: Account, waiting: list[AccountLease], now: float) -> Standing:
        living = [lease is None or alive(lease) for lease in self.leases(account.ref).values()]
        lacks = missing(account, self.home(account.ref), self.caller)
        known = Known(
            account=account,
            state=self.state(account.ref),
            busy=sum(living),
            dead=len(living) - sum(living),
            queued=sum(account.ref in lease.wants for lease in waiting),
            program=found(account.kind, self.caller),
            missing=lacks.why if lacks else "",
            remedy=lacks.mend if lacks else "",
        )
        return standing(known, now)

    # -- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[LockProof]:
        """Hold all accounts still, for the milliseconds of a check and a write."""
        self._make_private()
        with hold(self.root / "lock", timeout=_LOCK_SECONDS, what="the list of accounts") as proof:
            yield proof

    def new_ref(self, proof: LockProof, kind: AgentKind) -> str:
        """The next free name, such as ``codex-2``."""
        proof.check()
        number = 1
        while True:
            ref = kind.value if number == 1 else f"{kind.value}-{number}"
            number += 1
            if not os.path.lexists(self._path(ref)) or self._unfinished(ref):
                return ref

    def write(self, proof: LockProof, account: Account) -> None:
        """Write an account down, durably."""
        proof.check()
        make_directory(self.home(account.ref))
        write_durable(self._path(account.ref) / "account.json", encode(account), mode=0o600)

    def write_state(self, proof: LockProof, ref: str, state: AccountState) -> None:
        """Write down what attempts met with an account, durably."""
        proof.check()
        make_directory(self._path(ref))
        write_durable(self._path(ref) / "state.json", encode(state), mode=0o600)

    def write_lease(self, proof: LockProof, ref: str, lease: AccountLease) -> None:
        """Give an account to an attempt, durably."""
        proof.check()
        make_directory(self._path(ref) / "leases")
        make_directory(self.home(ref))
        write_durable(
            self._path(ref) / "leases" / lease_name(lease.instance, lease.repository), encode(lease), mode=0o600
        )

    def drop_leases(self, proof: LockProof, instance: str, repository: str) -> None:
        """Take every lease of an instance back."""
        proof.check()
        name = lease_name(instance, repository)
        for ref in self.refs():
            remove_durable(self._path(ref) / "leases" / name)

    def sweep(self, proof: LockProof, ref: str) -> int:
        """Take back the leases of an account whose attempts are dead; returns how many.

        What killed writers left beside them goes, too.
        """
        proof.check()
        for place in (self._path(ref), self._path(ref) / "leases"):
            sweep(place)
        dead = [path for path, lease in self.leases(ref).items() if lease is not None and not alive(lease)]
        return sum(remove_durable(path) for path in dead)

    def take_away(self, proof: LockProof, ref: str) -> Path:
        """Rename an account away, so that from then on nobody finds it; gives where it is."""
        proof.check()
        bin_ = self.root / ".removed"
        make_directory(bin_)
        number = 1
        while os.path.lexists(bin_ / f"{ref}.{number}"):
            number += 1
        rename_durable(self._path(ref), bin_ / f"{ref}.{number}")
        return bin_ / f"{ref}.{number}"

    def empty_bin(self) -> None:
        """Delete what was taken away, also by somebody who was killed before that; no lock is held meanwhile."""
        for name in names(self.root / ".removed"):
            shutil.rmtree(self.root / ".removed" / name, ignore_errors=True)

    def _path(self, ref: str) -> Path:
        if _REF.fullmatch(ref) is None:
            raise GitfleetError(Kind.USAGE, "unknown-account", f"{ref!r} is not the name of an account.")
        return self.root / ref

    def _unfinished(self, ref: str) -> bool:
        """Whether somebody began to connect an account and was killed, or the disk was full."""
        path = self._path(ref)
        try:
            (path / "account.json").lstat()
        except FileNotFoundError:
            pass
        except OSError:  # nobody may look into it
            return False
        else:
            return False
        home = path / "home"
        empty = not os.path.lexists(home) or (home.is_dir() and not any(home.iterdir()))
        return empty and not path.is_symlink()

    def _make_private(self) -> None:
        make_directory(self.root)
        facts = self.root.stat()
        if facts.st_uid != os.getuid():
            message = f"{self.root} belongs to somebody else, and accounts would lie there."
            raise GitfleetError(Kind.ENVIRONMENT, "not-ours", message)
        if facts.st_mode & 0o077:
            self.root.chmod(0o700)


def _order(ref: str) -> tuple[str, int]:
    name, _, number = ref.rpartition("-")
    return (name, int(number)) if name and number.isdecimal() else (ref, 1)


def _damaged(ref: str, path: Path) -> GitfleetError:
    return GitfleetError(
        Kind.NEEDS_PERSON,
        "damaged-account",
        f"{path} cannot be read, so nobody knows what account {ref} is.",
        hint=f"`gitfleet accounts remove {ref}`, then connect it again; a newer gitfleet may have written it",
    )
