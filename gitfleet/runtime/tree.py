"""Which processes belong to an attempt; standard library only.

Agents start tools in sessions of their own and leave orphans, so neither a process group nor a parent says what belongs
to an attempt. Here a process belongs when it descends from the warden, when its environment carries the attempt's
nonce, or when it is younger than the attempt and its working directory is in the worktree. A process that clears its
environment, works elsewhere and outlives both its parent and the warden escapes; that is not promised away.
"""

from __future__ import annotations

import os

from gitfleet.runtime.processes import ZOMBIE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.runtime.processes import Process, Table

NONCE = "GITFLEET_NONCE"
OPEN = "GITFLEET_OPEN"
OWN_GIT = b"git"
"""The value of ``GITFLEET_OPEN`` in gitfleet's own git calls, which are neither stopped nor worth a word."""

PERSON, GITFLEET, NOBODY = "person", "gitfleet", "nobody"


class Tree:
    """The processes of one attempt."""

    def __init__(
        self, table: Table, *, nonce: str, worktree: str, since: int, root: int | None, spared: Iterable[int] = ()
    ) -> None:
        """Describe what belongs.

        ``nonce`` is looked for in environments, and ``worktree`` is compared with working directories (empty: none
        counts); ``since`` is the start of the oldest process that can belong; ``root`` is the pid whose descendants all
        belong; ``spared`` are pids that never do, as this process never does.
        """
        self.table = table
        self._nonce = nonce.encode()
        self._worktree = os.path.realpath(os.fsencode(worktree)) if worktree else b""
        self.since = since
        self._root = root
        self._spared = frozenset(spared) | {os.getpid()}

    def children(self) -> set[int]:
        """Give the pids of the root's children at this moment, zombies included; none where that is not known."""
        return self.table.children(self._root) if self._root is not None else set()

    def members(self) -> list[Process]:
        """Find the living processes that belong to the attempt now."""
        return self._sort_out()[0]

    def bystanders(self) -> list[Process]:
        """Find processes that work in the worktree and do not belong: a person's shell, say."""
        return self._sort_out(everyone=True)[1]

    def everybody(self) -> list[Process]:
        """Find both, in one look."""
        members, bystanders = self._sort_out(everyone=True)
        return members + bystanders

    def _sort_out(self, *, everyone: bool = False) -> tuple[list[Process], list[Process]]:
        processes = [process for process in self.table.snapshot(self._root).values() if process.pid not in self._spared]
        children: dict[int, list[int]] = {}
        for process in processes:
            children.setdefault(process.parent, []).append(process.pid)
        living = [process for process in processes if process.state != ZOMBIE]
        ours = self._beyond_doubt(living, children)
        here = [p for p in living if p.pid not in ours and (everyone or p.start >= self.since) and self._works_here(p)]
        theirs: set[int] = set()
        if here:
            if not everyone:
                here = [p for p in living if p.pid not in ours and self._works_here(p)]
            owners = {p.pid: PERSON if p.start < self.since else self._owner_by_environment(p) for p in here}
            theirs = {pid for pid, owner in owners.items() if owner == PERSON}
            # What a person starts from a shell in the worktree is the person's as well.
            theirs |= below(theirs, children) - ours
            alone = {pid for pid, owner in owners.items() if owner == NOBODY and pid not in theirs}
            ours |= alone | (below(alone, children) - theirs)
            theirs &= owners.keys()
        return [p for p in living if p.pid in ours], [p for p in living if p.pid in theirs]

    def _beyond_doubt(self, living: list[Process], children: dict[int, list[int]]) -> set[int]:
        """Find what descends from the root or carries the nonce, and what descends from that."""
        ours = below({self._root}, children) if self._root is not None else set()
        carriers = {
            process.pid
            for process in living
            if process.start >= self.since and process.pid not in ours and self.carries_nonce(process)
        }
        return ours | carriers | below(carriers, children)

    def _owner_by_environment(self, process: Process) -> str:
        """Say whose a young process is that only its working directory gives away."""
        environment = self.table.environment(process)
        key = b"\0" + OPEN.encode() + b"="
        if environment is not None and key + OWN_GIT + b"\0" in environment:
            return GITFLEET
        # Wardens and agents have no controlling terminal; what has one was started by a person.
        if environment is None or key in environment or process.terminal:
            return PERSON
        return NOBODY

    def carries_nonce(self, process: Process) -> bool:
        """Say whether its environment names this attempt."""
        environment = self.table.environment(process) if self._nonce else None
        if environment is None:
            return False
        # An agent that runs gitfleet itself makes a chain: the outer attempt's nonce, a slash, the inner one's.
        key = b"\0" + NONCE.encode() + b"="
        at = environment.find(key)
        if at < 0:
            return False
        value = environment[at + len(key) : environment.index(b"\0", at + 1)]
        return self._nonce in value.split(b"/")

    def _works_here(self, process: Process) -> bool:
        if not self._worktree:
            return False
        directory = self.table.directory(process)
        if directory is None:
            return False
        directory = directory.removesuffix(b" (deleted)")
        if directory != self._worktree and not directory.startswith(self._worktree + b"/"):
            return False
        return self.table.owner(process) in {os.getuid(), None}


def below(pids: Iterable[int], children: dict[int, list[int]]) -> set[int]:
    """Find what descends from some pids; ``children`` gives those of each parent."""
    found: set[int] = set()
    todo = [child for pid in pids for child in children.get(pid, ())]
    while todo:
        child = todo.pop()
        if child not in found:
            found.add(child)
            todo += children.get(child, ())
    return found
