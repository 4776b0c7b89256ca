"""A session on paper is the one that the dispatcher would play, at a cost that follows what happens in it."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.config import Config, WavesConfig
from gitfleet.model.plan import Plan, Task
from gitfleet.model.run import RunState
from gitfleet.planner.dispatch import decide
from gitfleet.planner.playing import play
from gitfleet.planner.waves import schedule, scopes_of
from tests.support.steps import steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCOPES = [(), ("a",), ("a/x",), ("b",), ("a", "b"), ("**/x",), ("B",), ("c",), (".",)]


@st.composite
def plans(draw: st.DrawFn) -> tuple[Task, ...]:
    """Tasks that depend on earlier ones, in any order, and write a few places."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 9)))]
    tasks = [
        Task(
            id=name,
            command="x",
            scope=draw(st.sampled_from(SCOPES)),
            depends_on=tuple(draw(st.lists(st.sampled_from(names[:place]), max_size=2)) if place else ()),
            priority=draw(st.integers(0, 2)),
        )
        for place, name in enumerate(names)
    ]
    return tuple(draw(st.permutations(tasks)))


def with_the_dispatcher(
    tasks: Sequence[Task], config: Config, minutes: Mapping[str, float], preparing: float, landing: float, *, fold: bool
) -> float:
    """A session as ``decide`` leads it when it is asked at every step."""
    plan = Plan(name="p", tasks=tuple(tasks))
    placed = schedule(plan, config, fold=fold)
    states = {task.id: RunState.QUEUED for task in tasks}
    ends: list[tuple[float, str]] = []
    landed_at: float | None = None
    rolling, now, wave = config.waves.rolling, 0.0, 1
    while True:
        while wave < len(placed.waves) and all(states[task] is RunState.LANDED for task in placed.waves[wave - 1]):
            wave += 1
        decision = decide(
            plan,
            placed,
            states,
            rolling=rolling,
            max_agents=config.waves.max_agents,
            scopes=scopes_of(tasks),
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
            verified = [task for task, state in states.items() if state is RunState.VERIFIED]
            states |= dict.fromkeys(verified, RunState.LANDED)
        elif ends:
            now, task = heappop(ends)
            states[task] = RunState.GATED
        else:
            return now


@given(
    plans(),
    st.data(),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([0.0, 0.5, 3.0]),
)
def test_it_is_what_the_dispatcher_would_do(
    tasks: tuple[Task, ...],
    data: st.DataObject,
    agents: int,
    rolling: bool,  # noqa: FBT001
    fold: bool,  # noqa: FBT001
    preparing: float,
    landing: float,
) -> None:
    minutes = {task.id: float(data.draw(st.integers(0, 4))) for task in tasks}
    config = Config(waves=WavesConfig(max_agents=agents, rolling=rolling))
    plan = Plan(name="p", tasks=tasks)
    placed = schedule(plan, config, fold=fold)
    played = play(plan, placed, config, scopes_of(tasks), minutes, preparing=preparing, landing=landing, fold=fold)
    assert played == with_the_dispatcher(tasks, config, minutes, preparing, landing, fold=fold)


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("alike", [False, True])
def test_twice_as_many_tasks_are_twice_as_many_steps(*, rolling: bool, alike: bool) -> None:
    def cost(many: int) -> int:
        tasks = tuple(Task(id=f"t{n}", command="x", scope=("f" if alike else f"f{n}",)) for n in range(many))
        plan, config = Plan(name="p", tasks=tasks), Config(waves=WavesConfig(max_agents=3, rolling=rolling))
        placed, scopes = schedule(plan, config), scopes_of(tasks)
        minutes = dict.fromkeys(scopes, 1.0)
        return steps(lambda: play(plan, placed, config, scopes, minutes, preparing=0, landing=0, fold=False))

    assert cost(200) < 2.2 * cost(100)
