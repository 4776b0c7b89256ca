"""Which tree of the pool an attempt gets: decided under the lock of worktrees, and on disk before the books.

A crash between the lease and the books leaves a lease that no run confirms (stale): the next one that looks takes the
slot. A crash after the books leaves a run whose next attempt leases again. Whether a session still has a coordinator is
told by its lock alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.git.worktrees import registered
from gitfleet.model.base import instant
from gitfleet.model.lease import Lease
from gitfleet.model.run import LIVE, RunState
from gitfleet.store.leases import Leases
from gitfleet.store.locks import holder, worktrees_lock
from gitfleet.store.reading import StateReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.git.repository import Repository
    from gitfleet.model.run import Run
    from gitfleet.store.layout import Layout
    from gitfleet.store.locks import WorktreesLock

SLOT = "tree-"


class Standing(StrEnum):
    """What a lease means now, by the books of its session."""

    IN_USE = "in-use"
    LANDED = "landed"
    KEPT = "kept"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Pool:
    """The trees of one repository, as one session sees them; ``session`` is empty for who has none.

    ``root`` is the directory that they lie in.
    """

    repository: Repository
    layout: Layout
    root: Path
    session: str
    now: Callable[[], float]

    @property
    def leases(self) -> Leases:
        """The leases of all sessions."""
        return Leases(self.layout)

    def standing(self, lease: Lease | None) -> Standing:
        """What the books say of a lease; whatever cannot be read is taken for in use."""
        if lease is None:
            return Standing.IN_USE
        if not self.layout.session(lease.session).is_dir():
            return Standing.STALE
        try:
            run = StateReader(self.layout).read_run(lease.session, lease.task)
        except GitfleetError:
            return Standing.IN_USE
        told = _told_by(run, lease)
        # A session that somebody coordinates may have leased a moment ago, and its books are about to say so.
        if told is Standing.STALE and lease.session != self.session and self._coordinated(lease.session):
            return Standing.IN_USE
        return told

    def _coordinated(self, session: str) -> bool:
        return holder(self.layout.session_lock(session)) is not None


def _told_by(run: Run, lease: Lease) -> Standing:
    mine = [attempt for attempt in run.attempts if attempt.worktree == lease.slot]
    if run.instance != lease.instance or not mine or lease.attempt != mine[-1].number:
        return Standing.STALE
    if run.state is RunState.LANDED:
        return Standing.LANDED
    if run.state in LIVE:
        return Standing.IN_USE if mine[-1].number == len(run.attempts) else Standing.STALE
    return Standing.KEPT


def lease(pool: Pool, *, instance: str, task: str, attempt: int) -> Lease:
    """Take a slot for an attempt."""
    with worktrees_lock(pool.layout) as proof:
        return _take(pool, proof, _new_slot(pool), instance=instance, task=task, attempt=attempt)


def _take(pool: Pool, proof: WorktreesLock, slot: str, *, instance: str, task: str, attempt: int) -> Lease:
    taken = Lease(
        slot=slot,
        path=os.fspath(pool.root / slot),
        instance=instance,
        session=pool.session,
        task=task,
        attempt=attempt,
        since=instant(pool.now()),
    )
    pool.leases.write(proof, taken)
    return taken


def _new_slot(pool: Pool) -> str:
    """The first name that nobody has, on disk, in git or in a lease."""
    taken = pool.leases.live()
    known = registered(pool.repository)
    number = 1
    while True:
        slot = f"{SLOT}{number}"
        path = pool.root / slot
        if slot not in taken and not os.path.lexists(path) and os.path.realpath(path) not in known:
            return slot
        number += 1


def give_back(pool: Pool, slot: str) -> None:
    """Nobody has the slot any more."""
    with worktrees_lock(pool.layout) as proof:
        pool.leases.drop(proof, slot)
