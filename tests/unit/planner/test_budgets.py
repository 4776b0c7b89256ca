"""What budgets come to for single tasks and attempts; that no cap is ever passed is a property of its own."""

from __future__ import annotations

import pytest

from gitfleet.model.agent_config import AgentConfig, AgentKind
from gitfleet.model.budget import RUNAWAY, Budget, BudgetsConfig
from gitfleet.model.config import Config
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.plan import Estimate, Task
from gitfleet.model.usage import Tokens, Truth, UsageRow, UsageSummary, summary
from gitfleet.planner.budgets import (
    UNBOUNDED,
    Amount,
    UsedUp,
    budget_of,
    charged,
    left,
    measured,
    overrun,
    reservation,
    runs_model,
    tells_no_cost,
    total,
)
from gitfleet.planner.rooms import Room, Short, never_fit, rooms, short, without

SCRIPT = AgentConfig(argv=("./agent",))
AGENTS = {"script": SCRIPT, "either": AgentConfig(kind=AgentKind.CLAUDE, fallback=("codex",))}
USED = UsageSummary(tokens=Tokens(input=10, output=5, cost_usd=0.5), turns=2, tool_calls=3)


def by(agent: str | None = None, **facts: object) -> Task:
    return Task(**{"id": "a", "instructions": "x", "agent": agent, **facts})  # type: ignore[arg-type]


def config(agent: str | None = None, **budgets: Budget) -> Config:
    return Config(agents=AGENTS, agent=agent, budgets=BudgetsConfig(**budgets))


def attempt(budget: Budget | None = None, **facts: object) -> Attempt:
    return Attempt(number=1, base="b", started="", budget=budget, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("task", "model", "no_cost"),
    [
        (by("claude"), True, False),
        (by("codex"), True, True),
        (by("either"), True, True),
        (by("script"), False, False),
        (by(), False, False),
        (Task(id="a", command="make", agent="codex"), False, False),
    ],
)
def test_whose_use_is_paid_for_and_whose_cost_nobody_tells(task: Task, *, model: bool, no_cost: bool) -> None:
    assert runs_model(task, config()) is model
    assert tells_no_cost(task, config()) is no_cost


def test_the_agent_of_tasks_that_name_none_counts() -> None:
    assert runs_model(by(), config("claude"))
    assert tells_no_cost(by(), config("codex"))


def test_a_task_s_own_word_goes_before_that_of_all_tasks_and_before_the_runaway_bound() -> None:
    said = budget_of(by("claude", budget=Budget(max_turns=3)), config(task=Budget(max_turns=9, max_usd=2.0)))
    assert said == Budget(max_turns=3, max_usd=2.0, max_tool_calls=RUNAWAY.max_tool_calls)


def test_what_a_wave_bounds_is_reserved_by_estimate_and_deadline() -> None:
    bounded = config(wave=Budget(max_tokens=10**6), day=Budget(max_seconds=10**6))
    task = by("claude", estimate=Estimate(tokens=7), timeout_seconds=60)
    assert budget_of(task, bounded) == Budget(max_tokens=7, max_seconds=60).over(RUNAWAY)
    assert budget_of(task, config()) == RUNAWAY
    free = by("claude", estimate=Estimate(tokens=0))
    assert budget_of(free, bounded).max_tokens is None
    own = by("claude", budget=Budget(max_tokens=5, max_seconds=6))
    assert budget_of(own, bounded) == Budget(max_tokens=5, max_seconds=6).over(RUNAWAY)


def test_a_command_is_bounded_in_time_alone() -> None:
    bounded = config(session=Budget(max_seconds=10**6, max_tokens=5), task=Budget(max_turns=1))
    assert budget_of(by("script"), bounded) == Budget(max_seconds=1800)
    assert reservation(by("script"), bounded) == Amount(seconds=1800)
    assert reservation(by("script"), config()) == Amount(seconds=UNBOUNDED)
    assert reservation(by("claude"), config()).turns == RUNAWAY.max_turns


def test_what_is_left_is_whole_but_for_dollars_and_says_what_is_used_up() -> None:
    budget = Budget(max_tokens=10, max_usd=1.0)
    assert left(budget, Amount(tokens=3.5, usd=0.25)) == Budget(max_tokens=6, max_usd=0.75)
    assert left(budget, Amount(tokens=9.5)) == UsedUp("tokens", 9.5, 10)
    used_up = left(budget, Amount(usd=1.0))
    assert isinstance(used_up, UsedUp)
    assert used_up.sentence == "it used $1.00 of $1.00 (max_usd)"


def test_the_first_thing_that_is_passed_is_named_and_the_cap_itself_is_not_passed() -> None:
    budget = Budget(max_tool_calls=1000, max_turns=2)
    assert overrun(budget, Amount(tool_calls=1000, turns=2, tokens=10**9)) is None
    passed = overrun(budget, Amount(tool_calls=1234, turns=3))
    assert passed is not None
    assert passed.sentence == "it used 1,234 tool calls of 1,000 tool calls (max_tool_calls)"


def test_what_was_told_is_what_was_measured() -> None:
    assert measured(attempt(exit=Exit(seconds=4.0))) == Amount(seconds=4.0)
    assert measured(attempt()) == Amount()
    assert measured(attempt(exit=Exit(seconds=4.0), usage=USED)) == Amount(
        tokens=15, tool_calls=3, seconds=4.0, usd=0.5, turns=2
    )


MAY = Budget(max_tokens=100, max_seconds=60, max_usd=2.0)
EXACT = Amount(tokens=15, tool_calls=3, seconds=4, usd=0.5, turns=2)
NOT_MEASURED = UsageSummary(tokens=USED.tokens, turns=2, tool_calls=3, truth=Truth.NOT_MEASURED)
NO_COST = UsageSummary(tokens=Tokens(input=10, output=5), turns=2, tool_calls=3)


@pytest.mark.parametrize(
    ("one", "amount"),
    [
        (attempt(MAY), Amount()),
        (attempt(MAY, exit=Exit(seconds=4), usage=USED), EXACT),
        (attempt(None, exit=Exit(seconds=4), usage=USED), EXACT),
        (attempt(MAY, exit=Exit(seconds=4), usage=NO_COST), Amount(15, 3, 4, 2.0, 2)),
        (attempt(MAY, exit=Exit(seconds=4), usage=NOT_MEASURED), Amount(100, 3, 4, 2.0, 2)),
        (attempt(MAY, exit=Exit(seconds=4)), Amount(100, 0, 4, 2.0, 0)),
        (attempt(MAY, exit=Exit(), usage=USED), Amount(15, 3, 60, 0.5, 2)),
        (attempt(MAY, usage=USED), Amount(15, 3, 60, 0.5, 2)),
        (attempt(MAY, exit=Exit(reason="lost", seconds=0)), Amount()),
        (attempt(MAY, exit=Exit(reason="spawn-failed"), usage=UsageSummary()), Amount()),
        (attempt(MAY, exit=Exit(reason="spawn-failed"), usage=USED), Amount(15, 3, 0, 0.5, 2)),
    ],
    ids=[
        "never-ran",
        "exact",
        "unbounded",
        "no-cost",
        "not-measured",
        "no-usage",
        "lost",
        "no-exit",
        "never-began",
        "no-warden",
        "told-all-the-same",
    ],
)
def test_what_was_not_measured_counts_as_all_that_was_reserved(one: Attempt, amount: Amount) -> None:
    assert charged(one, live=False) == amount


def test_an_attempt_that_runs_counts_as_all_that_it_may_use() -> None:
    assert charged(attempt(MAY, usage=USED), live=True) == Amount(tokens=100, seconds=60, usd=2.0)


def test_room_comes_back_where_something_runs_and_never_where_all_is_used() -> None:
    day = Budget(max_tokens=10)
    running = Room("day", day, settled=Amount(tokens=2), running=Amount(tokens=8))
    assert short([running], Amount(tokens=8)) == Short("day", "tokens", 8, 10, 10, final=False)
    spent = Room("day", day, settled=Amount(tokens=9))
    found = short([spent], Amount(tokens=2, turns=5))
    assert found is not None
    assert found.final
    assert found.sentence == (
        "the budget of the day has no room: 9 tokens of 10 tokens are used or reserved, and it may use 2 tokens"
    )
    assert short([spent], Amount(tokens=1)) is None
    endless = short([spent], Amount(tokens=UNBOUNDED))
    assert endless is not None
    assert endless.sentence.endswith("and it may use without bound")


def test_the_reserve_is_given_to_no_task_and_leaves_the_smallest_budget_there_is() -> None:
    budgets = BudgetsConfig(wave=Budget(max_tokens=10, max_turns=4), reserve=Budget(max_tokens=4))
    taken = {"wave": (Amount(tokens=1), Amount(tokens=2))}
    assert rooms(budgets, taken) == (
        Room("wave", Budget(max_tokens=6, max_turns=4), Amount(tokens=1), Amount(tokens=2)),
    )
    least = without(Budget(max_tokens=3, max_usd=1.0), Budget(max_tokens=5, max_usd=1.0))
    assert least.max_tokens == 1
    assert least.max_usd is not None
    assert 0 < least.max_usd < 0.001


def test_only_a_task_that_no_empty_budget_has_room_for_never_fits() -> None:
    small, large = by("claude", id="small", budget=Budget(max_tokens=9)), by("claude", id="large")
    ((task, why),) = never_fit([small, large], config(session=Budget(max_tokens=10)))
    assert (task, why.room, why.name, why.final) == ("large", "session", "tokens", True)


def test_sums_keep_what_was_not_measured_and_budgets_lie_over_budgets() -> None:
    assert total([Amount(tokens=1), Amount(tokens=2, usd=0.5)]) == Amount(tokens=3, usd=0.5)
    rows = [
        UsageRow(session="s", task="a", instance="i", attempt=1, turn=str(n), agent="x", truth=truth)
        for n, truth in enumerate((Truth.NOT_MEASURED, Truth.EXACT))
    ]
    assert summary(rows, Truth.EXACT).truth is Truth.NOT_MEASURED
    assert summary(rows[1:], Truth.EXACT).truth is Truth.EXACT
    own, others = BudgetsConfig(day=Budget(max_turns=1)), BudgetsConfig(day=Budget(max_turns=9, max_usd=1.0), wave=MAY)
    assert own.over(others) == BudgetsConfig(day=Budget(max_turns=1, max_usd=1.0), wave=MAY)
