"""A coordinator that may die between any two writes: whatever it was at, recovery brings books and claims together."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from gitfleet.coordinator.claiming import Claiming, Taken
from gitfleet.model.evidence import Attempt
from gitfleet.model.run import LIVE, TRANSITIONS, ClaimHeld, Run, RunState, requeue
from gitfleet.planner.scopes import Scope
from gitfleet.recovery.reconcile import reconcile
from tests.support.git_env import hermetic
from tests.support.repo import Repo
from tests.support.stage import SESSION, SessionStage, session_on, task_of

AT = "2026-01-02T03:04:05.000Z"
TASKS = ("a", "b", "c")
ENDS = (RunState.FAILED, RunState.REJECTED, RunState.LOST, RunState.TIMED_OUT)
GIVEN_UP = {RunState.PREPARING, RunState.RUNNING, RunState.FINISHED}
"""States that a recovery without any attempt directory queues again."""


class Dying(RuleBasedStateMachine):
    """One session; ``dirty`` while a step was cut off in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.around = ExitStack()
        self.dirty = False

    @initialize()
    def begin(self) -> None:
        """A session of three tasks in a repository of its own."""
        home = Path(self.around.enter_context(tempfile.TemporaryDirectory()))
        patch = self.around.enter_context(pytest.MonkeyPatch.context())
        for name, value in hermetic(home / "home").items():
            patch.setenv(name, value)
        repo = Repo.with_files(home / "project")
        self.stage: SessionStage = self.around.enter_context(session_on(repo, *map(task_of, TASKS)))
        self.claiming = Claiming(self.stage.parts, self.stage.session)

    def teardown(self) -> None:
        """Nothing stays behind."""
        self.around.close()

    def run_of(self, task: str) -> Run:
        """A run as the books have it."""
        return self.stage.books.runs[task]

    @precondition(lambda self: not self.dirty)
    @rule(task=st.sampled_from(TASKS), dies=st.sampled_from(["no", "claimed"]))
    def dispatch(self, task: str, dies: str) -> None:
        """Start a queued run: its claim first, then the books."""
        run = self.run_of(task)
        if run.state is not RunState.QUEUED:
            return
        instance = run.instance or f"fleet-{SESSION}-w1-{task}"
        taken = self.claiming.take(instance, task, Scope.parse([f"{task}.txt"]))
        assert isinstance(taken, Taken)
        if dies == "claimed":
            self.dirty = True
            return
        base = self.stage.repo.oid()
        self.stage.books.advance(
            task,
            RunState.PREPARING,
            instance=instance,
            base=base,
            claim=ClaimHeld(scope=taken.claim.scope, acquired=AT),
            attempts=(*run.attempts, Attempt(number=len(run.attempts) + 1, base=base, started=AT)),
        )

    @precondition(lambda self: not self.dirty)
    @rule(task=st.sampled_from(TASKS), state=st.sampled_from([*sorted(LIVE), *ENDS]), dies=st.booleans())
    def move(self, task: str, state: RunState, *, dies: bool) -> None:
        """Go on with a live run; at its end the books come first, then the claim."""
        run = self.run_of(task)
        if run.state not in LIVE or state not in TRANSITIONS[run.state]:
            return
        run = self.stage.books.advance(task, state)
        if run.sealed:
            if dies:
                self.dirty = True
            else:
                self.claiming.release([run.instance])

    @precondition(lambda self: not self.dirty)
    @rule(task=st.sampled_from(TASKS), dies=st.booleans())
    def put_back(self, task: str, *, dies: bool) -> None:
        """Queue a run again, as an interrupt does."""
        run = self.run_of(task)
        if run.state not in GIVEN_UP:
            return
        self.stage.books.replace(requeue(run))
        if dies:
            self.dirty = True
        else:
            self.claiming.release([run.instance])

    @rule()
    def die_and_recover(self) -> None:
        """All that was in memory is gone; what is on disk decides."""
        before = self.stage.parts.state.read_runs(SESSION)
        found = reconcile(self.stage.parts, SESSION)
        for task, run in before.items():
            after = found.runs[task]
            expected = {RunState.VERIFIED: RunState.GATED}.get(run.state, run.state)
            assert after.state is (RunState.QUEUED if run.state in GIVEN_UP else expected)
            # Of an attempt that was given up it is also said that there is another.
            said = tuple(replace(attempt, retry="") for attempt in after.attempts)
            assert (said, after.instance) == (tuple(replace(each, retry="") for each in run.attempts), run.instance)
            given_up = bool(run.attempts) and run.state in GIVEN_UP
            assert given_up <= bool(after.attempts and after.attempts[-1].retry)
        assert reconcile(self.stage.parts, SESSION).runs == found.runs
        self.stage.books.runs = found.runs
        self.dirty = False

    @invariant()
    def books_and_disk_agree(self) -> None:
        """What is in memory was written first."""
        assert self.stage.parts.state.read_runs(SESSION) == self.stage.books.runs

    @invariant()
    def claims_are_those_of_live_runs(self) -> None:
        """Every live run holds its claim at every moment; between steps nobody else does."""
        held = {claim.instance for claim in self.stage.parts.claims.live()}
        live = {run.instance for run in self.stage.books.runs.values() if run.state in LIVE}
        assert live <= held
        assert self.dirty or held == live


TestDying = Dying.TestCase
TestDying.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
