"""How long a planner waits for an account, and what ends that."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from gitfleet.coordinator.accounts import Chosen, NoneReady
from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.planning import waiting
from gitfleet.model.config import Config
from gitfleet.model.plan import Task
from gitfleet.model.run import Run, RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitfleet.coordinator.planning.waiting import Doing
    from gitfleet.parts import Parts

FULL = NoneReady("one: at capacity", final=False)
RESTS = NoneReady("one: cooling down", final=False, rests=True)
GONE = NoneReady("one: not connected", final=True)
FREE = Chosen("one", "one")
RUN = Run(
    session="plan-a",
    task="plan",
    name="",
    instance="plan-a",
    wave=1,
    state=RunState.RUNNING,
    agent="one",
    base="0" * 40,
)


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


def parts(clock: list[float], stop: Path) -> Parts:
    def sleep(seconds: float) -> None:
        clock[0] += seconds

    layout = SimpleNamespace(planning_stop=lambda _: stop)
    made = SimpleNamespace(
        layout=layout, monotonic=lambda: clock[0], sleep=sleep, claim_patience=600.0, config=Config()
    )
    return cast("Parts", made)


def wait(
    monkeypatch: pytest.MonkeyPatch,
    clock: list[float],
    found: Callable[[float], Chosen | NoneReady],
    interrupts: Interrupts | None = None,
    stop: Path = Path("none"),
) -> tuple[Chosen | NoneReady, list[Doing]]:
    monkeypatch.setattr(waiting, "lend", lambda *_: found(clock[0]))
    seen: list[Doing] = []
    given = waiting.account_for(
        parts(clock, stop), Task(id="plan"), RUN, 2, seen.append, interrupts if interrupts is not None else Interrupts()
    )
    return given, seen


@pytest.mark.parametrize(
    ("found", "until", "told"),
    [
        (lambda _: FREE, 0, 0),
        (lambda _: GONE, 0, 0),
        (lambda now: FREE if now >= 3 else FULL, 3, 6),
        (lambda now: FREE if now >= 5000 else RESTS, 5000, 10000),
        (lambda now: GONE if now >= 1 else FULL, 1, 2),
    ],
)
def test_what_passes_is_waited_for_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
    clock: list[float],
    found: Callable[[float], Chosen | NoneReady],
    until: float,
    told: int,
) -> None:
    given, seen = wait(monkeypatch, clock, found)
    assert (given, clock[0], len(seen)) == (found(until), until, told)
    assert all(doing.call == 2 and doing.waiting for doing in seen)


def test_what_others_work_with_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    given, _ = wait(monkeypatch, clock, lambda _: FULL)
    assert isinstance(given, NoneReady)
    assert given.sentence == "one: at capacity; it was waited for 10 minutes"
    assert 600 < clock[0] < 602


def test_an_interrupt_ends_the_waiting(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    interrupts = Interrupts()
    asked: Iterator[int] = iter(range(3))

    def found(_: float) -> NoneReady:
        interrupts.requested = next(asked) == 2
        return RESTS

    assert wait(monkeypatch, clock, found, interrupts)[0] is RESTS
    assert clock[0] == 1.0


def test_what_stop_leaves_beside_the_planner_ends_the_waiting(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], tmp_path: Path
) -> None:
    stop, interrupts = tmp_path / "stop", Interrupts()

    def found(now: float) -> NoneReady:
        if now >= 2:
            stop.touch()
        return RESTS

    assert wait(monkeypatch, clock, found, interrupts, stop)[0] is RESTS
    assert (clock[0], interrupts.why) == (2.0, "it was stopped")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("until", "told", "why"), [(0, 0, ""), (3, 6, ""), (5000, 1201, "held; it was waited for 10")])
def test_a_call_waits_while_somebody_else_decides_about_the_day_or_has_all_of_it(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], until: int, told: int, why: str, *, full: bool
) -> None:
    def held(*, asked: bool) -> str:
        return "held" if asked and clock[0] < until else ""

    monkeypatch.setattr(waiting, "deciding", lambda _: nullcontext(held(asked=not full)))
    seen: list[Doing] = []
    place, watch = parts(clock, Path("none")), seen.append
    with waiting.its_turn(place, "plan-a", 2, watch, Interrupts(), lambda: held(asked=full)) as busy:
        assert busy.startswith(why) if why else not busy
    assert [doing.waiting for doing in seen] == ["held"] * told


def test_a_call_that_is_to_end_waits_for_nobody(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(waiting, "deciding", lambda _: nullcontext("held"))
    asked = Interrupts()
    asked.request("stop")
    with waiting.its_turn(parts(clock, Path("none")), "plan-a", 2, lambda _: None, asked, str) as busy:
        assert busy == "held"
