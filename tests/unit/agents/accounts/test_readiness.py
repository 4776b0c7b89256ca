"""How an account stands, and what the end of an attempt does to it: pure."""

from __future__ import annotations

import time
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.agents.accounts.limits import FELL_THROUGH_REST, Ending, after, ending
from gitfleet.agents.accounts.readiness import Condition, Known, allowed_by, pick, standing
from gitfleet.agents.events import RateLimited, Used
from gitfleet.agents.rendering import words
from gitfleet.agents.transcript import Transcript
from gitfleet.model.account import Account, AccountState, Key
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.base import instant, seconds_of
from gitfleet.model.run import Failure, FailureSource
from gitfleet.model.usage import Tokens

NOW = 1_700_000_000.0
ACCOUNT = Account(ref="codex-2", kind=AgentKind.CODEX, connected=instant(0), capacity=4)
NEW = AccountState()
LIMITED = Ending(code="rate-limited", transport=True, said="slow down")
WELL = Ending(spent=True)


@pytest.mark.parametrize(
    ("known", "own"),
    [
        (Known(ACCOUNT, NEW, busy=4), "gitfleet accounts connect codex --ref codex-2 --capacity 5"),
        (Known(ACCOUNT, AccountState(allowed=1), busy=1), ""),
        (Known(ACCOUNT, AccountState(until=instant(NOW + 1))), ""),
        (Known(ACCOUNT, NEW, missing="gone"), "gitfleet accounts connect codex --ref codex-2"),
    ],
)
def test_who_can_work_with_no_other_account_is_told_what_helps_with_this_one(known: Known, own: str) -> None:
    assert standing(known, NOW).own == own


@pytest.mark.parametrize(
    ("known", "condition", "mend"),
    [
        (Known(ACCOUNT, NEW), Condition.READY, ""),
        (Known(ACCOUNT, NEW, busy=3), Condition.BUSY, ""),
        (Known(ACCOUNT, NEW, busy=4), Condition.AT_CAPACITY, "gitfleet accounts connect codex"),
        (Known(ACCOUNT, AccountState(allowed=1), busy=1), Condition.AT_CAPACITY, "gitfleet accounts connect codex"),
        (Known(ACCOUNT, AccountState(until=instant(NOW + 1))), Condition.COOLING, "gitfleet accounts connect codex"),
        (Known(ACCOUNT, AccountState(until=instant(NOW))), Condition.READY, ""),
        (
            Known(ACCOUNT, AccountState(until=instant(NOW + 1), fell_through=True)),
            Condition.FELL_THROUGH,
            "",
        ),
        (
            Known(ACCOUNT, AccountState(refused=True)),
            Condition.REFUSED,
            "gitfleet accounts connect codex --ref codex-2",
        ),
        (
            Known(ACCOUNT, NEW, missing="gone"),
            Condition.NOT_CONNECTED,
            "gitfleet accounts connect codex --ref codex-2",
        ),
        (
            Known(msgspec.structs.replace(ACCOUNT, connected=""), NEW),
            Condition.NOT_CONNECTED,
            "gitfleet accounts connect codex --ref codex-2",
        ),
        (
            Known(ACCOUNT, NEW, missing="not set", remedy="export KEY=..."),
            Condition.NOT_CONNECTED,
            "export KEY=...",
        ),
        (
            Known(msgspec.structs.replace(ACCOUNT, key=Key(env="KEY")), AccountState(refused=True)),
            Condition.REFUSED,
            "gitfleet accounts connect codex --ref codex-2 --api-key-env KEY",
        ),
        (
            Known(msgspec.structs.replace(ACCOUNT, key=Key(path="/a b")), AccountState(refused=True)),
            Condition.REFUSED,
            "gitfleet accounts connect codex --ref codex-2 --api-key-file '/a b'",
        ),
        (Known(ACCOUNT, NEW, program=False, missing="gone"), Condition.NO_PROGRAM, "npm install -g @openai/codex"),
    ],
)
def test_every_condition_names_the_command_that_ends_it(known: Known, condition: Condition, mend: str) -> None:
    now = standing(known, NOW)
    assert (now.condition, now.mend) == (condition, mend)
    assert now.usable == (condition in {Condition.READY, Condition.BUSY})
    assert now.available == (max(0, now.allowed - now.busy) if now.usable else 0)


def test_the_least_used_ready_account_is_picked() -> None:
    def made(ref: str, **facts: object) -> Known:
        state = AccountState(used=int(str(facts.pop("used", 0))), refused=bool(facts.pop("refused", False)))
        return Known(msgspec.structs.replace(ACCOUNT, ref=ref), state, **facts)  # type: ignore[arg-type]

    stand = [
        standing(one, NOW)
        for one in (
            made("codex", busy=1),
            made("codex-2", used=3),
            made("codex-3", used=2),
            made("codex-4", refused=True),
        )
    ]
    chosen = pick(stand)
    assert chosen is not None
    assert chosen.ref == "codex-3"
    assert getattr(pick(stand, prefer="codex"), "ref", "") == "codex", "an attempt goes on with the account it had"
    assert getattr(pick(stand, prefer="codex-4"), "ref", "") == "codex-3", "but not with one that is not ready"
    assert pick(stand[3:]) is None


def test_a_limit_rests_until_it_ends_and_halves_what_may_run() -> None:
    met = after(ACCOUNT, NEW, Ending(code="usage-limit", transport=True, resets=NOW + 3600), NOW)
    assert (met.until, met.allowed, met.strikes) == (instant(NOW + 3600), 2, 0)
    earlier = after(ACCOUNT, met, Ending(code="rate-limited", transport=True, resets=NOW + 60), NOW)
    assert earlier.until == met.until, "another attempt was told of a later end"
    assert earlier.allowed == 1


def test_a_clock_that_is_set_back_makes_no_rest_longer_but_one_that_was_told() -> None:
    def stands(ended: Ending, now: float) -> Condition:
        return standing(Known(ACCOUNT, after(ACCOUNT, NEW, ended, NOW)), now).condition

    counted, fell = LIMITED, Ending(code="network", transport=True)
    told = Ending(code="rate-limited", transport=True, resets=NOW + 60)
    day = 86400
    assert [stands(one, NOW + 1) for one in (counted, fell, told)] == ["cooling", "fell-through", "cooling"]
    assert [stands(one, NOW - day) for one in (counted, fell, told)] == ["ready", "ready", "cooling"]
    assert [stands(one, NOW + day) for one in (counted, fell, told)] == ["ready"] * 3
    damaged = AccountState(until="soon", at="2026")
    assert standing(Known(ACCOUNT, damaged), NOW).condition is Condition.READY


def test_a_rest_is_told_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    met = after(ACCOUNT, NEW, Ending(code="usage-limit", transport=True, resets=NOW + 60), NOW)
    monkeypatch.setenv("TZ", "XXX-3")
    time.tzset()
    try:
        now = standing(Known(ACCOUNT, met), NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert now.clause == "cooling down until 2023-11-15 01:14:20 (usage-limit)"
    assert now.until == NOW + 60


@pytest.mark.parametrize("resets", [1_764_000_000_000, float("inf"), float("nan"), -1.0, 10**400])
def test_an_end_that_no_calendar_has_is_none(resets: float) -> None:
    told = Transcript()
    told.tell(RateLimited(hard=True, resets=resets))
    failure = Failure(source=FailureSource.TRANSPORT, code="rate-limited", message="slow down")
    met = after(ACCOUNT, NEW, ending(told, failure), NOW)
    assert met.until == instant(NOW + 30)
    assert words(RateLimited(hard=True, resets=resets)) == "! a limit is used up"


def test_a_limit_without_an_end_rests_longer_each_time() -> None:
    state, rests = NEW, []
    for _ in range(4):
        state = after(ACCOUNT, state, LIMITED, NOW)
        rests.append(seconds_of(state.until) - NOW)
    assert rests == [30, 60, 120, 240]
    assert after(ACCOUNT, state, WELL, NOW).strikes == 0
    stale = after(ACCOUNT, NEW, Ending(code="rate-limited", transport=True, resets=NOW - 5), NOW)
    assert seconds_of(stale.until) == NOW + 30, "an end that has passed is none"


def test_capacity_comes_back_one_by_one() -> None:
    state = after(ACCOUNT, NEW, LIMITED, NOW)
    seen = [allowed_by(ACCOUNT, state)]
    for _ in range(8):
        state = after(ACCOUNT, state, WELL, NOW)
        seen.append(allowed_by(ACCOUNT, state))
    assert seen == [2, 2, 3, 3, 3, 4, 4, 4, 4]
    assert after(ACCOUNT, AccountState(allowed=3), WELL, NOW).streak == 1
    warned = after(ACCOUNT, NEW, Ending(spent=True, warned=True), NOW)
    assert (allowed_by(ACCOUNT, warned), warned.until) == (3, "")


def test_what_ended_before_anything_was_spent_rests_for_a_moment() -> None:
    fell = after(ACCOUNT, NEW, Ending(code="network", transport=True, said="no route"), NOW)
    assert (fell.fell_through, seconds_of(fell.until) - NOW) == (True, FELL_THROUGH_REST)
    assert (fell.why, fell.said) == ("network", "no route")
    assert after(ACCOUNT, fell, WELL, NOW).fell_through is False
    person = Ending(code="interrupted", transport=True)
    assert after(ACCOUNT, NEW, person, NOW) == NEW, "a person's Ctrl-C says nothing of the account"
    task = Ending(code="no-changes")
    assert after(ACCOUNT, fell, task, NOW) == fell


def test_a_limit_that_ended_before_its_attempt_was_taken_in_is_over() -> None:
    """Its coordinator was killed, and somebody goes on in the morning."""
    met = Ending(code="usage-limit", transport=True, resets=NOW - 3600, over=instant(NOW - 7200))
    late = after(ACCOUNT, NEW, met, NOW)
    assert (late.allowed, late.strikes) == (2, 0)
    assert standing(Known(ACCOUNT, late), NOW).condition is Condition.READY
    for over in (instant(NOW - 60), "", "soon"):
        none = after(ACCOUNT, NEW, replace(met, over=over), NOW)
        assert seconds_of(none.until) == NOW + 900, "it had passed when the limit was met, as far as anybody knows"


def test_credentials_that_were_refused_before_others_were_connected_are_not_those() -> None:
    anew = msgspec.structs.replace(ACCOUNT, connected=instant(NOW))
    refused = Ending(code="auth", transport=True, said="401", began=instant(NOW - 60))
    assert after(anew, NEW, refused, NOW + 1) == NEW
    assert after(anew, NEW, replace(refused, began=instant(NOW + 1)), NOW + 2).refused


def test_refused_credentials_hold_until_they_are_connected_anew() -> None:
    refused = after(ACCOUNT, NEW, Ending(code="auth", transport=True, said="401"), NOW)
    assert (refused.refused, refused.said) == (True, "401")
    clause = standing(Known(ACCOUNT, AccountState(refused=True, said="Refused: 401.")), NOW).clause
    assert clause == "its credentials were refused: Refused: 401", "sentences go on after it"
    assert after(ACCOUNT, refused, WELL, NOW).refused is True


@given(st.lists(st.sampled_from([WELL, LIMITED, Ending(spent=True, warned=True), Ending(code="auth")])))
def test_what_may_run_is_never_less_than_one_or_more_than_the_capacity(ends: list[Ending]) -> None:
    state = NEW
    for one in ends:
        state = after(ACCOUNT, state, one, NOW)
        assert 1 <= allowed_by(ACCOUNT, state) <= ACCOUNT.capacity


def test_an_ending_is_read_from_the_stream_and_the_failure() -> None:
    told = Transcript()
    told.tell(RateLimited(hard=False, resets=5.0))
    assert ending(told, None) == Ending(resets=5.0, warned=True)
    told.tell(Used("1", Tokens(input=3)))
    failure = Failure(source=FailureSource.TRANSPORT, code="auth", message="401")
    assert ending(told, failure) == Ending(code="auth", transport=True, said="401", resets=5.0, warned=True, spent=True)
    assert ending(None, None) == Ending()
