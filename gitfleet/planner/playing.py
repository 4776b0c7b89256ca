"""A session played through on paper: when the last task would have landed.

Each step costs what it changes, since plans of thousands of tasks are played twice; ``dispatch.decide`` looks at every
task at every step, and a test holds the two against each other. A wave lands when all of it is done; rolling, what is
done lands together once no landing is under way. A landing takes as long whatever it carries, since a batch is checked
once.

Not promised: a cost that does not grow with the pairs of different scopes that overlap.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from gitfleet.planner.graph import dependents
from gitfleet.planner.scopes import Scope, ScopeIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan
    from gitfleet.planner.waves import Schedule


def play(
    plan: Plan,
    schedule: Schedule,
    config: Config,
    scopes: Mapping[str, Scope],
    minutes: Mapping[str, float],
    *,
    preparing: float,
    landing: float,
    fold: bool,
) -> float:
    """Minutes until all has landed; every task has its ``minutes``, and nothing fails."""
    rolling = config.waves.rolling
    offered = _Offered(plan, schedule, scopes, rolling=rolling, fold=fold)
    ends: list[tuple[float, str]] = []
    done: list[str] = []
    carried: list[str] = []
    landed_at: float | None = None
    now = 0.0
    while True:
        for task in offered.start(config.waves.max_agents - len(ends)):
            heappush(ends, (now + preparing + minutes[task], task))
        if landed_at is None and done and (rolling or not ends):
            landed_at, carried, done = now + landing, done, []
        if landed_at is not None and not (ends and ends[0][0] < landed_at):
            now, landed_at = landed_at, None
            offered.land(carried)
        elif ends:
            now, task = heappop(ends)
            done.append(task)
        else:
            return now


class _Offered:
    """Which tasks may start, kept up as others start and land.

    Tasks of the same scope wait in one queue, earliest first, and a queue that met a scope in use waits until that
    lands.
    """

    def __init__(
        self, plan: Plan, schedule: Schedule, scopes: Mapping[str, Scope], *, rolling: bool, fold: bool
    ) -> None:
        """Offer the first wave, or all of them where ``rolling``."""
        self._scopes = scopes
        self._held = ScopeIndex(fold=fold)
        self._behind = dependents(plan.tasks)
        # A task waits for what it depends on, and for its wave.
        self._missing = {task.id: len(set(task.depends_on)) + 1 for task in plan.tasks}
        self._order = [task for wave in schedule.waves for task in wave]
        self._place = {task: place for place, task in enumerate(self._order)}
        self._queues: dict[Scope, list[int]] = {}
        self._heads: list[int] = []
        self._waiting: dict[str, list[Scope]] = {}
        self._kept_out: set[Scope] = set()
        self._waves = iter((self._order,) if rolling else schedule.waves)
        self._left = 0
        self._open()

    def start(self, slots: int) -> Iterator[str]:
        """Start the tasks that may start now, in the order of the schedule, one for each slot."""
        while slots > 0 and self._heads:
            place = heappop(self._heads)
            scope = self._scopes[self._order[place]]
            queue = self._queues[scope]
            if scope in self._kept_out or not queue or queue[0] != place:
                continue  # an earlier task of its queue came to be offered after it
            met = next(self._held.meeting(scope), None)
            if met is not None:
                self._waiting.setdefault(met[0], []).append(scope)
                self._kept_out.add(scope)
                continue
            heappop(queue)
            self._offer(scope)
            self._held.add(self._order[place], scope)
            slots -= 1
            yield self._order[place]

    def land(self, tasks: Iterable[str]) -> None:
        """Let go of the scopes of tasks, and offer what waited for these."""
        for task in tasks:
            self._held.discard(task)
            for scope in self._waiting.pop(task, ()):
                self._kept_out.remove(scope)
                self._offer(scope)
            for other in self._behind[task]:
                self._need_less(other)
            self._left -= 1
        self._open()

    def _open(self) -> None:
        """Go on to the next wave once all of one has landed."""
        while not self._left:
            wave = next(self._waves, None)
            if wave is None:
                return
            self._left = len(wave)
            for task in wave:
                self._need_less(task)

    def _need_less(self, task: str) -> None:
        self._missing[task] -= 1
        if not self._missing[task]:
            scope, place = self._scopes[task], self._place[task]
            queue = self._queues.setdefault(scope, [])
            heappush(queue, place)
            if queue[0] == place:
                self._offer(scope)

    def _offer(self, scope: Scope) -> None:
        """Let the first task of a queue try, unless what it met is still in use."""
        queue = self._queues[scope]
        if queue and scope not in self._kept_out:
            heappush(self._heads, queue[0])
