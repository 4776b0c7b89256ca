"""A session played through on paper, with the dispatcher of real ones: when the last task would have landed.

A wave lands when all of it is done; rolling, what is done lands together once no landing is under way. A landing takes
as long whatever it carries, since a batch is checked once.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from gitfleet.model.run import RunState
from gitfleet.planner.dispatch import decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.model.config import Config
    from gitfleet.model.plan import Plan
    from gitfleet.planner.scopes import Scope
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
    states = {task.id: RunState.QUEUED for task in plan.tasks}
    ends: list[tuple[float, str]] = []
    landed_at: float | None = None
    rolling, now, wave = config.waves.rolling, 0.0, 1
    while True:
        while wave < len(schedule.waves) and all(states[task] is RunState.LANDED for task in schedule.waves[wave - 1]):
            wave += 1
        decision = decide(
            plan,
            schedule,
            states,
            rolling=rolling,
            max_agents=config.waves.max_agents,
            scopes=scopes,
            fold=fold,
            current_wave=wave,
        )
        for task in decision.start:
            states[task] = RunState.RUNNING
            heappush(ends, (now + preparing + minutes[task], task))
        done = [task for task, state in states.items() if state is RunState.GATED]
        if landed_at is None and done and (rolling or not ends):
            landed_at = now + landing
            states |= dict.fromkeys(done, RunState.VERIFIED)
        if landed_at is not None and not (ends and ends[0][0] < landed_at):
            now, landed_at = landed_at, None
            landing_now = [task for task, state in states.items() if state is RunState.VERIFIED]
            states |= dict.fromkeys(landing_now, RunState.LANDED)
        elif ends:
            now, task = heappop(ends)
            states[task] = RunState.GATED
        else:
            return now
