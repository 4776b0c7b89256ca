from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitfleet.model.config import Config, WavesConfig
from gitfleet.model.plan import Plan, Task
from gitfleet.model.run import LIVE, SEALED, RunState
from gitfleet.planner.dispatch import Decision, decide, doomed
from gitfleet.planner.scopes import Scope
from gitfleet.planner.waves import schedule, scopes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUEUED, RUNNING, LANDED, FAILED = RunState.QUEUED, RunState.RUNNING, RunState.LANDED, RunState.FAILED


def task(name: str, *scope: str, after: Sequence[str] = ()) -> Task:
    return Task(id=name, command="x", scope=scope, depends_on=tuple(after))


def decision(
    tasks: Sequence[Task],
    states: Mapping[str, RunState],
    *,
    rolling: bool = False,
    agents: int = 3,
    wave: int = 1,
    fold: bool = False,
) -> Decision:
    plan = Plan(name="p", tasks=tuple(tasks))
    found = schedule(plan, Config(waves=WavesConfig(max_agents=agents)))
    return decide(
        plan,
        found,
        states,
        rolling=rolling,
        max_agents=agents,
        scopes=scopes_of(tasks),
        fold=fold,
        current_wave=wave,
    )


CHAIN = (task("a", "a"), task("b", "b", after=["a"]), task("c", "c"), task("d", "d", after=["b"]))


def test_the_barrier_starts_the_current_wave_only() -> None:
    assert decision(CHAIN, {}) == Decision(("a", "c"))
    assert decision(CHAIN, {"a": LANDED, "c": RUNNING}, wave=1) == Decision()
    assert decision(CHAIN, {"a": LANDED, "c": RUNNING}, wave=2) == Decision(("b",))
    assert decision(CHAIN, {"a": RUNNING}, wave=2) == Decision()
    assert decision(CHAIN, dict.fromkeys("abcd", LANDED), wave=4) == Decision()


def test_rolling_starts_what_it_can() -> None:
    assert decision(CHAIN, {"a": LANDED, "c": RUNNING}, rolling=True) == Decision(("b",))
    assert decision(CHAIN, {"a": LANDED, "c": RUNNING, "b": LANDED}, rolling=True) == Decision(("d",))
    assert decision(CHAIN, {"a": RUNNING}, rolling=True) == Decision(("c",))


def test_slots_are_taken_by_agents_and_not_by_results() -> None:
    tasks = [task(name, name) for name in "abcd"]
    assert decision(tasks, {"a": RUNNING}, rolling=True, agents=2) == Decision(("b",))
    assert decision(tasks, {"a": RunState.PREPARING, "b": RUNNING}, rolling=True, agents=2) == Decision()
    assert decision(tasks, {"a": RunState.FINISHED, "b": RUNNING}, rolling=True, agents=2) == Decision(("c",))
    assert decision(tasks, {"a": RUNNING, "b": RUNNING, "c": RUNNING}, rolling=True, agents=2) == Decision()


@pytest.mark.parametrize("state", sorted(LIVE))
def test_a_live_run_holds_its_scope(state: RunState) -> None:
    tasks = [task("a", "src"), task("b", "src/x"), task("c", "docs")]
    assert decision(tasks, {"a": state}, rolling=True) == Decision(("c",))
    assert decision(tasks, {"a": state}, wave=1) == Decision(("c",))
    assert decision(tasks, {"a": state}, wave=2) == Decision()


def test_tasks_that_start_together_do_not_overlap() -> None:
    tasks = [task("a", "src"), task("b", "SRC/x"), task("c", "docs")]
    assert decision(tasks, {}, rolling=True) == Decision(("a", "b", "c"))
    assert decision(tasks, {}, rolling=True, fold=True) == Decision(("a", "c"))


def test_a_sealed_run_frees_its_scope() -> None:
    tasks = [task("a", "src"), task("b", "src/x")]
    for state in SEALED:
        assert decision(tasks, {"a": state}, rolling=True) == Decision(("b",))


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RunState.FAILED, "a failed"),
        (RunState.TIMED_OUT, "a timed out"),
        (RunState.CANCELLED, "a was cancelled"),
        (RunState.REJECTED, "a was rejected"),
        (RunState.LOST, "a was lost"),
        (RunState.SKIPPED, "a was skipped"),
    ],
)
def test_what_cannot_start_any_more_is_skipped_with_the_root(state: RunState, reason: str, *, rolling: bool) -> None:
    found = decision(CHAIN, {"a": state, "c": LANDED}, rolling=rolling)
    assert found == Decision((), (("b", reason), ("d", f"depends on b, and {reason}")))


def test_the_root_is_named_through_tasks_that_were_skipped_before() -> None:
    assert doomed(Plan(name="p", tasks=CHAIN), {"a": FAILED, "b": RunState.SKIPPED}) == {
        "d": "depends on b, and a failed"
    }


def test_a_requeued_dependency_can_still_land() -> None:
    assert decision(CHAIN, {"a": QUEUED, "c": LANDED}) == Decision(("a",))


def test_a_landed_task_is_no_root_whatever_became_of_its_dependencies() -> None:
    assert doomed(Plan(name="p", tasks=CHAIN), {"a": FAILED, "b": LANDED}) == {}


def test_a_running_dependent_of_a_failed_task_is_left_to_its_run() -> None:
    assert doomed(Plan(name="p", tasks=CHAIN), {"a": FAILED, "b": RUNNING}) == {}
    assert doomed(Plan(name="p", tasks=CHAIN), {"a": FAILED, "b": FAILED}) == {"d": "b failed"}


def test_a_task_that_the_plan_has_not_is_not_started() -> None:
    plan = Plan(name="p", tasks=(task("a"), task("b")))
    found = schedule(plan, Config())
    smaller = Plan(name="p", tasks=(task("b"),))
    scopes = {"b": Scope.parse([])}
    assert decide(
        smaller, found, {}, rolling=True, max_agents=3, scopes=scopes, fold=False, current_wave=1
    ) == Decision(("b",))
