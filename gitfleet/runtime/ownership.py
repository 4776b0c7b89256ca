"""Ending the process that holds a lock, and waiting for those that it gave the lock to.

Only a process that is proven to be the one the lock names is signalled, and of the others that keep the lock file open
only those that are gitfleet's own git calls: descendants of the owner, or processes whose environment says so. Anybody
else is named and left alone. Nothing here decides that a session should change hands.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.runtime.processes import ZOMBIE, alive, send
from gitfleet.runtime.tree import OPEN, OWN_GIT
from gitfleet.store import holders
from gitfleet.store.holders import Life

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gitfleet.runtime.processes import Process, Table
    from gitfleet.store.holders import Holder

LET_FINISH_SECONDS = 8.0
"""How long git calls of a dead owner may go on: half a checkout is worse than a short wait."""

END_SECONDS = 5.0
"""How long a killed process may take to let go; one that waits for a disk takes its time."""

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Freed:
    """The lock is free; ``ended`` names processes that had to be ended for it."""

    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StillHeld:
    """The lock is not free; ``by`` names who keeps it open, as far as this user may see them."""

    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """How time passes; seconds."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


def descendants(table: Table, pid: int) -> dict[int, int]:
    """Pids of everything that descends from a process now, with the start of each."""
    processes = table.snapshot()
    found: dict[int, int] = {}
    todo = [pid]
    while todo:
        parent = todo.pop()
        for process in processes.values():
            if process.parent == parent and process.pid not in found:
                found[process.pid] = process.start
                todo.append(process.pid)
    return found


def kill(table: Table, owner: Holder) -> bool:
    """Send SIGKILL to the process that a lock names; false when it is gone, a stranger, or may not be signalled."""
    process = table.look(owner.pid)
    # In this order: what was looked up is the owner if the pid is still the owner's now, and `send` pins it.
    if process is None or process.pid == os.getpid() or holders.judge(owner).life is not Life.LIVING:
        return False
    return send(table, process, signal.SIGKILL)


def wait_until_free(
    path: Path, held: Callable[[], bool], table: Table, clock: Clock, *, family: Mapping[int, int]
) -> Freed | StillHeld:
    """Wait for a lock whose owner is dead.

    ``held`` probes it, ``family`` are descendants that the owner had. Stopped git calls are woken up, so that they can
    finish what they do; what does not finish in time is killed.
    """
    woken = clock.monotonic() + LET_FINISH_SECONDS
    while held() and clock.monotonic() < woken:
        for process in _ours(openers(table, path), table, family):
            if process.state in "Tt":
                send(table, process, signal.SIGCONT)
        clock.sleep(_POLL_SECONDS)
    if not held():
        return Freed()
    ended: dict[int, str] = {}
    until = clock.monotonic() + END_SECONDS
    while held() and clock.monotonic() < until:
        for process in _ours(openers(table, path), table, family):
            if send(table, process, signal.SIGKILL):
                ended[process.pid] = process.label()
        clock.sleep(_POLL_SECONDS)
    if not held():
        return Freed(tuple(ended.values()))
    return StillHeld(tuple(process.label() for process in openers(table, path)))


def openers(table: Table, path: Path) -> list[Process]:
    """Living processes that have a file open, other than this one, as far as this user may see them."""
    found = [table.look(pid) for pid in table.openers(str(path)) - {os.getpid()}]
    return [process for process in found if process is not None and process.state != ZOMBIE]


def _ours(processes: Sequence[Process], table: Table, family: Mapping[int, int]) -> list[Process]:
    mark = b"\0" + OPEN.encode() + b"=" + OWN_GIT + b"\0"
    return [
        process
        for process in processes
        if (family.get(process.pid) == process.start or mark in (table.environment(process) or b""))
        and alive(table, process)
    ]
