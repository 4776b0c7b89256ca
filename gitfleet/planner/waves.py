"""Which tasks may run at the same time: the schedule of a plan, with a reason for every placement.

A task goes into the first wave that comes after its dependencies, has a place and tokens left, and holds no scope that
overlaps its own. Among tasks that could go, the one with the longest chain of work behind it goes first, then the lower
priority, then the earlier in the plan. The same plan always gives the same waves.

Not promised: the fewest waves possible, which would take exponential time; and nothing about how long a wave takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, final

from gitfleet.model.config import OverlapPolicy
from gitfleet.model.paths import quote_path
from gitfleet.model.words import plural
from gitfleet.planner.budgets import Amount, reservation, total
from gitfleet.planner.graph import ancestors, chains, dependents, reaches, unknown_dependencies
from gitfleet.planner.hints import token_hint
from gitfleet.planner.knots import circles
from gitfleet.planner.rooms import Room, Short, short, without
from gitfleet.planner.scopes import Scope, ScopeIndex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan, Task


@final
@dataclass(frozen=True, slots=True)
class Placement:
    """Where a task was put: its wave from 1, why not earlier, and the tokens it counts for."""

    task: str
    wave: int
    reason: str
    tokens: int


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """Task ids by wave, in the order in which they start, and the placement of each."""

    waves: tuple[tuple[str, ...], ...]
    placements: Mapping[str, Placement]


@final
@dataclass(frozen=True, slots=True)
class OverlapPair:
    """Two tasks that nothing orders, and a path that both may write."""

    first: str
    second: str
    path: bytes


class OverlapRefused(ValueError):  # noqa: N818 - it names an answer to a plan, and callers match it
    """A plan with overlapping tasks under ``overlap: error``; ``pairs`` are all of them."""

    def __init__(self, pairs: tuple[OverlapPair, ...]) -> None:
        """Say which tasks overlap."""
        self.pairs = pairs
        super().__init__(
            "; ".join(f"{pair.first} and {pair.second} overlap at {quote_path(pair.path)}" for pair in pairs)
        )


def scopes_of(tasks: Sequence[Task], scopes: Mapping[str, Scope] | None = None) -> dict[str, Scope]:
    """Map each task to its scope: the given one, else as its entries say; raises ``ScopeError``."""
    given = scopes or {}
    return {task.id: given[task.id] if task.id in given else Scope.parse(task.scope) for task in tasks}


def schedule(plan: Plan, config: Config, *, fold: bool = False, scopes: Mapping[str, Scope] | None = None) -> Schedule:
    """Put every task of a plan into a wave.

    ``scopes`` are those of the tasks after symlinks were resolved; ``fold`` says that the repository ignores case.
    Raises ``OverlapRefused`` under ``overlap: error``, ``ScopeError`` for a scope that does not parse, and
    ``ValueError`` for circles, unknown dependencies and ids used twice, which the check of documents refuses before.
    """
    held = scopes_of(plan.tasks, scopes)
    _check(plan.tasks)
    if config.waves.overlap is OverlapPolicy.ERROR:
        pairs = unordered_overlaps(plan.tasks, held, fold=fold)
        if pairs:
            raise OverlapRefused(pairs)
    return _Scheduler(plan, config, held, fold=fold).run()


def unordered_overlaps(
    tasks: Sequence[Task], scopes: Mapping[str, Scope], *, fold: bool = False
) -> tuple[OverlapPair, ...]:
    """List all pairs of tasks whose scopes overlap while no chain of dependencies orders them, in plan order."""
    before = ancestors(tasks)
    place = {task.id: number for number, task in enumerate(tasks)}
    index = ScopeIndex(fold=fold)
    pairs: list[OverlapPair] = []
    for task in tasks:
        pairs.extend(
            OverlapPair(other, task.id, path)
            for other, path in index.meeting(scopes[task.id])
            if not reaches(before, place, other, task.id)
        )
        index.add(task.id, scopes[task.id])
    return tuple(sorted(pairs, key=lambda pair: (place[pair.first], place[pair.second])))


def _check(tasks: Sequence[Task]) -> None:
    if len({task.id for task in tasks}) < len(tasks):
        raise ValueError("a plan must not use an id twice")
    for task, wanted in unknown_dependencies(tasks):
        msg = f"{task} depends on {wanted}, which is not a task of the plan"
        raise ValueError(msg)
    for circle in circles({task.id: task.depends_on for task in tasks}):
        msg = f"dependencies go in a circle: {' -> '.join(circle)}"
        raise ValueError(msg)


_Rank = tuple[float, int, int]
_Queue = tuple[Scope, int, Amount]

_NAMED_OVERLAPS = 3
"""Overlapping tasks that one reason names; more are counted."""


class _Scheduler:
    """Fills one wave after the other with the tasks that could go.

    Tasks that write and need the same wait in one queue: what keeps the first of them out of a wave keeps
    out all, so that a thousand tasks on one file cost a thousand comparisons and not a million.
    """

    def __init__(self, plan: Plan, config: Config, scopes: Mapping[str, Scope], *, fold: bool) -> None:
        self._tasks = {task.id: task for task in plan.tasks}
        self._limits = config.waves
        self._scopes = scopes
        self._fold = fold
        self._tokens = {task.id: token_hint(task, config) for task in plan.tasks}
        self._least = min(self._tokens.values(), default=0)
        self._room = without(config.budgets.wave, config.budgets.reserve)
        capped = bool(self._room.said())
        self._needs = {task.id: reservation(task, config) if capped else Amount() for task in plan.tasks}
        weights = chains(plan.tasks)
        self._ranks: dict[str, _Rank] = {
            task.id: (-weights[task.id], task.priority, number) for number, task in enumerate(plan.tasks)
        }
        self._behind = dependents(plan.tasks)
        self._missing = {task.id: len(set(task.depends_on)) for task in plan.tasks}
        self._queues: dict[_Queue, list[tuple[_Rank, str]]] = {}
        self._heads: list[tuple[_Rank, str]] = []
        self._waves: list[tuple[str, ...]] = []
        self._placements: dict[str, Placement] = {}

    def run(self) -> Schedule:
        """Fill waves until every task is placed."""
        for task_id, missing in self._missing.items():
            if not missing:
                self._queue(task_id)
        before = ScopeIndex(fold=self._fold)
        while len(self._placements) < len(self._tasks):
            wave, index = self._fill()
            for task_id in wave:
                reason = self._reason(task_id, before)
                self._placements[task_id] = Placement(task_id, len(self._waves) + 1, reason, self._tokens[task_id])
            self._waves.append(tuple(wave))
            self._release(wave)
            before = index
        return Schedule(tuple(self._waves), {task_id: self._placements[task_id] for task_id in self._tasks})

    def _queue(self, task_id: str) -> None:
        queue = self._queues.setdefault(self._key(task_id), [])
        ranked = (self._ranks[task_id], task_id)
        heappush(queue, ranked)
        if queue[0] == ranked:
            heappush(self._heads, ranked)

    def _key(self, task_id: str) -> _Queue:
        return self._scopes[task_id], self._tokens[task_id], self._needs[task_id]

    def _release(self, wave: list[str]) -> None:
        for task_id in wave:
            for other in self._behind[task_id]:
                self._missing[other] -= 1
                if not self._missing[other]:
                    self._queue(other)

    def _fill(self) -> tuple[list[str], ScopeIndex]:
        """Take the tasks of the next wave out of the queues; at least one, whatever its size."""
        wave: list[str] = []
        index = ScopeIndex(fold=self._fold)
        tokens, taken = 0, Amount()
        left: list[tuple[_Rank, str]] = []
        while self._heads and len(wave) < self._limits.max_agents:
            if wave and tokens + self._least > self._limits.budget_tokens:
                break
            head = heappop(self._heads)
            key = scope, needed, amount = self._key(head[1])
            queue = self._queues[key]
            if not queue or queue[0] != head:
                continue  # one that goes before it came into its queue after it
            no_room = wave and (tokens + needed > self._limits.budget_tokens or self._full(taken, amount))
            if no_room or next(index.meeting(scope), None) is not None:
                left.append(head)
                continue
            _, task_id = heappop(queue)
            wave.append(task_id)
            index.add(task_id, scope)
            tokens, taken = tokens + needed, taken.plus(amount)
            if queue:
                heappush(self._heads, queue[0])
        for head in left:
            heappush(self._heads, head)
        return wave, index

    def _full(self, taken: Amount, needed: Amount) -> Short | None:
        """Whether ``budgets.wave`` has no room for what a task may use, beside that of its wave."""
        return short([Room("wave", self._room, taken)], needed)

    def _reason(self, task_id: str, before: ScopeIndex) -> str:
        """Say why a task of the next wave is not in the one before it, whose scopes are given."""
        reasons: list[str] = []
        wanted = dict.fromkeys(self._tasks[task_id].depends_on)
        last = max((self._placements[other].wave for other in wanted), default=0)
        if wanted:
            latest = [other for other in wanted if self._placements[other].wave == last]
            reasons.append(f"depends on {', '.join(latest)}")
        overlaps = before.overlapping(self._scopes[task_id])
        if overlaps:
            named = [f"{other} at {quote_path(path)}" for other, path in overlaps[:_NAMED_OVERLAPS]]
            more = f" and {len(overlaps) - len(named)} more" if len(overlaps) > len(named) else ""
            reasons.append(f"overlaps {', '.join(named)}{more}")
        elif last < len(self._waves):
            reasons.append(self._no_room(task_id))
        return "; ".join(reasons) or "depends on nothing"

    def _no_room(self, task_id: str) -> str:
        number = len(self._waves)
        wave = self._waves[-1]
        if len(wave) >= self._limits.max_agents:
            return f"wave {number} is full ({plural(len(wave), 'agent')})"
        full = self._full(total(self._needs[other] for other in wave), self._needs[task_id])
        if full is not None:
            return full.sentence.replace("the wave", f"wave {number}")
        used = sum(self._tokens[other] for other in wave)
        return (
            f"the budget of wave {number} has no room ({used:,} of {self._limits.budget_tokens:,} tokens used, "
            f"{self._tokens[task_id]:,} needed)"
        )
