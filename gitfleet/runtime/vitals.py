"""Whether a tree of processes works: its CPU time and its children, looked at now and then; standard library only.

Work is CPU above ``IDLE_SHARE`` of one core, or a process that starts or ends. An event loop that waits costs some
tenths of a percent and its garbage collector a burst a minute, so CPU counts once what exceeds the share adds up to
``WORK_SECONDS``; a compiler is seen at once, and a child that only lives never. What moves neither (a download that
waits, a thread in an uninterruptible read) is not seen here; output and file changes are looked at elsewhere.
"""

from __future__ import annotations

import os

from gitfleet.runtime.processes import ZOMBIE
from gitfleet.runtime.tree import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gitfleet.runtime.processes import Process
    from gitfleet.runtime.tree import Tree

IDLE_SHARE = 0.02
WORK_SECONDS = 0.25

SOONEST, LATEST = 2.0, 3.5
"""Bounds of the seconds between two looks; ``known within stall + 5 s`` leaves no more."""

_COST_SHARE = 0.01


class Signs:
    """What one look showed."""

    __slots__ = ("children", "cpu", "kin", "stopped")

    def __init__(self, *, cpu: bool, children: bool, kin: int, stopped: bool) -> None:
        """Keep it."""
        self.cpu = cpu
        self.children = children
        self.kin = kin
        self.stopped = stopped


class Vitals:
    """The signs of life of the processes below ``root``.

    A look reads those processes and the ones that are new on the machine; everybody else's are known by their pids to
    be strangers and not read again, so that many wardens on a busy machine stay cheap.
    """

    def __init__(self, tree: Tree, root: int, agent: int, now: float) -> None:
        """Begin at ``now``, in awake seconds."""
        self._tree = tree
        self._root = root
        self._agent = agent
        self._at = now
        self._kin: dict[int, int] = {}
        self._strangers: set[int] = {root}
        self._seen: set[tuple[int, int]] = set()
        self._cpu = 0.0
        self._excess = 0.0
        self._own = 0.0

    def look(self, now: float) -> Signs:
        """Look once, at ``now``."""
        before = _waited_for()
        found = self._find_kin()
        self._own += _waited_for() - before
        living = {(process.pid, process.start) for process in found if process.state != ZOMBIE}
        signs = Signs(
            cpu=self._worked(found, now),
            children=living != self._seen,
            kin=len(living),
            stopped=any(process.pid == self._agent and process.state in {"T", "t"} for process in found),
        )
        self._seen = living
        return signs

    def _worked(self, found: list[Process], now: float) -> bool:
        total = sum(process.cpu for process in found) + _waited_for() - self._own
        # Less than before when a parent that does not wait lost a child's; its end is a sign of its own.
        self._excess += max(total - self._cpu, 0.0) - IDLE_SHARE * (now - self._at)
        self._excess = max(self._excess, 0.0)
        self._cpu, self._at = total, now
        if self._excess < WORK_SECONDS:
            return False
        self._excess = 0.0
        return True

    def _find_kin(self) -> list[Process]:
        found = self._tree.table.besides(self._strangers)
        children: dict[int, list[int]] = {}
        for process in found.values():
            children.setdefault(process.parent, []).append(process.pid)
        # Without a subreaper an orphan has another parent now; once known it stays known.
        kin = {pid for pid, start in self._kin.items() if pid in found and found[pid].start == start}
        kin |= {pid for pid, process in found.items() if pid not in kin and self._is_orphan_of_ours(process)}
        kin |= below({self._root, *kin}, children)
        for pid, process in found.items():
            # One whose parent ended while we looked may still turn out to be ours.
            if pid not in kin and (process.parent <= 1 or process.parent in found or process.parent in self._strangers):
                self._strangers.add(pid)
        self._kin = {pid: found[pid].start for pid in kin}
        return [found[pid] for pid in kin]

    def _is_orphan_of_ours(self, process: Process) -> bool:
        return process.parent == 1 and process.start >= self._tree.since and self._tree.carries_nonce(process)


def _waited_for() -> float:
    """CPU seconds of the children that this process waited for: ended agents, and the ps of a look."""
    own = os.times()
    return own.children_user + own.children_system


def interval(cost: float, stall: float) -> float:
    """Seconds until the next look, after one that took ``cost`` seconds: a hundredth of the time at most, if it can be.

    A short ``stall`` period is looked at three times at least.
    """
    return min(LATEST, max(SOONEST, cost / _COST_SHARE), stall / 3)
