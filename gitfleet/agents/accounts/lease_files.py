"""Leases of accounts as files: what they are called, what they say, and whether somebody still holds them.

A lease without an account is a place in the queue.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.model.account import AccountLease
from gitfleet.model.base import decode, encode
from gitfleet.model.paths import unquote_path
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, names, read_regular, remove_durable, sweep, write_durable
from gitfleet.store.locks import holder

if TYPE_CHECKING:
    from gitfleet.store.locks import LockProof


def alive(lease: AccountLease) -> bool:
    """Whether a lease is still somebody's: its attempt is not over, and its warden or its coordinator lives."""
    return not os.path.lexists(_place(lease.over)) and any(_held(_place(path)) for path in lease.locks)


def lease_name(instance: str, repository: str) -> str:
    """Name of a lease's file: two copies of a repository have the same instances."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which no reader needs

    return f"{instance}.{hashlib.sha256(repository.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}.json"


def _held(path: Path) -> bool:
    try:
        return holder(path) is not None
    except OSError:
        return False


def _place(path: str) -> Path:
    return Path(os.fsdecode(unquote_path(path)))


def read_leases(directory: Path) -> dict[Path, AccountLease | None]:
    """Leases in a directory by file; none for one that cannot be read."""
    leases: dict[Path, AccountLease | None] = {}
    for path in (directory / name for name in names(directory)):
        try:
            leases[path] = decode(read_regular(path), AccountLease)
        except FileNotFoundError:
            continue
        except (OSError, *UNREADABLE):
            leases[path] = None
    return leases


@dataclass(frozen=True, slots=True)
class Queue:
    """Who waits for an account, a file each; changed under the lock of all accounts alone."""

    directory: Path

    def alive(self) -> list[AccountLease]:
        """Who waits now."""
        return [lease for lease in read_leases(self.directory).values() if lease is not None and alive(lease)]

    def write(self, proof: LockProof, lease: AccountLease) -> None:
        """Write down that an instance waits; it asks often, and what is there is not written again."""
        proof.check()
        path = self.directory / lease_name(lease.instance, lease.repository)
        before = read_leases(self.directory).get(path)
        if before is not None and (before.wants, before.attempt) == (lease.wants, lease.attempt):
            return
        make_directory(self.directory)
        self.sweep(proof)
        write_durable(path, encode(lease), mode=0o600)

    def drop(self, proof: LockProof, instance: str, repository: str) -> None:
        """An instance waits no more."""
        proof.check()
        remove_durable(self.directory / lease_name(instance, repository))

    def sweep(self, proof: LockProof) -> None:
        """Who is dead waits no more; what killed writers left beside them goes, too."""
        proof.check()
        sweep(self.directory)
        for path, lease in read_leases(self.directory).items():
            if lease is not None and not alive(lease):
                remove_durable(path)
