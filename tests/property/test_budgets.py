"""No budget is passed by starting what could pass it, whatever agents use of what they may, in whatever order."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gitfleet.model.budget import Budget, BudgetsConfig
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.usage import Tokens, Truth, UsageSummary
from gitfleet.planner.budgets import DIMENSIONS, UNBOUNDED, Amount, UsedUp, cap, charged, left, overrun, reserved, total
from gitfleet.planner.rooms import Room, rooms, short, without

AT = "2026-01-02T03:04:05.000Z"
SMALL = st.integers(1, 60)
BUDGETS = st.builds(Budget, max_tokens=SMALL, max_tool_calls=SMALL, max_seconds=SMALL, max_turns=SMALL)
LOOSE = st.builds(
    Budget,
    max_tokens=st.none() | SMALL,
    max_tool_calls=st.none() | SMALL,
    max_seconds=st.none() | SMALL,
    max_turns=st.none() | SMALL,
)


def attempt(number: int, budget: Budget, share: float, truth: Truth) -> tuple[Attempt, Amount]:
    """One that ended after a share of what it may use, and what that is."""
    used = Amount(*(0 if name == "usd" else int(cap(budget, name) * share) for name in DIMENSIONS))
    usage = UsageSummary(
        tokens=Tokens(input=int(used.tokens), cost_usd=0.0),
        turns=int(used.turns),
        tool_calls=int(used.tool_calls),
        truth=truth,
    )
    ended = Exit(seconds=used.seconds)
    return Attempt(number=number, base="b", started=AT, budget=budget, exit=ended, usage=usage), used


@given(st.data(), BUDGETS, st.lists(BUDGETS, min_size=1, max_size=8))
def test_what_starts_never_passes_a_cap(data: st.DataObject, most: Budget, wanted: list[Budget]) -> None:
    """Start what has room, end some of what runs, and so on: what is used, and could be, stays within the cap."""
    waiting, running, settled, used = list(wanted), list[Attempt](), list[Attempt](), Amount()
    for step in range(len(wanted) * 3):
        taken = total(charged(one, live=False) for one in settled)
        held = total(charged(one, live=True) for one in running)
        room = Room("session", most, taken, held)
        fits = [budget for budget in waiting if short([room], reserved(budget, model=True)) is None]
        start: bool = data.draw(st.booleans())
        if fits and start:
            waiting.remove(fits[0])
            running.append(Attempt(number=step + 1, base="b", started=AT, budget=fits[0]))
        elif running:
            one = running.pop(data.draw(st.integers(0, len(running) - 1)))
            assert one.budget is not None
            truth = data.draw(st.sampled_from(Truth))
            over, amount = attempt(one.number, one.budget, data.draw(st.floats(0, 1)), truth)
            settled.append(over)
            used = used.plus(amount)
        could = used.plus(total(reserved(one.budget or Budget(), model=True) for one in running))
        for name in DIMENSIONS:
            assert could.of(name) <= cap(most, name)


@given(LOOSE, LOOSE)
def test_a_reserve_is_kept_and_leaves_room_for_the_smallest_thing(budget: Budget, reserve: Budget) -> None:
    rest = without(budget, reserve)
    assert set(rest.said()) == set(budget.said())
    for name, value in rest.said().items():
        kept = getattr(reserve, name) or 0
        assert value == max(getattr(budget, name) - kept, 1)


@given(LOOSE, st.lists(st.floats(0, 1), max_size=4))
def test_attempts_share_what_their_task_may_use(budget: Budget, shares: list[float]) -> None:
    used, rest = Amount(), budget
    for number, share in enumerate(shares, start=1):
        names = [f"max_{name}" for name in DIMENSIONS if name != "usd"]
        bounded = msgspec.structs.replace(rest, **{name: getattr(rest, name) or 50 for name in names})
        _, amount = attempt(number, bounded, share, Truth.EXACT)
        used = used.plus(amount)
        found = left(budget, used)
        if isinstance(found, UsedUp):
            assert found.used >= found.most
            return
        rest = found
        for name in DIMENSIONS:
            assert cap(rest, name) == UNBOUNDED or cap(rest, name) + used.of(name) == cap(budget, name)
    assert overrun(budget, used) is None


def test_what_is_not_measured_counts_as_all_that_was_reserved() -> None:
    budget = Budget(max_tokens=100, max_usd=2.0, max_turns=9)
    over = Attempt(number=1, base="b", started=AT, budget=budget, exit=Exit(seconds=3.0))
    partly = UsageSummary(tokens=Tokens(input=30), turns=2, truth=Truth.NOT_MEASURED)
    assert charged(over, live=False) == Amount(tokens=100, usd=2.0, turns=9, seconds=3.0)
    assert charged(msgspec.structs.replace(over, usage=partly), live=False).tokens == 100
    exact = UsageSummary(tokens=Tokens(input=30), turns=2)
    assert charged(msgspec.structs.replace(over, usage=exact), live=False) == Amount(30, 0, 3.0, 2.0, 2)
    assert charged(msgspec.structs.replace(over, exit=None), live=False) == Amount()
    # An attempt that passed its own budget counts in full.
    much = UsageSummary(tokens=Tokens(input=130, cost_usd=0.25), turns=2, truth=Truth.NOT_MEASURED)
    assert charged(msgspec.structs.replace(over, usage=much), live=False).tokens == 130


def test_what_runs_may_yet_make_room_and_what_is_over_may_not() -> None:
    budget = BudgetsConfig(wave=Budget(max_tokens=100), reserve=Budget(max_tokens=10))
    (empty,) = rooms(budget, {})
    assert (empty.name, empty.budget.max_tokens) == ("wave", 90)
    found = short(rooms(budget, {"wave": (Amount(40), Amount(40))}), Amount(tokens=20))
    assert found is not None
    assert (found.taken, found.most, found.final) == (80, 90, False)
    found = short(rooms(budget, {"wave": (Amount(80), Amount())}), Amount(tokens=20))
    assert found is not None
    assert found.final
    assert "80 tokens of 90 tokens are used or reserved, and it may use 20 tokens" in found.sentence
    unbounded = short([empty], Amount(tokens=UNBOUNDED))
    assert unbounded is not None
    assert "without bound" in unbounded.sentence
