from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitfleet.cli.live import drawing
from gitfleet.cli.output import console
from gitfleet.coordinator.retrying import Retrying
from gitfleet.coordinator.spending.following import Following
from gitfleet.coordinator.supervising import Supervising
from gitfleet.coordinator.tracking import Tracker
from gitfleet.model.base import instant
from gitfleet.model.evidence import Attempt
from gitfleet.model.run import Failure, FailureSource, RunState, requeue
from gitfleet.planner.retries import Final, Retry
from tests.support.stage import SessionStage, session_on, task_of

if TYPE_CHECKING:
    import pytest

    from tests.support.repo import Repo

AT = "2026-01-02T03:04:05.000Z"
LOST = Failure(source=FailureSource.TRANSPORT, code="lost", message="Its warden ended.")


class Clocks:
    """A clock that people set and one that nobody sets."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.wall, self.steady = 1_700_000_000.0, 50.0

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds


def retrying(stage: SessionStage, clocks: Clocks) -> Retrying:
    parts = replace(stage.parts, now=lambda: clocks.wall, monotonic=lambda: clocks.steady, random=lambda: 1.0)
    return Retrying(parts, stage.books)


def waiting(stage: SessionStage, name: str, clocks: Clocks, *, seconds: float = 60.0, outcome: str = "lost") -> None:
    """Bring a run to where its first attempt failed and the second waits."""
    attempt = Attempt(number=1, base=stage.repo.oid(), started=AT, outcome=outcome, message="Its warden ended.", wave=1)
    run = stage.books.advance(name, RunState.PREPARING, instance=f"i-{name}", attempts=(attempt,))
    until = instant(clocks.wall + seconds) if seconds else ""
    stage.books.replace(requeue(run, not_before=until, backoff_seconds=seconds or None))


def test_a_wait_is_as_long_as_it_was_to_be_whatever_the_clock_says(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        clocks = Clocks()
        waiting(stage, "a", clocks)
        mine = retrying(stage, clocks)
        assert mine.seconds_left(stage.books.runs["a"]) == 60.0
        clocks.wall -= 3600
        clocks.go(10)
        assert mine.seconds_left(stage.books.runs["a"]) == 50.0
        # A coordinator that starts now knows the wall clock alone, and waits at most as long as was decided.
        assert retrying(stage, clocks).seconds_left(stage.books.runs["a"]) == 60.0
        clocks.wall += 36_000
        assert mine.seconds_left(stage.books.runs["a"]) == 50.0
        clocks.go(50)
        assert mine.seconds_left(stage.books.runs["a"]) == 0.0
        assert mine.resting() == set()


def test_what_waits_rests_and_is_shown(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    with session_on(repo, task_of("a"), task_of("b")) as stage:
        clocks = Clocks()
        waiting(stage, "a", clocks, seconds=12.0)
        mine = retrying(stage, clocks)
        assert mine.resting() == {"a"}
        (row,) = mine.waiting()
        assert (row.task, row.instance, row.attempt, row.seconds) == ("a", "i-a", 2, 12.0)
        tracker = Tracker(
            stage.parts, stage.watcher, Supervising(stage.parts, stage.books), Following(stage.parts, stage.books)
        )
        tracker.show(stage.books, 1, "", mine.waiting())
        (shown,) = stage.watcher.shown
        assert shown.waiting == (row,)
        console().print(drawing(shown))
        assert "a waits 12 s before attempt 2" in capsys.readouterr().out


def test_a_task_left_out_of_its_wave_rests_while_the_wave_goes_on(repo: Repo) -> None:
    with session_on(repo, task_of("a"), task_of("b")) as stage:
        clocks = Clocks()
        waiting(stage, "a", clocks, seconds=0.0, outcome="prepare-failed")
        mine = retrying(stage, clocks)
        assert mine.left_out() == {"a"}
        assert mine.resting() == {"a"}
        stage.books.update(rolling=True)
        assert mine.resting() == set()
        stage.books.update(rolling=False)
        stage.books.advance("b", RunState.CANCELLED)
        assert mine.resting() == set()


def test_a_decision_is_noted_on_the_attempt(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        clocks = Clocks()
        attempt = Attempt(number=1, base=repo.oid(), started=AT, wave=1)
        run = stage.books.advance("a", RunState.PREPARING, instance="i-a", attempts=(attempt,))
        mine = retrying(stage, clocks)
        noted, decision = mine.judge(run, LOST)
        assert decision == Retry(5.0, reduced=False, why="Its warden ended.", going_on=True)
        assert (noted.attempts[0].outcome, noted.attempts[0].message) == ("lost", "Its warden ended.")
        assert noted.attempts[0].ended
        assert mine.facts(decision) == {
            "reduced": False,
            "going_on": True,
            "not_before": instant(clocks.wall + 5.0),
            "backoff_seconds": 5.0,
        }
        over, final = mine.judge(run, Failure(source=FailureSource.TASK, code="exit-code", message="m"))
        assert isinstance(final, Final)
        assert over.attempts[0].retry == f"not retried: {final.why}"
