"""The ladder: INT, TERM, KILL over an attempt's processes, until two looks in a row find none.

What is found at the last step is stopped before it is killed, so that nothing can start a successor in between.
Standard library only: the warden climbs it, and so does a coordinator whose warden was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from gitfleet.runtime.processes import ZOMBIE
from gitfleet.runtime.tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from gitfleet.runtime.processes import Process, Table

STOP_LADDER = (("INT", 5.0), ("TERM", 3.0), ("KILL", 5.0))
"""For a running agent: time to write down what it has. Seconds a step at most."""

LEFTOVER_LADDER = (("INT", 0.5), ("TERM", 2.0), ("KILL", 5.0))
"""For what an agent left behind: nothing of it is waited for."""

_ROUNDS = 5
_LOOKS = 30
_NAMES = 20
_NAP = 0.002


class Climbed:
    """What climbing the ladder found: ``stopped`` was there and is gone, ``remaining`` could not be made to go."""

    __slots__ = ("remaining", "stopped")

    def __init__(self) -> None:
        """Nothing found yet."""
        self.stopped: dict[tuple[int, int], Process] = {}
        self.remaining: list[Process] = []


def gone(tree: Tree) -> bool:
    """Say whether two looks in a row find no process of the attempt.

    A process that forks and ends faster than we look is under one pid in the list and under another by the time that
    we read it. So a look proves nothing that missed one, or found one newly dead, unless that goes on: then the machine
    is just busy.
    """
    proofs = 0
    for _ in range(_LOOKS):
        missed = tree.table.missed
        if tree.members():
            return False
        proofs += tree.table.missed == missed
        if proofs == 2:
            break
    return True


def climb(
    tree: Tree,
    steps: Sequence[tuple[str, float]],
    *,
    pause: Callable[[float], None] = time.sleep,
    counts: Callable[[Process], bool] = lambda _: True,
) -> Climbed:
    """Make every process of the tree go.

    ``steps`` are signal names and the seconds that each is given; ``pause`` is called with seconds to let time pass
    (the warden reaps and reads output meanwhile); ``counts`` says, at each step, which of those found are recorded.
    """
    climbed = Climbed()
    for name, seconds in steps:
        if not _step(tree, name, seconds, pause, counts, climbed):
            return climbed
    for _ in range(_ROUNDS):
        if gone(tree):
            return climbed
        _step(tree, "KILL", 0.2, pause, counts, climbed)
    climbed.remaining = tree.members()
    return climbed


def _step(
    tree: Tree,
    name: str,
    seconds: float,
    pause: Callable[[float], None],
    counts: Callable[[Process], bool],
    climbed: Climbed,
) -> bool:
    """Send one signal and wait; false when nothing was left to send it to."""
    pause(0)
    members = tree.members()
    if not members:
        if gone(tree):
            return False
        members = tree.members()
    if name == "KILL":
        members = freeze(tree, members)
    number = signal.Signals["SIG" + name]
    tree.table.signal(members, number)
    if name == "KILL":
        members += _kill_children(tree, seconds, pause)
    climbed.stopped.update({(member.pid, member.start): member for member in members if counts(member)})
    if name != "KILL":
        # A process that is stopped (by job control, say) hears nothing but KILL until it is continued.
        tree.table.signal(members, signal.SIGCONT)
    _wait(tree, members, seconds, pause)
    return True


def _kill_children(tree: Tree, seconds: float, pause: Callable[[float], None]) -> list[Process]:
    """Kill the children of this process, and all that become its children meanwhile; gives those that lived.

    That takes microseconds, while a look at all processes takes longer than one lives that forks and ends. Nobody else
    reaps them, so no pid changes hands.
    """
    lived: list[Process] = []
    struck: set[int] = set()
    until = time.monotonic() + seconds
    while (children := tree.children()) and time.monotonic() < until:
        struck &= children
        # Where all of them are only slow to die, there is time; else the next one is born while we look.
        nap = _NAP if children == struck else 0
        for pid in children - struck:
            process = tree.table.look(pid)
            if process is not None and process.state != ZOMBIE:
                lived.append(process)
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            struck.add(pid)
        pause(nap)
    return lived


def freeze(tree: Tree, members: Iterable[Process]) -> list[Process]:
    """Stop processes of the tree (SIGSTOP) until a look finds none that is not; gives all, in the order of stopping."""
    frozen: dict[tuple[int, int], Process] = {}
    for _ in range(_ROUNDS):
        fresh = [member for member in members if (member.pid, member.start) not in frozen]
        if not fresh:
            break
        for member in fresh:
            frozen[member.pid, member.start] = member
        tree.table.signal(fresh, signal.SIGSTOP)
        members = tree.members()
    return list(frozen.values())


def _wait(tree: Tree, members: list[Process], seconds: float, pause: Callable[[float], None]) -> None:
    until = time.monotonic() + seconds
    nap = _NAP
    while True:
        members = tree.table.living(members)
        left = until - time.monotonic()
        if not members or left <= 0:
            return
        pause(min(nap, left))
        nap = min(nap * 1.5, 0.05)


def tree_of(table: Table, spec: dict[str, Any], *, since: int, root: int | None, spared: Iterable[int] = ()) -> Tree:
    """Describe the processes of the attempt that a spec describes; see ``Tree`` for the rest."""
    worktree = spec["worktree"] if spec.get("sweep", True) else ""
    return Tree(table, nonce=spec["nonce"], worktree=worktree, since=since, root=root, spared=spared)


def account(tree: Tree, climbed: Climbed, message: str = "") -> dict[str, Any]:
    """Write what ``exit.json`` says of the tree: what was stopped, what is still there, and a sentence about that."""
    bystanders = tree.bystanders()
    sentences = [message] if message else []
    if climbed.remaining:
        sentences.append("Some of its processes could not be stopped.")
    if bystanders:
        sentences.append("Other processes work in its worktree and were left alone.")
    facts = {
        "leftovers": _names(climbed.stopped.values()),
        "remaining": _names([*climbed.remaining, *bystanders]),
        "message": " ".join(sentences),
    }
    return {key: value for key, value in facts.items() if value}


def _names(processes: Iterable[Process]) -> list[str]:
    names = [process.label() for process in processes]
    return names if len(names) <= _NAMES else [*names[:_NAMES], f"and {len(names) - _NAMES} more"]
