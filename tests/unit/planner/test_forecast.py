from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitfleet.model.config import Config, WavesConfig
from gitfleet.model.evidence import Attempt, CheckResult, Exit, Verdict, Verification
from gitfleet.model.plan import Estimate, Plan, Task, TaskKind
from gitfleet.model.run import Failure, FailureSource, MergeRecord, RunState
from gitfleet.model.words import roughly
from gitfleet.planner.coupling import Coupled
from gitfleet.planner.forecast import Basis, Forecast, Likelihood, forecast, word_of
from gitfleet.planner.past import Past, past_of
from gitfleet.planner.waves import schedule, scopes_of
from tests.unit.store.samples import make_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitfleet.model.run import Run


def task(name: str, minutes: float | None = None, *after: str, scope: str | None = None) -> Task:
    estimate = None if minutes is None else Estimate(minutes=minutes)
    return Task(id=name, instructions="x", scope=(scope or name,), depends_on=after, estimate=estimate)


def foreseen(
    *tasks: Task, agents: int = 3, rolling: bool = False, past: Past | None = None, coupled: Sequence[Coupled] = ()
) -> Forecast:
    plan = Plan(name="p", tasks=tasks)
    config = Config(waves=WavesConfig(max_agents=agents, rolling=rolling, budget_tokens=10**9))
    placed, scopes = schedule(plan, config), scopes_of(tasks)
    return forecast(plan, placed, config, scopes, past or Past(), coupled, commits=100)


def test_waves_last_as_long_as_their_longest_tasks() -> None:
    found = foreseen(task("a", 10), task("b", 4), task("c", 6, "b"))
    assert (found.parallel, found.sequence) == (16, 20)
    assert (found.chain, found.chain_minutes) == (("a",), 10)


def test_rolling_starts_what_can_start() -> None:
    found = foreseen(task("a", 10), task("b", 4), task("c", 6, "b"), rolling=True)
    assert found.parallel == 10


def test_no_more_agents_than_allowed_and_overlaps_wait() -> None:
    assert foreseen(*(task(name, 5) for name in "abcd"), agents=2, rolling=True).parallel == 10
    assert foreseen(task("a", 5, scope="x"), task("b", 5, scope="x/y"), rolling=True).parallel == 10


def test_measured_overheads_are_added_where_they_occur() -> None:
    past = Past(preparing=1.0, landing=2.0)
    found = foreseen(task("a", 10), task("b", 10, "a"), past=past)
    assert found.parallel == 26
    assert found.sequence == 22
    rolling = foreseen(task("a", 10), task("b", 10, "a"), task("c", 12), past=past, rolling=True)
    # a ends at 11 and lands at 13; c ends at 13; b works from 13 to 24 while c lands, and lands at 26.
    assert rolling.parallel == 26


def test_where_the_minutes_come_from() -> None:
    past = Past(minutes={(TaskKind.BUILD, "mine"): 7.0})
    plan = Plan(
        name="p",
        tasks=(
            task("estimated", 3),
            Task(id="measured", instructions="x", agent="mine"),
            Task(id="usual", instructions="x", kind=TaskKind.RESEARCH, agent="mine"),
            Task(id="unknown", command="x"),
        ),
    )
    config = Config()
    found = forecast(plan, schedule(plan, config), config, scopes_of(plan.tasks), past, (), commits=0)
    assert {name: (one.minutes, one.basis) for name, one in found.expected.items()} == {
        "estimated": (3, Basis.ESTIMATE),
        "measured": (7.0, Basis.MEASURED),
        "usual": (5.0, Basis.USUAL),
        "unknown": (None, Basis.UNKNOWN),
    }
    assert (found.parallel, found.sequence, found.chain, found.doubts) == (None, None, (), ())
    assert found.clash is Likelihood.UNKNOWN


@pytest.mark.parametrize(
    ("tasks", "agents", "past", "doubt"),
    [
        ((task("a", 9), task("b", 9, "a"), task("c", 1)), 3, Past(), "a -> b is a chain that takes about 18 min"),
        ((task("a", 90), task("b", 2)), 3, Past(), "a alone takes about 90 min"),
        ((task("a", 5), task("b", 5)), 1, Past(), "only one of 2 agents works at a time"),
        ((task("a", 1), task("b", 1)), 3, Past(preparing=5.0), "worktrees and checks take about 5 min of it"),
        (
            (task("a", 5, scope="x"), task("b", 5, scope="x")),
            3,
            Past(),
            "overlapping scopes and the limits of a wave put most tasks one after the other",
        ),
        ((*(task(n, 5, *p) for n, p in (("a", ""), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"))), task("f", 1)), 3,
         Past(), "a -> b -> ... -> e is a chain that takes about 25 min"),
    ],
)  # fmt: skip
def test_it_says_why_several_agents_are_not_worth_it(
    tasks: tuple[Task, ...], agents: int, past: Past, doubt: str
) -> None:
    assert foreseen(*tasks, agents=agents, past=past).doubts == (doubt,)


def test_one_task_and_a_good_plan_leave_no_doubt() -> None:
    assert foreseen(task("a", 5)).doubts == ()
    assert foreseen(task("a", 5), task("b", 5)).doubts == ()


def test_a_likely_clash_is_a_doubt() -> None:
    pair = Coupled("a", "b", 8, 10, ())
    found = foreseen(task("a", 5), task("b", 5), coupled=[pair])
    assert found.clash is Likelihood.LIKELY
    assert found.doubts == ("what a and b write has changed together",)
    again = foreseen(task("a", 5), task("b", 5), past=Past(integrated=10, clashed=8))
    assert again.doubts == ("most such work of past sessions did not fit together at first",)
    assert foreseen(task("a", 5), task("b", 5), past=Past(integrated=9, clashed=9)).clash is Likelihood.VERY_UNLIKELY
    assert foreseen(task("a", 5), task("b", 5), coupled=[Coupled("a", "b", 2, 10, ())]).clash is Likelihood.UNLIKELY


def test_the_words_of_chances() -> None:
    assert [word_of(chance) for chance in (None, 0.05, 0.2, 0.5, 0.9)] == list(Likelihood)
    words = [roughly(minutes) for minutes in (0.2, 7.4, 33, 119, 170, 1000)]
    assert words == ["under a minute", "about 7 min", "about 35 min", "about 120 min", "about 3 h", "about 17 h"]


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_it_is_never_faster_than_the_chain_nor_slower_than_one_agent(data: st.DataObject) -> None:
    names = [f"t{number}" for number in range(data.draw(st.integers(1, 8)))]
    tasks = [
        task(
            name,
            data.draw(st.integers(1, 30)),
            *data.draw(st.sets(st.sampled_from(names[:place]))) if place else (),
            scope=data.draw(st.sampled_from(["x", "x/y", "z", name])),
        )
        for place, name in enumerate(names)
    ]
    agents, rolling = data.draw(st.integers(1, 4)), data.draw(st.booleans())
    found = foreseen(*tasks, agents=agents, rolling=rolling)
    assert found.parallel is not None
    assert found.sequence is not None
    assert found.chain_minutes is not None
    assert max(found.chain_minutes, found.sequence / agents) <= found.parallel <= found.sequence


def attempt(seconds: float, *, waited: float = 2.0, outcome: str = "success") -> Attempt:
    return Attempt(
        number=1,
        base="1" * 40,
        started="2026-01-02T03:04:05.000Z",
        outcome=outcome,
        exit=Exit(code=0, started=f"2026-01-02T03:04:{5 + waited:06.3f}Z", seconds=seconds),
    )


def landed(name: str, seconds: float, *attempts: Attempt, tree: str = "t") -> Run:
    check = CheckResult(name="c", run="c", exit_code=0, seconds=30)
    return make_run(
        name,
        RunState.LANDED,
        attempts=(*attempts, attempt(seconds)),
        agent="mine",
        merge=MergeRecord(commit="1" * 40, landing=1, target="refs/heads/main"),
        verification=Verification(verdict=Verdict.VERIFIED, tree=tree, checks=(check, check)),
    )


def test_past_runs_add_up_to_medians() -> None:
    runs = [landed(str(n), 60 * n, tree=str(n)) for n in (1, 2, 9)]
    past = past_of(runs)
    assert past.minutes == {(TaskKind.BUILD, "mine"): 2.0}
    assert past.preparing == pytest.approx(2 / 60)
    assert past.landing == 1.0
    assert (past.integrated, past.clashed) == (3, 0)


def test_an_attempt_whose_end_nobody_saw_measures_nothing() -> None:
    unseen = Attempt(number=1, base="1" * 40, started="2026-01-02T03:04:05.000Z", outcome="success")
    seen = [landed(str(n), 60 * n, tree=str(n)) for n in (1, 2, 9)]
    assert past_of([landed(str(n), 60 * n, unseen, tree=str(n)) for n in (1, 2, 9)]) == past_of(seen)


def test_too_few_measurements_are_none() -> None:
    past = past_of([landed(str(n), 60) for n in range(2)])
    assert past == Past(integrated=2)
    # Runs of one batch were checked once.
    assert past_of([landed(str(n), 60) for n in range(3)]).landing is None


def test_clashes_are_counted_once_a_run_and_other_ends_not_at_all() -> None:
    conflict = Failure(source=FailureSource.TASK, code="conflict", message="")
    failed = Failure(source=FailureSource.VERIFIER, code="check-failed", message="x")
    runs = [
        landed("again", 60, attempt(5, outcome="check-failed")),
        make_run("conflicted", RunState.CONFLICTED, failure=conflict),
        make_run("red", RunState.FAILED, failure=failed, verification=Verification(verdict=Verdict.RED)),
        make_run("own", RunState.FAILED, attempts=(attempt(9, outcome="exit-code"),)),
        make_run("queued"),
    ]  # fmt: skip
    assert (past_of(runs).integrated, past_of(runs).clashed) == (3, 3)
