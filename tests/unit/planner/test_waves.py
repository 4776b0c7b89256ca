from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.agent_config import AgentConfig
from gitfleet.model.budget import Budget, BudgetsConfig
from gitfleet.model.config import Config, OverlapPolicy, WavesConfig
from gitfleet.model.plan import Estimate, Plan, Task, TaskKind
from gitfleet.planner.graph import chains
from gitfleet.planner.hints import token_hint
from gitfleet.planner.scopes import Scope, ScopeIndex, index, overlap
from gitfleet.planner.waves import OverlapPair, OverlapRefused, Schedule, schedule
from tests.support.steps import steps

if TYPE_CHECKING:
    from collections.abc import Sequence


def task(
    name: str,
    *scope: str,
    after: Sequence[str] = (),
    priority: int = 0,
    tokens: int | None = None,
    minutes: float | None = None,
) -> Task:
    return Task(
        id=name,
        command="x",
        scope=scope,
        depends_on=tuple(after),
        priority=priority,
        estimate=Estimate(tokens=tokens, minutes=minutes),
    )


def waves_of(*tasks: Task, agents: int = 3, budget: int = 750_000, fold: bool = False) -> Schedule:
    config = Config(waves=WavesConfig(max_agents=agents, budget_tokens=budget))
    return schedule(Plan(name="p", tasks=tasks), config, fold=fold)


def reasons(found: Schedule) -> dict[str, str]:
    return {name: placed.reason for name, placed in found.placements.items()}


def test_independent_tasks_share_a_wave() -> None:
    found = waves_of(task("a", "a"), task("b", "b"), task("read-only"))
    assert found.waves == (("a", "b", "read-only"),)
    assert set(reasons(found).values()) == {"depends on nothing"}
    assert [placed.wave for placed in found.placements.values()] == [1, 1, 1]


def test_dependencies_and_overlaps_are_named() -> None:
    found = waves_of(
        task("api-auth", "src/api"), task("docs", "docs"), task("ui", "src/ui", "docs/api.md", after=["api-auth"])
    )
    assert found.waves == (("api-auth", "docs"), ("ui",))
    assert reasons(found)["ui"] == "depends on api-auth; overlaps docs at docs/api.md"


def test_the_dependency_that_came_last_is_the_reason() -> None:
    found = waves_of(task("a", "a"), task("b", "b", after=["a"]), task("c", "c", after=["a", "b"]))
    assert found.waves == (("a",), ("b",), ("c",))
    assert reasons(found)["c"] == "depends on b"


def test_a_full_wave_is_a_reason() -> None:
    found = waves_of(*(task(f"t{number}", f"d{number}") for number in range(5)), agents=2)
    assert found.waves == (("t0", "t1"), ("t2", "t3"), ("t4",))
    assert reasons(found)["t2"] == "wave 1 is full (2 agents)"
    assert reasons(found)["t4"] == "wave 2 is full (2 agents)"
    alone = waves_of(task("a"), task("b"), agents=1)
    assert reasons(alone)["b"] == "wave 1 is full (1 agent)"


def test_a_full_wave_after_the_dependencies_is_a_reason_as_well() -> None:
    found = waves_of(
        task("a", "a"),
        task("x", "x", after=["a"], minutes=5),
        task("y", "y", after=["a"]),
        agents=1,
    )
    assert found.waves == (("a",), ("x",), ("y",))
    assert reasons(found)["y"] == "depends on a; wave 2 is full (1 agent)"


def test_the_budget_is_a_reason() -> None:
    found = waves_of(task("a", "a", tokens=500), task("b", "b", tokens=600), task("c", "c", tokens=500), budget=1000)
    assert found.waves == (("a", "c"), ("b",))
    assert reasons(found)["b"] == "the budget of wave 1 has no room (1,000 of 1,000 tokens used, 600 needed)"
    assert found.placements["b"].tokens == 600


def test_a_task_over_the_budget_gets_a_wave_alone() -> None:
    found = waves_of(task("a", "a", tokens=10), task("big", "b", tokens=2000), task("c", "c", tokens=10), budget=1000)
    assert found.waves == (("a", "c"), ("big",))
    found = waves_of(task("big", "b", tokens=2000), task("free", "a", tokens=0), budget=1000)
    assert found.waves == (("big",), ("free",))


def test_the_longest_chain_goes_first_then_priority_then_the_plan() -> None:
    found = waves_of(
        task("last", "x"),
        task("urgent", "x", priority=-1),
        task("long", "x"),
        task("tail", "tail", after=["long"]),
        task("second", "x"),
        agents=1,
    )
    order = [wave[0] for wave in found.waves]
    assert order == ["long", "urgent", "last", "tail", "second"]


def test_minutes_decide_which_chain_is_long() -> None:
    found = waves_of(task("a", "x"), task("b", "x", minutes=30), task("c", "x", minutes=10))
    assert found.waves == (("b",), ("a",), ("c",))


def test_many_overlaps_are_counted() -> None:
    found = waves_of(*(task(f"t{number}", f"d/{number}", minutes=9) for number in range(5)), task("all", "d"), agents=8)
    assert found.waves[1] == ("all",)
    assert reasons(found)["all"] == "overlaps t0 at d/0, t1 at d/1, t2 at d/2 and 2 more"


def test_names_are_folded_where_the_repository_folds_them() -> None:
    tasks = (task("a", "SRC"), task("b", "src/x"))
    assert len(waves_of(*tasks).waves) == 1
    assert len(waves_of(*tasks, fold=True).waves) == 2


def test_scopes_after_symlinks_count() -> None:
    plan = Plan(name="p", tasks=(task("a", "link"), task("b", "real")))
    assert len(schedule(plan, Config()).waves) == 1
    assert len(schedule(plan, Config(), scopes={"a": Scope.parse(["real/x"])}).waves) == 2


@pytest.mark.parametrize(
    ("made", "config", "tokens"),
    [
        (Task(id="a", instructions="x"), Config(), 250_000),
        (Task(id="a", instructions="x", kind=TaskKind.RESEARCH), Config(), 100_000),
        (Task(id="a", instructions="x", kind=TaskKind.VERIFY), Config(), 60_000),
        (Task(id="a", instructions="x", kind=TaskKind.SKILL), Config(), 60_000),
        (Task(id="a", command="x"), Config(), 0),
        (Task(id="a", command="x", estimate=Estimate(tokens=7)), Config(), 7),
        (Task(id="a", command="x", estimate=Estimate(minutes=7)), Config(), 0),
        (Task(id="a", instructions="x", agent="mine"), Config(agents={"mine": AgentConfig()}), 0),
        (Task(id="a", instructions="x"), Config(agents={"mine": AgentConfig()}, agent="mine"), 0),
        (Task(id="a", instructions="x", agent="other"), Config(agents={"mine": AgentConfig()}), 250_000),
    ],
)
def test_token_hints(made: Task, config: Config, tokens: int) -> None:
    assert token_hint(made, config) == tokens


def test_overlap_error_lists_every_pair_that_nothing_orders() -> None:
    tasks = (
        task("a", "src"),
        task("b", "src/x", after=["a"]),
        task("c", "src/x/y", after=["b"]),
        task("d", "src/x/y/z", "docs"),
        task("e", "docs/e"),
    )
    config = Config(waves=WavesConfig(overlap=OverlapPolicy.ERROR))
    with pytest.raises(OverlapRefused) as caught:
        schedule(Plan(name="p", tasks=tasks), config)
    assert caught.value.pairs == (
        OverlapPair("a", "d", b"src/x/y/z"),
        OverlapPair("b", "d", b"src/x/y/z"),
        OverlapPair("c", "d", b"src/x/y/z"),
        OverlapPair("d", "e", b"docs/e"),
    )
    assert "c and d overlap at src/x/y/z" in str(caught.value)
    assert schedule(Plan(name="p", tasks=tasks[:3]), config).waves == (("a",), ("b",), ("c",))


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ((task("a"), task("a")), "twice"),
        ((task("a", after=["x"]),), "a depends on x, which is not a task"),
        ((task("a", after=["b"]), task("b", after=["a"])), "circle: a -> b -> a"),
    ],
)
def test_a_plan_that_cannot_be_scheduled_is_a_defect(tasks: tuple[Task, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        waves_of(*tasks)


@pytest.mark.parametrize(
    ("spell", "agents", "waves", "most"),
    [("src/m{}", 8, 250, 0), ("src/*/m{}/*.py", 8, 250, 0), ("src", 8, 2000, 4000), ("src/m{}/**", 1, 2000, 0)],
)
def test_two_thousand_tasks_are_scheduled_with_few_comparisons(
    spell: str, agents: int, waves: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def counted(a: Scope, b: Scope, *, fold: bool = False) -> bytes | None:
        nonlocal calls
        calls += 1
        return overlap(a, b, fold=fold)

    monkeypatch.setattr(index, "overlap", counted)
    found = waves_of(*(task(f"t{number}", spell.format(number)) for number in range(2000)), agents=agents)
    assert len(found.waves) == waves
    assert calls <= most


_SCOPES = st.lists(st.sampled_from(["a", "b", "a/x", "*/x", "c/**/y", "!a/x", "."]), max_size=2)


@st.composite
def plans(draw: st.DrawFn) -> tuple[Task, ...]:
    made: list[Task] = []
    for number in range(draw(st.integers(1, 9))):
        wanted = draw(st.lists(st.sampled_from([one.id for one in made]), max_size=2)) if made else []
        made.append(
            task(
                f"t{number}",
                *draw(_SCOPES),
                after=wanted,
                priority=draw(st.integers(-1, 1)),
                tokens=draw(st.sampled_from([None, 0, 400, 2000])),
                minutes=draw(st.sampled_from([None, 1.0, 5.0])),
            )
        )
    return tuple(draw(st.permutations(made)))


@settings(max_examples=200, deadline=None)
@given(plans(), st.integers(1, 4))
def test_waves_keep_their_promises(tasks: tuple[Task, ...], agents: int) -> None:
    found = waves_of(*tasks, agents=agents, budget=1000)
    assert found == waves_of(*tasks, agents=agents, budget=1000)
    assert sorted(name for wave in found.waves for name in wave) == sorted(one.id for one in tasks)
    by_id = {one.id: one for one in tasks}
    for number, wave in enumerate(found.waves, 1):
        assert 0 < len(wave) <= agents
        assert len(wave) == 1 or sum(found.placements[name].tokens for name in wave) <= 1000
        live = ScopeIndex()
        for name in wave:
            scope = Scope.parse(by_id[name].scope)
            assert live.overlapping(scope) == []
            live.add(name, scope)
            assert found.placements[name].wave == number
            assert all(found.placements[wanted].wave < number for wanted in by_id[name].depends_on)
            reason = found.placements[name].reason
            assert ("depends on nothing" in reason) == (number == 1)


def test_a_wave_s_own_budget_is_a_reason_by_the_number_of_the_wave() -> None:
    config = Config(budgets=BudgetsConfig(wave=Budget(max_seconds=3000)))
    placed = schedule(Plan(name="p", tasks=(task("a", "x"), task("b", "y"))), config)
    assert placed.waves == (("a",), ("b",))
    assert placed.placements["b"].reason == (
        "the budget of wave 1 has no room: 1,800 s of 3,000 s are used or reserved, and it may use 1,800 s"
    )


@given(plans(), st.integers(1, 4))
def test_a_wave_is_what_goes_when_all_that_could_are_tried_in_order(tasks: tuple[Task, ...], agents: int) -> None:
    weights = chains(tasks)
    ranked = sorted(tasks, key=lambda one: (-weights[one.id], one.priority, tasks.index(one)))
    placed: list[str] = []
    for wave in waves_of(*tasks, agents=agents, budget=1000).waves:
        live, taken, tokens = ScopeIndex(), list[str](), 0
        for one in ranked:
            scope, needed = Scope.parse(one.scope), token_hint(one, Config())
            ready = one.id not in placed and set(one.depends_on) <= set(placed)
            room = len(taken) < agents and (not taken or tokens + needed <= 1000)
            if ready and room and not live.overlapping(scope):
                live.add(one.id, scope)
                taken.append(one.id)
                tokens += needed
        assert wave == tuple(taken)
        placed += wave


@pytest.mark.parametrize(("agents", "tokens"), [(1, 0), (3, 400_000)])
def test_twice_as_many_tasks_are_scheduled_in_twice_as_many_steps(agents: int, tokens: int) -> None:
    def cost(many: int) -> int:
        return steps(lambda: waves_of(*(task(f"t{n}", f"f{n}", tokens=tokens) for n in range(many)), agents=agents))

    assert cost(300) < 2.2 * cost(150)
