from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.base import instant
from gitfleet.model.evidence import Attempt
from gitfleet.model.plan import Plan, Task, TaskKind
from gitfleet.model.retry import RetryConfig, RetryPolicy
from gitfleet.model.run import Failure, FailureSource, Run, RunState
from gitfleet.planner.retries import (
    Final,
    Retry,
    backoff,
    counted,
    decide,
    left_out,
    limited,
    seconds_left,
    suffices,
    waiting_for,
    worth_telling,
)

LOST = Failure(source=FailureSource.TRANSPORT, code="lost", message="It was lost.")
UNPREPARED = Failure(source=FailureSource.TRANSPORT, code="prepare-failed", message="No worktree.")
LATE = Failure(source=FailureSource.TASK, code="deadline", message="It was stopped at its deadline.")
POLICIES = st.builds(
    RetryConfig,
    max_attempts=st.integers(1, 100),
    initial_backoff_seconds=st.floats(0, 86_400),
    max_backoff_seconds=st.floats(0, 86_400),
    backoff_multiplier=st.floats(1, 100),
)
RANDOM = st.floats(0, 1, exclude_max=True)


def task(**facts: object) -> Task:
    return Task(**{"id": "a", "command": "x", "scope": ("a",), **facts})  # type: ignore[arg-type]


def failed(*outcomes: str, state: RunState = RunState.FINISHED, **facts: object) -> Run:
    tried = tuple(
        Attempt(number=number, base="0", started="", outcome=outcome, wave=1)
        for number, outcome in enumerate(outcomes, start=1)
    )
    return Run(session="s", task="a", name="a", wave=1, state=state, attempts=tried, **facts)  # type: ignore[arg-type]


def decision(run: Run, failure: Failure, *, of: Task | None = None, behind: tuple[str, ...] = ()) -> Retry | Final:
    return decide(run, failure, of or task(), RetryConfig(), dependents=behind, random=0.0)


@given(
    POLICIES, st.lists(st.sampled_from(["lost", "spawn-failed", "interrupted", "", "stopped"]), max_size=120), RANDOM
)
def test_transport_failures_come_again_until_the_policy_is_used_up(
    policy: RetryConfig, before: list[str], random: float
) -> None:
    run = failed(*before, "lost")
    answer = decide(run, LOST, task(), policy, dependents=(), random=random)
    assert isinstance(answer, Retry) == (counted(run.attempts) < policy.max_attempts)
    if isinstance(answer, Retry):
        assert 0 <= answer.after_seconds <= policy.max_backoff_seconds + 0.001
        assert not answer.reduced


@given(POLICIES, st.integers(1, 99), RANDOM)
def test_waits_grow_stay_within_bounds_and_are_at_least_half(policy: RetryConfig, failures: int, random: float) -> None:
    shortest, wait, longest = (backoff(policy, failures, number) for number in (0.0, random, 1.0))
    assert shortest <= wait <= longest <= policy.max_backoff_seconds + 0.001
    assert shortest == pytest.approx(longest / 2, abs=0.002)
    assert backoff(policy, failures + 1, random) >= wait
    if failures == 1:
        expected = min(policy.initial_backoff_seconds, policy.max_backoff_seconds)
        assert longest == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (FailureSource.TASK, "exit-code"),
        (FailureSource.TASK, "out-of-scope"),
        (FailureSource.TASK, "no-changes"),
        (FailureSource.VERIFIER, "task-check"),
        (FailureSource.NEEDS_PERSON, "nested-repository"),
    ],
)
def test_what_is_not_transport_is_final_and_not_news(source: FailureSource, code: str) -> None:
    answer = decision(failed(code), Failure(source=source, code=code, message="m"), behind=("b",))
    assert isinstance(answer, Final)
    assert not worth_telling(
        Attempt(number=1, base="", started="", outcome="exit-code", retry=f"not retried: {answer.why}")
    )


@pytest.mark.parametrize(("outcome", "told"), [("lost", True), ("stalled", True), ("interrupted", False)])
def test_an_attempt_that_a_person_stopped_is_no_news_to_them(outcome: str, *, told: bool) -> None:
    attempt = Attempt(number=1, base="", started="", outcome=outcome, retry="retried as attempt 2: it was so")
    assert worth_telling(attempt) is told


def test_what_is_not_retry_safe_is_never_begun_twice() -> None:
    once = task(retry_safe=False)
    assert decision(failed("lost"), LOST, of=once) == Final("the task is not retry_safe")
    assert decision(failed("deadline"), LATE, of=once, behind=("b",)) == Final("the task is not retry_safe")
    assert isinstance(decision(failed("prepare-failed"), UNPREPARED, of=once), Retry)


def test_a_timeout_comes_once_more_where_others_wait() -> None:
    assert decision(failed("deadline"), LATE) == Final("it ran out of time and no task waits for it")
    answer = decision(failed("deadline"), LATE, behind=("b", "c", "d", "e"))
    assert answer == Retry(0.0, reduced=True, why="it ran out of time, and b, c, d and 1 more wait for it")
    assert isinstance(decision(failed("lost", "deadline"), LATE, behind=("b",)), Final)
    again = decide(
        failed("deadline", "deadline", reduced=True),
        LATE,
        task(),
        RetryConfig(max_attempts=9),
        dependents=("b",),
        random=0.5,
    )
    assert again == Final("it ran out of time with the reduced prompt too")


def test_a_reduced_run_stays_reduced_when_it_is_lost() -> None:
    run = failed("deadline", "lost", reduced=True)
    answer = decide(run, LOST, task(), RetryConfig(max_attempts=3), dependents=("b",), random=0.0)
    assert isinstance(answer, Retry)
    assert answer.reduced


def test_only_read_only_research_suffices_when_it_ran_out_of_time() -> None:
    ask = task(kind=TaskKind.RESEARCH, scope=())
    assert isinstance(decision(failed("deadline"), LATE, of=ask, behind=("b",)), Final)
    assert suffices(ask, RunState.TIMED_OUT)
    assert not suffices(ask, RunState.FAILED)
    assert not suffices(task(kind=TaskKind.RESEARCH), RunState.TIMED_OUT)
    assert not suffices(task(scope=()), RunState.TIMED_OUT)
    assert suffices(task(), RunState.LANDED)


def test_only_tasks_that_may_still_run_wait() -> None:
    tasks = [Task(id=name, command="x", depends_on=("a",) if name != "a" else ()) for name in "abcd"]
    states = {"a": RunState.RUNNING, "b": RunState.QUEUED, "c": RunState.CANCELLED}
    runs = {name: Run(session="s", task=name, name=name, wave=1, state=state) for name, state in states.items()}
    assert waiting_for(Plan(name="p", tasks=tuple(tasks)), runs, "a") == ("b",)


def test_a_run_is_left_out_of_the_wave_in_which_its_set_up_failed() -> None:
    run = failed("prepare-failed", state=RunState.QUEUED)
    assert left_out(run)
    assert not left_out(failed("lost", state=RunState.QUEUED))
    assert not left_out(failed("prepare-failed"))
    assert not left_out(failed(state=RunState.QUEUED))


@given(st.integers(0, 10**10), st.integers(0, 10**10), st.floats(0, 86_400))
def test_a_clock_never_makes_a_wait_longer(until: int, now: int, backoff_seconds: float) -> None:
    left = seconds_left(failed(not_before=instant(until), backoff_seconds=backoff_seconds), now)
    assert 0 <= left <= backoff_seconds
    if now >= until:
        assert left == 0


@pytest.mark.parametrize("damaged", ["", "tomorrow", "2026-99-99T00:00:00.000Z"])
def test_an_instant_that_cannot_be_read_waits_as_long_as_was_decided(damaged: str) -> None:
    assert seconds_left(failed(not_before=damaged, backoff_seconds=7.0), 0.0) == 7.0


def test_a_task_overrides_single_fields() -> None:
    own = RetryPolicy(max_attempts=5, initial_backoff_seconds=0)
    assert own.over(RetryConfig()) == RetryConfig(max_attempts=5, initial_backoff_seconds=0)
    assert own.under(RetryPolicy(max_attempts=7)) == RetryPolicy(max_attempts=7, initial_backoff_seconds=0)
    assert own.under(None) == own


RATE = Failure(source=FailureSource.TRANSPORT, code="rate-limited", message="Its account has to wait.")


def limit(*outcomes: str, reset: float | None, random: float = 0.0) -> Retry | Final:
    return decide(failed(*outcomes), RATE, task(), RetryConfig(), dependents=(), random=random, reset=reset)


def test_a_limit_is_waited_for_until_its_reset_and_uses_up_no_attempt() -> None:
    assert limit("rate-limited", reset=600.0) == Retry(600.0, reduced=False, why=RATE.message, going_on=True)
    assert counted(failed("rate-limited", "usage-limit").attempts) == 0
    spread = limit("rate-limited", reset=600.0, random=0.5)
    assert isinstance(spread, Retry)
    assert 600.0 < spread.after_seconds <= 605.0


def test_a_reset_that_was_none_is_waited_for_longer_each_time_and_not_for_ever() -> None:
    unknown = limit("rate-limited", reset=None)
    assert unknown == Retry(2.5, reduced=False, why=RATE.message, going_on=True)
    again = limit("rate-limited", "usage-limit", "rate-limited", reset=0.0)
    assert again == Retry(10.0, reduced=False, why=RATE.message, going_on=True)
    assert limit(*["rate-limited"] * 20, reset=0.0) == Final("20 attempts in a row met a limit")
    assert isinstance(limit(*["rate-limited"] * 19, "lost", "rate-limited", reset=0.0), Retry)


def test_a_limit_does_not_begin_twice_what_is_not_retry_safe() -> None:
    answer = decision(failed("rate-limited"), RATE, of=task(retry_safe=False))
    assert answer == Final("the task is not retry_safe")


def test_a_session_that_cannot_be_gone_on_with_starts_clean_at_once() -> None:
    failure = Failure(source=FailureSource.TRANSPORT, code="not-resumed", message="Its session is gone.")
    assert decision(failed("not-resumed"), failure) == Retry(0.0, reduced=False, why="Its session is gone.")


def test_an_account_that_is_not_let_in_is_only_tried_again_elsewhere() -> None:
    failure = Failure(source=FailureSource.TRANSPORT, code="auth", message="It was not let in.")
    run, policy = failed("auth"), RetryConfig()
    here = decide(run, failure, task(), policy, dependents=(), random=0.0)
    assert here == Final("its account is not let in, and would not be again")
    other = decide(run, failure, task(), policy, dependents=(), random=0.0, elsewhere=True)
    assert other == Retry(2.5, reduced=False, why="It was not let in.", going_on=False)


@pytest.mark.parametrize(("code", "goes_on"), [("network", True), ("killed", True), ("spawn-failed", False)])
def test_a_broken_connection_is_gone_on_from(code: str, *, goes_on: bool) -> None:
    answer = decision(failed(code), Failure(source=FailureSource.TRANSPORT, code=code, message="m"))
    assert isinstance(answer, Retry)
    assert answer.going_on is goes_on


def test_only_who_waits_for_a_reset_is_limited() -> None:
    at = instant(10)
    assert limited(failed("lost", "usage-limit", not_before=at))
    assert not limited(failed("usage-limit", "lost", not_before=at))
    assert not limited(failed("usage-limit"))
    assert not limited(failed(not_before=at))
