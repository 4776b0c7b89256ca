"""Leases of accounts as files: what they are called, what they say, and whether somebody still holds them."""

from __future__ import annotations

import os
from pathlib import Path

from gitfleet.model.account import AccountLease
from gitfleet.model.base import decode
from gitfleet.model.paths import unquote_path
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import names, read_regular
from gitfleet.store.locks import holder


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
