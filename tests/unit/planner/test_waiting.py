"""What waits for a person holds back what needs it, and nothing else."""

from __future__ import annotations

from gitfleet.model.evidence import Attempt
from gitfleet.model.parking import Parked
from gitfleet.model.plan import Plan, Task
from gitfleet.model.run import Run, RunState
from gitfleet.planner.scopes import Scope
from gitfleet.planner.waiting import held_back

PLAN = Plan(
    name="p",
    tasks=(
        Task(id="asks", command="x", scope=("src/",)),
        Task(id="behind", command="x", scope=("docs/",), depends_on=("asks",)),
        Task(id="further", command="x", depends_on=("behind",)),
        Task(id="same", command="x", scope=("src/a.py",)),
        Task(id="apart", command="x", scope=("tests/",)),
    ),
)
SCOPES = {task.id: Scope.parse(task.scope) for task in PLAN.tasks}


def held(**states: RunState | Run) -> frozenset[str]:
    runs = {}
    for task in PLAN.tasks:
        found = states.get(task.id, RunState.QUEUED)
        runs[task.id] = found if isinstance(found, Run) else run(task.id, found)
    return held_back(PLAN, runs, SCOPES, fold=False)


def run(task: str, state: RunState, **facts: object) -> Run:
    return Run(session="s", task=task, name=task, wave=1, state=state, **facts)  # type: ignore[arg-type]


def test_nothing_is_held_back_where_nobody_is_waited_for() -> None:
    assert held() == frozenset()
    assert held(asks=run("asks", RunState.QUEUED, parked=Parked(approved=True))) == frozenset()


def test_what_depends_on_a_parked_run_or_may_write_what_it_holds_waits_with_it() -> None:
    parked = run("asks", RunState.QUEUED, parked=Parked())
    assert held(asks=parked) == {"asks", "behind", "further", "same"}


def test_what_passed_its_gate_needs_no_claim_any_more_but_still_what_it_depends_on() -> None:
    parked = run("asks", RunState.QUEUED, parked=Parked())
    assert held(asks=parked, same=RunState.GATED, behind=RunState.GATED) == {"asks", "behind", "further"}


def test_what_runs_or_is_over_is_not_held_back() -> None:
    conflict = Attempt(number=1, base="", started="", outcome="conflict", retry="not retried: it is held")
    asks = run("asks", RunState.CONFLICTED, attempts=(conflict,))
    assert held(asks=asks, behind=RunState.RUNNING, same=RunState.LANDED) == {"asks"}
