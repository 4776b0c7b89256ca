"""The thread that looks at worktrees and merges them in memory; nobody ever waits for it.

It gets what there is to compare, and gives back what would conflict. It shares nothing with the coordinator but two
queues, has git calls of its own that can be ended, and its time a round is bounded: what it did not come to is looked
at first in the next one. A worktree that cannot be read now (its agent is in the middle of something) counts as it was.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed, Leash, TimedOut
from gitfleet.git.refs import Refs
from gitfleet.git.worktrees import locate
from gitfleet.integrate.radar.looking import Look, look
from gitfleet.integrate.radar.predicting import Conflict, Radar
from gitfleet.integrate.radar.scratch import open_scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.git.repository import Repository
    from gitfleet.integrate.radar.scratch import Scratch
    from gitfleet.store.layout import Layout

ROUND_SECONDS = 5.0
"""How long a round looks at worktrees; the rest has to wait for the next one."""

LEAVE_SECONDS = 10.0
"""How long an end waits for the thread, whose git calls are ended: for it to take its scratch away."""

STUBBORN = 3
"""How many times in a row a worktree may not be readable before a person is told."""


@dataclass(frozen=True, slots=True)
class Side:
    """One run to compare: an agent's ``worktree``, or a ``commit`` where nobody works on it any more."""

    task: str
    worktree: Path | None
    commit: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A round to do: the sides in their order, and the target (a full ref name)."""

    sides: tuple[Side, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a round found: conflicts by pair of tasks, the earlier first; an empty task stands for the target.

    ``seconds`` is what it took; ``broken`` why it came to nothing, ``unread`` why worktrees are not seen, by task.
    """

    conflicts: dict[tuple[str, str], Conflict] = field(default_factory=dict)
    seconds: float = 0.0
    broken: str = ""
    unread: dict[str, str] = field(default_factory=dict)


class Worker:
    """One session's thread, started with the first order."""

    def __init__(self, repository: Repository, layout: Layout, *, fold: bool) -> None:
        """Do nothing until there is something to do."""
        self._repository = repository
        self._layout = layout
        self._fold = fold
        self.leash = Leash()
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def order(self, order: Order) -> None:
        """Let a round be done; one at a time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="gitfleet-radar")
            self._thread.start()
        self._orders.put(order)

    def take(self) -> Outcome | None:
        """What came of the round, once it is done."""
        try:
            return self._outcomes.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End what is under way and take the scratch away."""
        if self._thread is not None:
            self.leash.cut()
            self._orders.put(None)
            self._thread.join(LEAVE_SECONDS)

    def _work(self) -> None:
        try:
            with open_scratch(self._repository, self._layout, self.leash) as scratch:
                rounds = Rounds(self._repository, scratch, fold=self._fold)
                while (order := self._orders.get()) is not None:
                    self._outcomes.put(guarded(rounds, order))
        except Exception as error:  # noqa: BLE001 - a prediction must never end a session
            self._outcomes.put(Outcome(broken=str(error)))
            while self._orders.get() is not None:
                self._outcomes.put(Outcome(broken=str(error)))


def guarded(rounds: Rounds, order: Order) -> Outcome:
    """Do a round; whatever goes wrong is its outcome."""
    began = time.monotonic()
    try:
        return rounds.do(order)
    except Exception as error:  # noqa: BLE001 - a prediction must never end a session
        return Outcome(broken=str(error), seconds=time.monotonic() - began)


class Rounds:
    """Round after round in one scratch; remembers what it saw. ``awake`` tells seconds."""

    def __init__(
        self, repository: Repository, scratch: Scratch, *, fold: bool, awake: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with nothing seen."""
        self._repository = repository
        self._scratch = scratch
        self._awake = awake
        self.radar = Radar(scratch, fold=fold)
        self._seen: dict[str, Look] = {}
        self._looked: dict[str, float] = {}
        self._failed: dict[str, tuple[int, str]] = {}

    def do(self, order: Order) -> Outcome:
        """Look at what changed, and merge the pairs that have not been merged yet."""
        began = self._awake()
        target = Refs(self._scratch.git).read(order.target)
        commits = self._commits(order, began)
        sides = [("", target)] if target else []
        sides += [(side.task, commits[side.task]) for side in order.sides if commits.get(side.task)]
        pairs: dict[tuple[str, str], tuple[str, str]] = {}
        for number, (task, commit) in enumerate(sides):
            for other, theirs in sides[number + 1 :]:
                pairs[task, other] = (commit or "", theirs or "")
        attributes = target or next((commit for _, commit in sides if commit), "")
        found = self.radar.predict(pairs.values(), attributes) if len(sides) > 1 else {}
        conflicts = {tasks: found[pair] for tasks, pair in pairs.items() if pair in found}
        unread = {task: why for task, (times, why) in self._failed.items() if times >= STUBBORN}
        return Outcome(conflicts, self._awake() - began, unread=unread)

    def _commits(self, order: Order, began: float) -> dict[str, str]:
        """The commit of each side; those that were looked at longest ago come first."""
        commits = {side.task: side.commit for side in order.sides if side.worktree is None}
        alive = {side.name for side in order.sides}
        for known in (self._seen, self._looked):
            for name in known.keys() - alive:
                del known[name]
        self._failed = {task: failed for task, failed in self._failed.items() if task not in commits}
        open_ones = [side for side in order.sides if side.worktree is not None]
        for side in sorted(open_ones, key=lambda side: self._looked.get(side.name, float("-inf"))):
            if self._awake() - began < ROUND_SECONDS:
                self._look(side)
            seen = self._seen.get(side.name)
            if seen is not None and seen.commit:
                commits[side.task] = seen.commit
        return commits

    def _look(self, side: Side) -> None:
        self._looked[side.name] = self._awake()
        try:
            worktree = locate(self._repository, side.worktree) if side.worktree is not None else None
            if worktree is None:
                return
            seen = look(self._scratch, self._repository.git, worktree, side.name, self._seen.get(side.name))
        except (GitFailed, OSError, TimedOut) as error:
            self._failed[side.task] = (self._failed.get(side.task, (0, ""))[0] + 1, str(error))
            return
        self._seen[side.name] = seen
        if seen.note:
            self._failed[side.task] = (STUBBORN, seen.note)
        else:
            self._failed.pop(side.task, None)
