"""Rows of an attempt, what a lost one told, streams that go on with another, and the live table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitfleet.agents import registry
from gitfleet.agents.transcript import read_whole
from gitfleet.cli.live import drawing
from gitfleet.cli.output import console
from gitfleet.coordinator.attempt.streams import reader_of
from gitfleet.coordinator.spending.budgets import Budgets
from gitfleet.coordinator.spending.following import Following
from gitfleet.coordinator.spending.rows import UNTOLD, catch_up, rows_of
from gitfleet.coordinator.supervising import Supervising
from gitfleet.coordinator.tracking import Tracker
from gitfleet.model.agent_config import AgentKind
from gitfleet.model.base import decode
from gitfleet.model.budget import Budget, BudgetsConfig
from gitfleet.model.config import Config
from gitfleet.model.evidence import Attempt, Exit
from gitfleet.model.plan import Task
from gitfleet.model.run import Run, RunState
from gitfleet.model.usage import LiveFigures, Tokens, Truth, UsageSummary
from gitfleet.planner.budgets import budget_of
from gitfleet.planner.rooms import Short
from gitfleet.runtime import attempt as files
from gitfleet.store.usage import UsageStore
from tests.support.stage import session_on
from tests.support.told import ToldAgent, ToldReader

if TYPE_CHECKING:
    from gitfleet.agents.transcript import Transcript
    from tests.support.repo import Repo
    from tests.support.stage import SessionStage

AT = "2026-01-02T03:04:05.000Z"
RUN = Run(session="auth-k3f9qm", task="a", name="A", instance="i-a", wave=1, state=RunState.RUNNING, agent="opencode")
ATTEMPT = Attempt(number=1, base="b" * 40, started=AT, account="opencode-2")
BEGAN = b'{"began": "cli-1"}\n'
TURN = b'{"call": "sh"}\n{"turn": "1", "tokens": {"input": 40, "output": 2}}\n'
END = b'{"end": ""}\n'
TASK = Task(id="a", instructions="Do it.", agent="opencode", scope=("a.txt",))


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the agent `opencode` be the one that tells."""
    monkeypatch.setitem(registry.MODULES, AgentKind.OPENCODE, "tests.support.told")


def stream(*pieces: bytes) -> Transcript:
    data = b"".join(pieces)
    return read_whole(ToldReader(), lambda offset, size: (offset, data[offset : offset + size]))


def test_the_same_stream_gives_the_same_rows() -> None:
    first, again = (rows_of(RUN, ATTEMPT, stream(BEGAN, TURN, END), Exit(code=0)) for _ in range(2))
    assert first == again
    (row,) = first.rows
    assert (row.key, row.account, row.at, row.tool_calls) == ("i-a/1/cli-1/1", "opencode-2", AT, 1)
    assert first.truth is Truth.EXACT


@pytest.mark.parametrize(
    ("pieces", "truth", "turns"),
    [
        ((BEGAN, TURN), Truth.NOT_MEASURED, ["1"]),
        ((BEGAN, TURN, b'{"call": "sh"}\n'), Truth.NOT_MEASURED, ["1", UNTOLD]),
        ((), Truth.NOT_MEASURED, []),
        ((BEGAN, END), Truth.EXACT, []),
        ((BEGAN, TURN, b'{"turn": "2", "tokens": {}, "exact": false}\n', END), Truth.NOT_MEASURED, ["1", "2"]),
    ],
)
def test_what_was_cut_off_is_not_measured(pieces: tuple[bytes, ...], truth: Truth, turns: list[str]) -> None:
    found = rows_of(RUN, ATTEMPT, stream(*pieces), Exit(signal=9))
    assert (found.truth, [row.turn for row in found.rows]) == (truth, turns)


def test_a_log_with_a_hole_is_not_measured_and_what_never_started_used_nothing() -> None:
    cut = stream(BEGAN, TURN, END)
    cut.whole = False
    assert rows_of(RUN, ATTEMPT, cut, Exit(code=0)).truth is Truth.NOT_MEASURED
    for ended in (Exit(reason="spawn-failed"), Exit(reason="lost", seconds=0)):
        never = rows_of(RUN, ATTEMPT, stream(), ended)
        assert (never.rows, never.truth) == ((), Truth.EXACT)


def told_before(monkeypatch: pytest.MonkeyPatch, *attempts: Attempt) -> tuple[bool, Tokens | None]:
    """What the reader of the last of these attempts is told."""
    asked: list[tuple[bool, Tokens | None]] = []

    def reader(_agent: ToldAgent, *, resumed: bool = False, before: Tokens | None = None) -> ToldReader:
        asked.append((resumed, before))
        return ToldReader()

    with monkeypatch.context() as patched:
        patched.setattr(ToldAgent, "reader", reader)
        reader_of(ToldAgent("opencode"), attempts)
    (known,) = asked
    return known


def test_what_a_session_used_before_is_said_to_the_reader_of_an_attempt_that_continues_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Attempt(number=1, base="b", started=AT, cli_session="s", usage=UsageSummary(tokens=Tokens(input=5)))
    other = Attempt(number=2, base="b", started=AT, cli_session="t", usage=UsageSummary(tokens=Tokens(input=70)))
    third = Attempt(number=3, base="b", started=AT, continues="s")
    assert told_before(monkeypatch, first, other, third) == (True, Tokens(input=5))
    assert told_before(monkeypatch, first, other) == (False, None)


def lost(stage: SessionStage, *, ran: bool = True) -> None:
    """An attempt whose end no coordinator took in, and whose run is queued again."""
    directory = stage.parts.layout.attempt("i-a", 1)
    directory.mkdir(parents=True)
    files.write_json(str(directory), files.SPEC, {})
    if ran:
        (directory / files.LOG).write_bytes(BEGAN + TURN)
    attempts = (Attempt(number=1, base=stage.repo.oid(), started=AT),)
    stage.books.advance("a", RunState.PREPARING, instance="i-a", attempts=attempts)
    stage.books.advance("a", RunState.QUEUED)


def test_what_a_lost_attempt_told_is_taken_in_by_the_next_coordinator(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_on(repo, TASK) as stage:
        lost(stage)
        catch_up(stage.parts, stage.books, ())
        used = stage.books.runs["a"].attempts[0].usage
        assert used is not None
        assert (used.tokens.total, used.turns, used.tool_calls, used.truth) == (42, 1, 1, Truth.NOT_MEASURED)
        rows = UsageStore(stage.parts.layout).read(stage.session.id, "i-a", 1)
        assert rows is not None
        assert [row.cli_session for row in rows.rows] == ["cli-1"]
        # Or else whoever goes on with its session, and counts from the session's beginning, would count it once more.
        going_on = Attempt(number=2, base=stage.repo.oid(), started=AT, continues="cli-1")
        assert told_before(monkeypatch, *stage.books.runs["a"].attempts, going_on) == (True, used.tokens)
        before = stage.books.runs["a"]
        catch_up(stage.parts, stage.books, ())
        assert stage.books.runs["a"] is before


def test_rows_are_on_disk_before_the_books_and_the_same_when_written_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coordinator that dies between the two leaves rows; the next one writes the very same, and goes on."""
    with session_on(repo, TASK) as stage:
        lost(stage)
        path = stage.parts.layout.usage_of(stage.session.id, "i-a", 1)

        def dies(_task: str, **_facts: object) -> Run:
            raise KeyboardInterrupt

        with monkeypatch.context() as killed:
            killed.setattr(stage.books, "record", dies)
            with pytest.raises(KeyboardInterrupt):
                catch_up(stage.parts, stage.books, ())
        left = path.read_bytes()
        assert stage.books.runs["a"].attempts[0].usage is None
        catch_up(stage.parts, stage.books, ())
        assert path.read_bytes() == left
        assert stage.books.runs["a"].attempts[0].usage is not None


@pytest.mark.parametrize("ran", [True, False])
def test_what_is_still_to_be_collected_or_never_ran_is_left_alone(repo: Repo, *, ran: bool) -> None:
    with session_on(repo, TASK) as stage:
        lost(stage, ran=ran)
        catch_up(stage.parts, stage.books, ("a",) if ran else ())
        assert stage.books.runs["a"].attempts[0].usage is None


def test_what_was_used_in_a_wave_is_no_room_in_it_and_in_no_other(repo: Repo) -> None:
    """The schedule made room for what tasks may use once; attempts that are made again find less."""
    config = Config(budgets=BudgetsConfig(wave=Budget(max_tokens=100), task=Budget(max_tokens=50)))
    used = UsageSummary(tokens=Tokens(input=60), turns=1)
    over = Attempt(number=1, base=repo.oid(), started=AT, wave=1, outcome="success", usage=used)
    with session_on(repo, TASK, Task(id="b", command="x", scope=("b.txt",)), config=config) as stage:
        held = Budgets(stage.parts, stage.books)
        stage.books.record("b", attempts=(over,))
        found = held.allowance("a")
        assert isinstance(found, Short)
        assert "the budget of the wave has no room: 60 tokens of 100 tokens" in found.sentence
        stage.books.record("a", wave=2)
        assert held.allowance("a") == budget_of(TASK, config)


def test_running_streams_are_read_on_and_shown(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    with session_on(repo, TASK) as stage:
        now = [100.0]
        parts = replace(stage.parts, monotonic=lambda: now[0])
        directory = parts.layout.attempt("i-a", 1)
        directory.mkdir(parents=True)
        log = directory / files.LOG
        log.write_bytes(BEGAN + TURN[:-8])
        attempts = (Attempt(number=1, base=repo.oid(), started=AT),)
        stage.books.advance("a", RunState.PREPARING, instance="i-a", attempts=attempts, base=repo.oid())
        run = stage.books.advance("a", RunState.RUNNING)
        following = Following(parts, stage.books)
        following.look()
        following.look()
        assert following.reads == 1
        assert following.transcripts["a"].turns == 0
        log.write_bytes(BEGAN + TURN)
        now[0] += 1.0
        following.look()
        left = decode(parts.layout.figures(stage.session.id).read_bytes(), LiveFigures).attempts
        assert (left["i-a/1"].turns, left["i-a/1"].tokens, left["i-a/1"].tool_calls) == (1, 42, 1)
        tracker = Tracker(parts, stage.watcher, Supervising(parts, stage.books), following)
        tracker.started(run, repo.path)
        tracker.show(stage.books, 1, "")
        (agent,) = stage.watcher.shown[0].agents
        assert (agent.turns, agent.tokens, agent.tool_calls) == (1, 42, 1)
        console().print(drawing(stage.watcher.shown[0]))
        assert "tokens" in capsys.readouterr().out
        following.close()
        assert not parts.layout.figures(stage.session.id).exists()
