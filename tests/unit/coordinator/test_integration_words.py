from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from gitfleet.coordinator.attempt.context import Context
from gitfleet.coordinator.checks import CheckRunner
from gitfleet.coordinator.spending.following import Following
from gitfleet.coordinator.supervising import Supervising
from gitfleet.coordinator.tracking import Tracker
from gitfleet.coordinator.trains.deciding import Decided, told
from gitfleet.coordinator.trains.integration import Integration
from gitfleet.coordinator.trains.remembering import Remembering
from gitfleet.integrate.gate.bounds import Bounds
from gitfleet.integrate.train import Candidate, Clash, Entry
from gitfleet.model.base import encode
from gitfleet.model.evidence import Attempt, Verdict
from gitfleet.model.momentum import SessionMomentum
from gitfleet.model.run import ClaimHeld, MergeRecord, Run, RunState
from gitfleet.model.session import Landing
from gitfleet.planner.scopes import Scope
from tests.support.stage import MAIN, SESSION, SessionStage, session_on, task_of
from tests.unit.store.samples import make_run

if TYPE_CHECKING:
    from tests.support.repo import Repo

AT = "2026-01-02T03:04:05.000Z"


def integration(stage: SessionStage, *earlier: tuple[str, ...]) -> Integration:
    """An integration after landings of these tasks."""
    landings = tuple(
        Landing(number=number, candidate="1" * 40, previous="2" * 40, verdict=Verdict.VERIFIED, tasks=tasks, at=AT)
        for number, tasks in enumerate(earlier, start=1)
    )
    git, checks = stage.parts.repository.git, CheckRunner(stage.parts, SESSION)
    return Integration(
        parts=stage.parts,
        session=msgspec.structs.replace(stage.session, landings=landings),
        plan=stage.books.plan,
        runs=stage.books.runs,
        scopes=stage.scopes,
        runner=checks.one,
        git=git,
        say=lambda _: None,
        leaving=lambda: False,
        memory=Remembering(stage.parts, stage.session, checks, git),
    )


def landed(task: str, wave: int, number: int) -> Run:
    merge = MergeRecord(commit="3" * 40, landing=number, target=MAIN)
    return make_run(task, RunState.LANDED, wave=wave, merge=merge)


def entry(task: str) -> Entry:
    return Entry(task, task, f"i-{task}", "4" * 40, Bounds.of(Scope.parse(["."])))


def candidate(*tasks: str) -> Candidate:
    merged = tuple((entry(task), "5" * 40) for task in tasks)
    return Candidate("2" * 40, "5" * 40, merged, ())


def test_a_landing_tells_of_its_wave_and_of_what_ended_since_the_one_before(repo: Repo) -> None:
    before, after = "2026-01-02T03:04:04.000Z", "2026-01-02T03:04:06.000Z"

    def ended(task: str, state: RunState, wave: int, at: str, *depends_on: str) -> Run:
        claim = ClaimHeld(scope=(task,), acquired=before, released=at) if at else None
        return make_run(task, state, wave=wave, claim=claim, depends_on=depends_on)

    runs = {
        "first": landed("first", 1, 1),
        "lost": ended("lost", RunState.LOST, 1, before),
        "behind-lost": ended("behind-lost", RunState.SKIPPED, 2, "", "first", "lost"),
        "late": ended("late", RunState.REJECTED, 1, after),
        "all-failed": ended("all-failed", RunState.FAILED, 2, after),
        "behind-failed": ended("behind-failed", RunState.SKIPPED, 4, "", "all-failed"),
        "now": landed("now", 3, 2),
        "held": make_run("held", RunState.CONFLICTED, wave=1),
        "clashed": make_run("clashed", RunState.CONFLICTED, wave=3),
        "going": make_run("going", RunState.RUNNING, wave=3),
        "later": make_run("later", RunState.CANCELLED, wave=4),
    }
    with session_on(repo, task_of("first")) as stage:
        session = integration(stage, ("first",)).session
        clash = Clash(entry("clashed"), (), "it conflicts")
        about = told(session, replace(candidate("now"), clashes=(clash,)), runs)
        assert list(about) == [
            "late",
            "all-failed",
            "behind-failed",
            "now",
            "clashed",
        ]
        landings = integration(stage, ("first",), ("now",)).session.landings
        closed = msgspec.structs.replace(session, landings=landings)
        subject, _, trailers = Decided(closed, runs, "", tuple(about.values())).message.partition("\n\n")
        assert subject == f"gitfleet: {SESSION} wave 2 (1 landed, 1 rejected, 1 conflicted, 1 failed, 1 skipped)"
        assert trailers == f"Gitfleet-Session: {SESSION}\nGitfleet-Wave: 2\n"
        then = {task: runs[task] for task in ("first", "lost", "behind-lost", "going", "later")}
        assert list(told(stage.session, candidate("first"), then)) == ["first", "lost", "behind-lost"]


def test_nothing_is_written_down_before_it_was_decided(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage, pytest.raises(AssertionError, match="once it was decided"):
        integration(stage)._before_landing("6" * 40)


# -- what agents are told ------------------------------------------------------------------------------------------


def test_a_prompt_holds_the_momentum_of_other_sessions_and_skips_what_cannot_be_read(repo: Repo) -> None:
    past = SessionMomentum(session="past-abcdef", ended=AT, decisions=("Dates are UTC everywhere.",))
    own = SessionMomentum(session=SESSION, ended=AT, decisions=("This one is said already.",))
    repo.commit(
        {
            ".planning/momentum/past-abcdef.json": encode(past).decode(),
            ".planning/momentum/own.json": encode(own).decode(),
            ".planning/momentum/broken.json": "{",
        },
        "records",
    )
    task = task_of("a")
    with session_on(repo, task) as stage:
        context = Context(stage.parts)
        run = msgspec.structs.replace(stage.books.runs["a"], base=repo.oid(), instance="i-a")
        text = context.prompt(stage.books, task, run).decode()
        assert "Dates are UTC everywhere." in text
        assert "This one is said already." not in text
        # Another base is read anew.
        repo.commit({".planning/momentum/past-abcdef.json": None}, "gone")
        later = msgspec.structs.replace(run, base=repo.oid())
        assert "Dates are UTC" not in context.prompt(stage.books, task, later).decode()
        assert "Dates are UTC" in context.prompt(stage.books, task, run).decode()


# -- progress ------------------------------------------------------------------------------------------------------


def test_progress_counts_files_and_lines_and_is_shown_at_most_four_times_a_second(repo: Repo) -> None:
    with session_on(repo, task_of("a"), task_of("b")) as stage:
        now = [100.0]
        parts = replace(stage.parts, monotonic=lambda: now[0])
        tracker = Tracker(parts, stage.watcher, Supervising(parts, stage.books), Following(parts, stage.books))
        base = repo.oid()
        stage.books.advance(
            "a", RunState.PREPARING, instance="i-a", base=base, attempts=(Attempt(number=1, base=base, started=AT),)
        )
        run = stage.books.advance("a", RunState.RUNNING)
        repo.write("new.txt", "1\n2\n")
        tracker.started(run, repo.path)
        tracker.show(stage.books, 1, "verify: test")
        tracker.show(stage.books, 1, "too soon")
        now[0] += 1.0
        repo.write("more.txt", "3\n")
        tracker.show(stage.books, 1, "")
        first, second = stage.watcher.shown
        assert (first.activity, first.done, first.total, first.waves) == ("verify: test", 0, 2, 1)
        (agent,) = first.agents
        assert (agent.task, agent.state, agent.files, agent.added, agent.removed) == ("a", "running", 1, 2, 0)
        assert (agent.elapsed_seconds, agent.last_activity_seconds) == (0.0, None)
        # A diff is dearer than a look: it is taken every two seconds.
        assert (second.agents[0].elapsed_seconds, second.agents[0].files) == (1.0, 1)
        now[0] += 1.0
        tracker.show(stage.books, 1, "")
        assert stage.watcher.shown[-1].agents[0].files == 2
        tracker.ended(run)
        stage.watcher.wants_progress = False
        now[0] += 1.0
        tracker.show(stage.books, 1, "")
        assert len(stage.watcher.shown) == 3


def test_a_worktree_that_is_gone_is_not_measured_rather_than_zero(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        base = repo.oid()
        stage.books.advance(
            "a", RunState.PREPARING, instance="i-a", base=base, attempts=(Attempt(number=1, base=base, started=AT),)
        )
        tracker = Tracker(
            stage.parts, stage.watcher, Supervising(stage.parts, stage.books), Following(stage.parts, stage.books)
        )
        tracker.started(stage.books.runs["a"], repo.path / "gone")
        tracker.show(stage.books, 1, "")
        (agent,) = stage.watcher.shown[0].agents
        assert (agent.files, agent.added, agent.removed) == (None, None, None)
