"""Which tree of the pool an attempt gets: decided under the lock of worktrees, and on disk before the books.

A crash between the lease and the books leaves a lease that no run confirms (stale): the next one that looks takes the
slot. A crash after the books leaves a run whose next attempt leases again. Whether a session still has a coordinator is
told by its lock alone.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.git.slots import usable
from gitfleet.git.worktrees import INSTANCE_FILE, registered
from gitfleet.model.base import instant
from gitfleet.model.lease import Lease
from gitfleet.model.paths import quote_path
from gitfleet.model.run import RunState
from gitfleet.model.session import SessionState
from gitfleet.store.files import read_regular
from gitfleet.store.leases import Leases
from gitfleet.store.locks import holder, worktrees_lock
from gitfleet.store.reading import StateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.git.repository import Repository
    from gitfleet.model.run import Run
    from gitfleet.store.layout import Layout

SLOT = "tree-"
_INSTANCE = re.compile(r"fleet-(.+)-w\d+-a\d+")


class Standing(StrEnum):
    """What a lease means now, by the books of its session."""

    IN_USE = "in-use"
    LANDED = "landed"
    KEPT = "kept"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Pool:
    """The trees of one repository, as one session sees them; ``session`` is empty for who has none.

    ``root`` is the directory that they lie in, ``most`` how many trees of attempts may be there (none: any number),
    ``keep`` the patterns of ignored files that stay when a tree changes hands.
    """

    repository: Repository
    layout: Layout
    root: Path
    session: str
    now: Callable[[], float]
    most: int | None = None
    keep: tuple[str, ...] = ()

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
        state = StateReader(self.layout)
        try:
            if not lease.task:  # the tree in which candidates are checked
                return (
                    Standing.STALE
                    if state.read_session(lease.session).state is SessionState.COMPLETED
                    else Standing.IN_USE
                )
            run = state.read_run(lease.session, lease.task)
        except GitfleetError:
            return Standing.IN_USE
        told = _told_by(run, lease)
        # A session that somebody coordinates may have leased a moment ago, and its books are about to say so; and it
        # empties the trees of its landed runs itself.
        if (
            told in {Standing.STALE, Standing.LANDED}
            and lease.session != self.session
            and self._coordinated(lease.session)
        ):
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
    if run.holding:
        return Standing.IN_USE if mine[-1].number == len(run.attempts) else Standing.STALE
    return Standing.KEPT


@dataclass(frozen=True, slots=True)
class AllBusy:
    """No tree is to be had: as many as may exist are in use."""

    most: int


def lease(pool: Pool, *, instance: str, task: str, attempt: int, port_base: int = 0) -> Lease | AllBusy:
    """Take a slot for an attempt: its run's own, else a free one, else a new one, else the oldest that is kept.

    What the tree holds is still that of ``Lease.before``: the caller has the tree renewed before it is used.
    """
    with worktrees_lock(pool.layout) as proof:
        pool.leases.sweep(proof)
        leases = {slot: held for slot, held in pool.leases.live().items() if slot.startswith(SLOT)}
        slot = _choose(pool, leases, instance)
        if slot is None:
            return AllBusy(pool.most or 0)
        old = leases.get(slot)
        for other in leases.values():
            # Another tree of the run's, which cannot be used: nobody would ever give it back.
            if other is not None and other.instance == instance and other.slot != slot:
                pool.leases.drop(proof, other.slot)
        taken = Lease(
            slot=slot,
            path=quote_path(os.fsencode(pool.root / slot)),
            instance=instance,
            session=pool.session,
            task=task,
            attempt=attempt,
            since=instant(pool.now()),
            port_base=port_base,
            before=whose(old) if old is not None else "",
        )
        pool.leases.write(proof, taken)
        return taken


def _choose(pool: Pool, leases: dict[str, Lease | None], instance: str) -> str | None:
    for held in leases.values():
        if held is not None and held.instance == instance and _can_be_mended(pool, held):
            return held.slot
    free = [slot for slot in slots(pool.root) if slot not in leases and _is_tree(pool, slot)]
    if free:
        return free[0]
    standing = {slot: pool.standing(held) for slot, held in leases.items()}
    # One that can be used is looked for on disk, and found at once where a wave landed: the others are left alone.
    over = _ready(pool, leases, standing, Standing.LANDED, Standing.STALE)
    if found := next(over, None):
        return found.slot
    if pool.most is None or len(_existing(pool, standing)) < pool.most:
        return _new_slot(pool, leases)
    kept = _ready(pool, leases, standing, Standing.KEPT)
    oldest = min(kept, key=lambda held: (held.since, held.slot), default=None)
    return oldest.slot if oldest else None


def _ready(
    pool: Pool, leases: dict[str, Lease | None], standing: dict[str, Standing], *wanted: Standing
) -> Iterator[Lease]:
    for slot, held in leases.items():
        if held is not None and standing[slot] in wanted and _may_pass_on(pool, held):
            yield held


def _is_tree(pool: Pool, slot: str) -> bool:
    return usable(pool.repository, pool.root / slot) is not None


def _may_pass_on(pool: Pool, held: Lease) -> bool:
    """Whether a tree that its run needs no longer can be somebody else's: it is there, and nobody lives on in it."""
    return held.place == os.fspath(pool.root / held.slot) and _is_tree(pool, held.slot) and not _remaining(pool, held)


def _existing(pool: Pool, standing: dict[str, Standing]) -> list[str]:
    """Slots whose trees are there, or are about to be made."""
    return [slot for slot, what in standing.items() if what is Standing.IN_USE or (pool.root / slot).is_dir()]


def _remaining(pool: Pool, held: Lease) -> bool:
    """Whether processes of the attempt that has the tree are known to live on."""
    with suppress(GitfleetError):
        run = StateReader(pool.layout).read_run(held.session, held.task)
        return any(attempt.exit and attempt.exit.remaining for attempt in run.attempts if attempt.worktree == held.slot)
    return False


def _can_be_mended(pool: Pool, held: Lease) -> bool:
    """Whether a run's own slot can be used again: whole, gone or half made, but not what somebody put in its place."""
    path = pool.root / held.slot
    usual = held.place == os.fspath(path) and not path.is_symlink()
    return usual and (path.is_dir() or not os.path.lexists(path))


def slots(root: Path) -> list[str]:
    """Names of slots in a pool, by number."""
    try:
        found = [place.name for place in root.iterdir() if place.name.removeprefix(SLOT).isdecimal()]
    except OSError:
        return []
    return sorted((name for name in found if name.startswith(SLOT)), key=lambda name: int(name.removeprefix(SLOT)))


def _new_slot(pool: Pool, leases: dict[str, Lease | None]) -> str:
    """The first name that nobody has, on disk, in git or in a lease."""
    known = registered(pool.repository)
    number = 1
    while True:
        slot = f"{SLOT}{number}"
        path = pool.root / slot
        if slot not in leases and not os.path.lexists(path) and os.path.realpath(path) not in known:
            return slot
        number += 1


def whose(held: Lease) -> str:
    """Whose work is in a tree: of the one that has it, or still of the one before, whose name is in it then."""
    if not held.before:
        return held.instance
    try:
        # An agent can write here: what names neither of the two is not believed.
        name = read_regular(Path(held.place) / INSTANCE_FILE, 256).decode("utf-8", "replace").strip()
    except OSError:
        return held.instance
    return held.before if name == held.before else held.instance


def run_of(pool: Pool, instance: str) -> Run | None:
    """The run of an instance, where the state still has it."""
    named = _INSTANCE.fullmatch(instance)
    state = StateReader(pool.layout)
    if named is None or not pool.layout.session(named[1]).is_dir():
        return None
    with suppress(GitfleetError):
        # One at a time: a session may have a thousand, and this is asked for each attempt.
        runs = (state.read_run(named[1], task) for task in state.run_ids(named[1]))
        return next((run for run in runs if run.instance == instance), None)
    return None


def give_back(pool: Pool, *slots: str) -> None:
    """Nobody has these slots any more."""
    if slots:
        with worktrees_lock(pool.layout) as proof:
            pool.leases.drop(proof, *slots)
