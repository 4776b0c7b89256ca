"""What counts in the budget of a day: books, rows of what is gone, planners, and sessions that nobody goes on with."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gitfleet.coordinator.claiming import HeldElsewhere
from gitfleet.coordinator.loop import Coordinator
from gitfleet.coordinator.observer import Interrupts
from gitfleet.coordinator.planning.calling import Planner, begun, planning_task
from gitfleet.coordinator.spending.budgets import Budgets
from gitfleet.coordinator.spending.day import day
from gitfleet.coordinator.spending.known import Known
from gitfleet.coordinator.spending.waiting import nothing_left, waits_for_wave
from gitfleet.model.base import encode, instant
from gitfleet.model.budget import Budget, BudgetsConfig
from gitfleet.model.config import Config
from gitfleet.model.event import EventKind
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.plan import Task
from gitfleet.model.run import Run, RunState
from gitfleet.model.session import Session, SessionState
from gitfleet.model.usage import Tokens, Truth, UsageRow, UsageRows, UsageSummary
from gitfleet.planner.rooms import Short, Uncounted
from gitfleet.store.files import write_durable
from gitfleet.store.locks import hold, session_lock
from gitfleet.store.usage import UsageStore
from tests.support.stage import session_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.repo import Repo
    from tests.support.stage import SessionStage

TASK = Task(id="a", instructions="Do it.", agent="claude", scope=("a.txt",), budget=Budget(max_tokens=60))
CONFIG = Config(budgets=BudgetsConfig(day=Budget(max_tokens=100), reserve=Budget(max_tokens=10)))


@pytest.fixture
def stage(repo: Repo) -> Iterator[SessionStage]:
    with session_on(repo, TASK, config=CONFIG) as made:
        yield made


def other(stage: SessionStage, **facts: object) -> None:
    """Another session, whose one attempt began just now."""
    name, now = "other-k3f9qm", instant(stage.parts.now())
    known: dict[str, Any] = {"number": 1, "base": "0" * 40, "started": now, "budget": Budget(max_tokens=60)}
    run = Run(
        session=name, task="b", name="b", instance=f"fleet-{name}-w1-a1", wave=1, state=RunState.RUNNING,
        attempts=(Attempt(**{**known, **facts}),),
    )  # fmt: skip
    session = Session(
        id=name, name="o", state=SessionState.ACTIVE, target="refs/heads/main", base="0" * 40, started=now
    )
    stage.parts.state.create_session(session, plan=b"x", config=b"x", runs=(run,), report="# x\n")


def rows(stage: SessionStage, name: str, tokens: int, *, at: float | None = None) -> None:
    when = instant(stage.parts.now() if at is None else at)
    row = UsageRow(
        session=name, task="t", instance=name, attempt=1, turn="1", agent="claude", at=when, tokens=Tokens(input=tokens)
    )
    UsageStore(stage.parts.layout).write(name, name, 1, UsageRows(rows=(row,), truth=Truth.EXACT))


def allowance(stage: SessionStage) -> object:
    return Budgets(stage.parts, stage.books).allowance("a")


def test_what_another_session_has_reserved_is_waited_for_while_somebody_coordinates_it(stage: SessionStage) -> None:
    other(stage)
    with session_lock(stage.parts.layout, "other-k3f9qm", command="a test"):
        short = allowance(stage)
        assert isinstance(short, Short)
        assert (short.room, short.taken, short.most, short.final, short.left) == ("day", 60, 90, False, ())
    short = allowance(stage)
    assert isinstance(short, Short)
    assert (short.final, short.left) == (True, ("other-k3f9qm",))
    halt = nothing_left({"a": HeldElsewhere(short.sentence, 0, short)})
    assert halt is not None
    assert "reserved by other-k3f9qm, which nobody goes on with" in halt.reason
    assert "--budget day.max_tokens=N" in halt.reason


def test_what_planners_used_is_taken_from_what_is_kept_for_them_first(stage: SessionStage) -> None:
    rows(stage, "plan-abc", 10)
    assert not isinstance(allowance(stage), Short)
    rows(stage, "plan-abc", 40)
    assert not isinstance(allowance(stage), Short)
    rows(stage, "plan-abc", 41)
    assert isinstance(allowance(stage), Short)
    assert day(stage.parts).all.tokens == 41


def calling(stage: SessionStage, **facts: object) -> None:
    """A planner whose call began just now."""
    known: dict[str, Any] = {"number": 1, "base": "0" * 40, "started": instant(stage.parts.now())}
    run = Run(
        session="plan-x", task="plan", name="p", instance="plan-x", wave=1, state=RunState.RUNNING,
        attempts=(Attempt(**{**known, "budget": Budget(max_tokens=55), **facts}),),
    )  # fmt: skip
    path = stage.parts.layout.planning("plan-x")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durable(path, encode(run))


def test_what_a_planner_at_work_has_reserved_is_waited_for_while_somebody_holds_it(stage: SessionStage) -> None:
    rows(stage, "plan-abc", 4)
    calling(stage)
    assert day(stage.parts).all.tokens == 59
    with session_lock(stage.parts.layout, "plan-x", command="a test"):
        short = allowance(stage)
        assert isinstance(short, Short)
        assert (short.room, short.taken, short.final, short.left) == ("day", 49, False, ())
    short = allowance(stage)
    assert isinstance(short, Short)
    assert (short.taken, short.final, short.left) == (49, True, ("plan-x",))
    calling(stage, exit=Exit())
    assert day(stage.parts).all.tokens == 4


def test_a_planner_waits_for_what_others_have_reserved_and_not_for_what_they_used(stage: SessionStage) -> None:
    config = stage.parts.config
    task = planning_task("claude", config)
    planner = Planner(stage.parts, task, begun("plan-y", task, "0" * 40, "claude"), lambda _: None, Interrupts())
    rows(stage, "plan-abc", 44)
    with session_lock(stage.parts.layout, "plan-x", command="a test"):
        calling(stage)
        assert not planner._full()
        rows(stage, "plan-abc", 45)
        assert planner._full().endswith("no room: 100 tokens of 100 tokens are used or reserved")
        rows(stage, "plan-abc", 100)
        assert not planner._full()
    rows(stage, "plan-abc", 45)
    assert not planner._full()


def test_a_call_of_a_planner_counts_on_the_day_on_which_it_began(stage: SessionStage) -> None:
    calling(stage, started=instant(stage.parts.now() - 86400))
    assert day(stage.parts).all.tokens == 0
    assert isinstance(allowance(stage), Budget)


def test_rows_stand_in_for_books_that_are_gone_or_damaged_and_yesterday_is_over(stage: SessionStage) -> None:
    used = UsageSummary(tokens=Tokens(input=30))
    other(stage, outcome="success", exit=Exit(seconds=1.0), usage=used)
    rows(stage, "other-k3f9qm", 30)
    rows(stage, "gone-k3f9qm", 4)
    rows(stage, "older-k3f9qm", 500, at=stage.parts.now() - 86400)
    assert day(stage.parts).all.tokens == 34
    stage.parts.layout.run("other-k3f9qm", "b").write_text("{")
    assert day(stage.parts).all.tokens == 34


def test_damaged_rows_of_today_let_nothing_start_and_those_of_yesterday_do_not_matter(stage: SessionStage) -> None:
    rows(stage, "gone-k3f9qm", 4)
    path = stage.parts.layout.usage_of("gone-k3f9qm", "gone-k3f9qm", 1)
    path.write_text("{")
    found = allowance(stage)
    assert isinstance(found, Uncounted)
    assert str(path) in found.sentence
    halt = nothing_left({"a": HeldElsewhere(found.sentence, 0, found)})
    assert halt is not None
    assert "account" not in halt.reason
    tomorrow = replace(stage.parts, now=lambda: stage.parts.now() + 2 * 86400)
    assert isinstance(Budgets(tomorrow, stage.books).allowance("a"), Budget)


def test_only_what_changed_is_read_again_and_a_directory_of_yesterday_is_not_even_looked_at(
    stage: SessionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for room adds up twice a second, of thousands of files."""
    layout, looked, known = stage.parts.layout, list[str](), Known()
    scandir = os.scandir

    def looks(path: Path) -> os._ScandirIterator[str]:
        looked.append(str(path))
        return scandir(str(path))

    monkeypatch.setattr("gitfleet.store.stamps.os.scandir", looks)

    def reads() -> int:
        before = known.reads
        found = day(stage.parts, known=known)
        looked.clear()
        assert found == day(stage.parts)  # as one says who reads all of it
        return known.reads - before

    other(stage)
    for number in range(3):
        rows(stage, f"plan-{number}", 10)
    path = layout.planning("plan-0")
    path.parent.mkdir(parents=True)
    path.write_bytes(
        encode(Run(session="plan-0", task="p", name="p", instance="plan-0", wave=1, state=RunState.RUNNING))
    )
    assert reads() == 6  # that of the stage itself, too
    assert reads() == 0
    run = stage.parts.state.read_run("other-k3f9qm", "b")
    write_durable(layout.run("other-k3f9qm", "b"), encode(msgspec.structs.replace(run, state=RunState.FINISHED)))
    rows(stage, "plan-1", 11)
    assert reads() == 2
    rows(stage, "plan-1", 12)
    assert reads() == 1
    homes = (layout.runs("other-k3f9qm"), layout.usage / "plan-2")
    for home in homes:
        os.utime(home, (0, 0))
    looked.clear()
    day(stage.parts, known=known)
    assert not {str(home) for home in homes}.intersection(looked)
    assert str(layout.usage / "plan-1") in looked
    tomorrow = replace(stage.parts, now=lambda: stage.parts.now() + 2 * 86400)
    assert day(tomorrow, known=known).settled.tokens == 0


def test_who_decides_about_the_day_and_does_not_go_on_is_waited_for_and_named(
    stage: SessionStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who is suspended holds the lock for as long as he likes; the session of nobody else ends by that."""
    monkeypatch.setattr("gitfleet.coordinator.dispatching.PATIENCE_SECONDS", 0.0)
    clock = [100.0]
    parts = replace(stage.parts, monotonic=lambda: clock[0])
    at_work = Coordinator(parts, stage.books, stage.schedule, stage.scopes, stage.watcher, Interrupts())
    dispatching = at_work._dispatching
    rows(stage, "gone-k3f9qm", 95)

    def told() -> list[str]:
        clock[0] += 1
        assert dispatching.start_ready(stage.schedule, 1) is None
        assert stage.books.runs["a"].state is RunState.QUEUED
        return [event.message for event in stage.watcher.events if event.kind is EventKind.WAITING]

    with hold(parts.layout.lock("budget-day"), timeout=0.0, what="it", command="a suspended test"):
        (held,) = told()
        assert held.startswith("a waits: the budget of the day is held by ")
        assert "a suspended test" in held
        assert told() == [held]
        assert dispatching.wait_for_claims() is None
        clock[0] += parts.claim_patience + 1
        given_up = dispatching.wait_for_claims()
        assert given_up is not None
        assert "the budget of the day is held by" in given_up.reason
    assert ["has no room" in message for message in told()] == [False, True]


def test_a_task_that_no_wave_has_room_for_waits_for_a_person_and_not_for_a_later_wave() -> None:
    later = Short("wave", "tokens", needed=40, taken=70, most=100, final=True)
    never = Short("wave", "tokens", needed=40, taken=0, most=30, final=True)
    assert waits_for_wave({"b": HeldElsewhere("", 0, later)})
    assert not waits_for_wave({"b": HeldElsewhere("", 0, never)})
    halt = nothing_left({"b": HeldElsewhere("", 0, never)})
    assert halt is not None
    assert "--budget wave.max_tokens=N` gives more" in halt.reason


def test_who_waits_in_vain_is_told_of_that_with_the_figures_of_then(stage: SessionStage) -> None:
    """Status shows what was told last, beside the reason for which the session stopped."""
    at_work = Coordinator(stage.parts, stage.books, stage.schedule, stage.scopes, stage.watcher, Interrupts())
    for taken, final in ((6, False), (7, False), (9, True), (9, True)):
        why = Short("session", "tokens", needed=5, taken=taken, most=10, final=final)
        at_work._dispatching._hold("a", HeldElsewhere(why.sentence, 0.0, why), "budget")
    told = [event.message for event in stage.watcher.events if event.kind is EventKind.WAITING]
    assert ["6 tokens of" in told[0], "9 tokens of" in told[-1], len(told)] == [True, True, 2]
