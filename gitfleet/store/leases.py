"""Leases of the worktree pool, one file a slot; writers hold the lock of the list of worktrees.

A file that cannot be read still says that its slot is somebody's: doubt means taken, and a person is asked.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.model.base import decode, encode
from gitfleet.model.lease import Lease, SetAside
from gitfleet.store.damage import UNREADABLE
from gitfleet.store.files import make_directory, names, read_regular, remove_all_durable, sweep, write_durable

if TYPE_CHECKING:
    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import WorktreesLock


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of one repository."""

    layout: Layout

    def live(self) -> dict[str, Lease | None]:
        """Leases by slot; none for one whose file cannot be read."""
        found: dict[str, Lease | None] = {}
        for name in names(self.layout.leases):
            slot = name.removesuffix(".json")
            if slot == name:
                continue
            try:
                lease = decode(read_regular(self.layout.leases / name), Lease)
            except FileNotFoundError:
                continue  # given back since the directory was listed
            except (OSError, *UNREADABLE):
                found[slot] = None
                continue
            found[slot] = lease if lease.slot == slot else None
        return found

    def of(self, instance: str) -> Lease | None:
        """The lease that an instance holds."""
        return next((lease for lease in self.live().values() if lease and lease.instance == instance), None)

    def write(self, proof: WorktreesLock, lease: Lease) -> None:
        """Give a slot to an instance, durably."""
        proof.check()
        make_directory(self.layout.leases)
        write_durable(self.layout.lease(lease.slot), encode(lease))

    def drop(self, proof: WorktreesLock, *slots: str) -> None:
        """Take slots back, durably."""
        proof.check()
        remove_all_durable(self.layout.lease(slot) for slot in slots)

    def write_set_aside(self, proof: WorktreesLock, name: str, tree: SetAside) -> None:
        """Remember a tree that was taken out of the pool, durably."""
        proof.check()
        make_directory(self.layout.set_aside)
        write_durable(self.layout.set_aside / f"{name}.json", encode(tree))

    def set_aside(self) -> dict[str, SetAside]:
        """Trees out of the pool by the name of their note, as far as they are still there and can be read about."""
        found = {}
        for name in names(self.layout.set_aside):
            with suppress(OSError, *UNREADABLE):
                tree = decode(read_regular(self.layout.set_aside / name), SetAside)
                if os.path.lexists(tree.place):
                    found[name.removesuffix(".json")] = tree
        return found

    def sweep(self, proof: WorktreesLock) -> int:
        """Remove unfinished writes of killed processes; returns how many."""
        proof.check()
        return sweep(self.layout.leases)
