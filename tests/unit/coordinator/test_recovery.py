from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gitfleet.coordinator.boundary import Boundary
from gitfleet.coordinator.claiming import Claiming, Taken
from gitfleet.errors import GitfleetError, Kind
from gitfleet.model.base import encode
from gitfleet.model.evidence import Attempt, Verdict
from gitfleet.model.run import ClaimHeld, Failure, FailureSource, MergeRecord, Run, RunState
from gitfleet.model.session import Landing, PendingLanding, SessionState
from gitfleet.planner.scopes import Scope
from gitfleet.recovery.reconcile import reconcile
from gitfleet.runtime.attempt import LOG
from gitfleet.runtime.environment import check_environment, temporary_directory
from gitfleet.runtime.hosts.base import LaunchSpec
from gitfleet.store.layout import verify_label
from tests.support.stage import MAIN, SESSION, SessionStage, session_on, task_of

if TYPE_CHECKING:
    from tests.support.repo import Repo

AT = "2026-01-02T03:04:05.000Z"


def begun(stage: SessionStage, task: str, *states: RunState, **facts: Any) -> Run:  # noqa: ANN401 - any field of a run
    """Bring a run to the last of ``states``, with a branch that holds a commit of its own and a claim."""
    instance = f"fleet-{SESSION}-w1-a{task}"
    base = stage.repo.oid()
    stage.repo.git("branch", f"fleet/{SESSION}/{task}", base)
    took = Claiming(stage.parts, stage.session).take(instance, task, Scope.parse([f"{task}.txt"]))
    assert isinstance(took, Taken)
    run = stage.books.advance(
        task,
        RunState.PREPARING,
        instance=instance,
        branch=f"fleet/{SESSION}/{task}",
        base=base,
        claim=ClaimHeld(scope=took.claim.scope, acquired=AT),
        attempts=(Attempt(number=1, base=base, started=AT),),
    )
    for state in states:
        run = stage.books.advance(task, state)
    return stage.books.record(task, **facts) if facts else run


def work_on(stage: SessionStage, task: str, more: str = "") -> str:
    """Commit something on a run's branch; gives the commit."""
    tree = stage.repo.git("write-tree")
    made = stage.repo.git("commit-tree", tree, "-p", "HEAD", "-m", f"work of {task}{more}")
    stage.repo.git("update-ref", f"refs/heads/fleet/{SESSION}/{task}", made)
    return made


def test_a_session_that_stands_where_its_books_say_is_left_alone(repo: Repo) -> None:
    with session_on(repo, task_of("a"), task_of("b", "a")) as stage:
        found = reconcile(stage.parts, SESSION)
        assert found.runs == stage.books.runs
        assert (found.session, found.adopted, found.pending, found.notes) == (stage.session, {}, None, ())


def test_an_attempt_that_was_being_prepared_is_queued_again_and_its_claim_goes(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        instance = begun(stage, "a").instance
        assert len(stage.parts.claims.live()) == 1
        torn = stage.parts.layout.attempt(instance, 1) / ".tmp-1"
        torn.parent.mkdir(parents=True, exist_ok=True)
        torn.write_bytes(b"{")
        found = reconcile(stage.parts, SESSION)
        assert not torn.exists()
        run = found.runs["a"]
        assert (run.state, run.claim, len(run.attempts)) == (RunState.QUEUED, None, 1)
        assert stage.parts.state.read_run(SESSION, "a") == run
        assert stage.parts.claims.live() == ()
        assert found.notes[0] == "a is queued again: its worktree was being made"
        assert found.notes[1] == f"dead instance {run.instance} left a claim on a.txt"
        # Once is enough.
        again = reconcile(stage.parts, SESSION)
        assert (again.runs, again.notes) == (found.runs, ())


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FINISHED])
def test_work_whose_end_nobody_recorded_is_kept_under_its_wip_ref(repo: Repo, state: RunState) -> None:
    with session_on(repo, task_of("a")) as stage:
        states = (RunState.RUNNING,) if state is RunState.RUNNING else (RunState.RUNNING, RunState.FINISHED)
        run = begun(stage, "a", *states)
        made = work_on(stage, "a")
        found = reconcile(stage.parts, SESSION)
        assert found.runs["a"].state is RunState.QUEUED
        assert found.adopted == {}
        wip = f"refs/gitfleet/wip/{run.instance}"
        first = stage.parts.refs.read(f"{wip}/1")
        assert first is not None
        assert stage.parts.objects.is_ancestor(made, first)
        assert found.runs["a"].attempts[-1].snapshots == (f"{wip}/1",)
        assert found.notes[0].endswith(f"its work is kept: gitfleet rescue show {run.instance}/1")
        # What is kept is not kept twice; with more in it than before, the attempt has another snapshot.
        stage.books.replace(run)
        reconcile(stage.parts, SESSION)
        assert list(stage.parts.refs.under(wip)) == [f"{wip}/1"]
        stage.books.replace(run)
        more = work_on(stage, "a", " and more")
        reconcile(stage.parts, SESSION)
        assert stage.parts.refs.read(f"{wip}/1") == first
        second = stage.parts.refs.read(f"{wip}/2")
        assert second is not None
        assert stage.parts.objects.is_ancestor(more, second)


def test_an_attempt_that_ended_meanwhile_is_adopted_with_its_exit(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        run = begun(stage, "a", RunState.RUNNING)
        directory = stage.parts.layout.attempt(run.instance, 1)
        directory.mkdir(parents=True, mode=0o700)
        spec = LaunchSpec(
            instance=run.instance,
            attempt=1,
            directory=directory,
            argv=("sh", "-c", "exit 3"),
            cwd=repo.path,
            env={"PATH": os.environ["PATH"]},
            deadline_seconds=60,
        )
        stage.parts.host.wait(stage.parts.host.start(spec))
        found = reconcile(stage.parts, SESSION)
        assert list(found.adopted) == ["a"]
        ended = stage.parts.host.wait(found.adopted["a"])
        assert (ended.reason, ended.code) == ("exited", 3)
        assert found.runs["a"] == run
        assert [claim.instance for claim in stage.parts.claims.live()] == [run.instance]


@pytest.mark.parametrize("began", [True, False])
def test_an_attempt_whose_warden_is_gone_without_a_word_is_lost_and_queued_again(repo: Repo, *, began: bool) -> None:
    with session_on(repo, task_of("a")) as stage:
        run = begun(stage, "a", RunState.RUNNING)
        directory = stage.parts.layout.attempt(run.instance, 1)
        directory.mkdir(parents=True, mode=0o700)
        temporary = temporary_directory(directory)
        temporary.mkdir(mode=0o700)
        if began:
            (directory / LOG).touch()
        found = reconcile(stage.parts, SESSION)
        assert (found.runs["a"].state, found.adopted) == (RunState.QUEUED, {})
        assert not temporary.exists()
        ended = found.runs["a"].attempts[-1].exit
        assert (ended.reason if ended else "") == ("lost" if began else "")
        # A death before the books said so: that it was lost was written down, and means the same.
        stage.parts.state.write_run(stage.parts.proof, run)
        again = reconcile(stage.parts, SESSION)
        assert again.runs == found.runs
        assert again.adopted == {}


def test_a_check_that_ended_without_its_coordinator_leaves_no_temporary_files(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        label = verify_label(SESSION)
        directory = stage.parts.layout.attempt(label, 1)
        env = check_environment({"PATH": os.environ["PATH"]}, SESSION, directory=directory)
        directory.mkdir(parents=True, mode=0o700)
        spec = LaunchSpec(
            instance=label, attempt=1, directory=directory, argv=("true",), cwd=repo.path, env=env, deadline_seconds=60
        )
        stage.parts.host.wait(stage.parts.host.start(spec))
        assert temporary_directory(directory).is_dir()
        reconcile(stage.parts, SESSION)
        assert not temporary_directory(directory).exists()


def test_a_verdict_without_a_landing_is_given_again(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        begun(stage, "a", RunState.RUNNING, RunState.FINISHED, RunState.GATED, RunState.VERIFIED)
        found = reconcile(stage.parts, SESSION)
        assert found.runs["a"].state is RunState.GATED
        assert len(stage.parts.claims.live()) == 1


@pytest.mark.parametrize("state", [SessionState.NEEDS_CONTINUE, SessionState.ACTIVE])
def test_only_a_session_that_stopped_tries_again_what_could_not_run(repo: Repo, state: SessionState) -> None:
    transport = Failure(source=FailureSource.TRANSPORT, code="prepare-failed", message="no space")
    own = Failure(source=FailureSource.TASK, code="exit-code", message="it failed")
    with session_on(repo, task_of("a"), task_of("b"), task_of("c", "a")) as stage:
        begun(stage, "a", RunState.FAILED, failure=transport)
        begun(stage, "b", RunState.FAILED, failure=own)
        stage.books.advance("c", RunState.SKIPPED, failure=own)
        if state is not stage.session.state:
            stage.books.move(state)
        states = {task: run.state for task, run in reconcile(stage.parts, SESSION).runs.items()}
        again = {"a": RunState.QUEUED, "b": RunState.FAILED, "c": RunState.QUEUED}
        left = {"a": RunState.FAILED, "b": RunState.FAILED, "c": RunState.SKIPPED}
        assert states == (again if state is SessionState.NEEDS_CONTINUE else left)


# -- landings ------------------------------------------------------------------------------------------------------


def decided(stage: SessionStage) -> PendingLanding:
    """Decide a landing of ``a`` and write it down, as just before the target moves."""
    run = begun(stage, "a", RunState.RUNNING, RunState.FINISHED, RunState.GATED, RunState.VERIFIED)
    base = stage.repo.oid()
    candidate = work_on(stage, "a")
    move = Landing(
        number=1, commit=candidate, candidate=candidate, previous=base, verdict=Verdict.UNVERIFIED, tasks=("a",), at=AT
    )
    merge = MergeRecord(commit=candidate, landing=1, target=MAIN)
    pending = PendingLanding(
        number=1,
        target=MAIN,
        previous=base,
        commit=candidate,
        candidate=candidate,
        verdict=Verdict.UNVERIFIED,
        session=msgspec.structs.replace(stage.session, landings=(move,)),
        runs=(msgspec.structs.replace(run, state=RunState.LANDED, merge=merge, claim=None),),
        wave_text="# Wave 1\n",
    )
    stage.parts.layout.pending_landing(SESSION).write_bytes(encode(pending))
    stage.repo.git("update-ref", f"refs/gitfleet/candidates/{SESSION}", candidate)
    return pending


@pytest.mark.parametrize("proof", ["history", "landed ref"])
def test_a_landing_that_happened_is_written_into_the_books(repo: Repo, proof: str) -> None:
    with session_on(repo, task_of("a")) as stage:
        pending = decided(stage)
        if proof == "history":
            repo.git("update-ref", MAIN, pending.commit)
            repo.commit({"later": "x"}, "somebody goes on")
        else:
            repo.git("update-ref", f"refs/gitfleet/landed/{SESSION}/w1", pending.commit)
        found = reconcile(stage.parts, SESSION)
        assert found.pending is None
        assert found.session == pending.session == stage.parts.state.read_session(SESSION)
        assert found.runs["a"] == pending.runs[0] == stage.parts.state.read_run(SESSION, "a")
        assert stage.parts.state.read_waves(SESSION) == {1: "# Wave 1\n"}
        assert not stage.parts.layout.pending_landing(SESSION).exists()
        assert stage.parts.refs.read(f"refs/gitfleet/candidates/{SESSION}") is None
        # The claim was held until the books said so.
        assert stage.parts.claims.live() == ()


def test_a_landing_that_may_still_happen_is_given_back(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        pending = decided(stage)
        found = reconcile(stage.parts, SESSION)
        assert found.pending == pending
        assert found.runs["a"].state is RunState.VERIFIED
        assert stage.parts.layout.pending_landing(SESSION).exists()


def test_a_landing_on_a_target_that_moved_is_forgotten_and_its_runs_are_gated(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        decided(stage)
        repo.commit({"other": "x"}, "somebody was faster")
        found = reconcile(stage.parts, SESSION)
        assert (found.pending, found.runs["a"].state) == (None, RunState.GATED)
        assert not stage.parts.layout.pending_landing(SESSION).exists()
        assert "had not happened" in found.notes[0]


def test_a_landing_that_cannot_be_read_is_a_persons_to_look_at(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        stage.parts.layout.pending_landing(SESSION).write_bytes(b"{")
        with pytest.raises(GitfleetError) as refused:
            reconcile(stage.parts, SESSION)
        assert (refused.value.kind, refused.value.code) == (Kind.NEEDS_PERSON, "damaged-file")


@pytest.mark.parametrize(
    ("state", "clone", "left"),
    [
        (SessionState.ACTIVE, "", True),
        (SessionState.NEEDS_CONTINUE, "", True),
        (SessionState.COMPLETED, "", False),
        (None, "", False),
        (None, "another", True),
    ],
)
def test_claims_of_other_sessions_go_only_when_nobody_will_release_them(
    repo: Repo, state: SessionState | None, clone: str, *, left: bool
) -> None:
    with session_on(repo, task_of("a")) as stage:
        theirs = msgspec.structs.replace(stage.session, id="other-abcdef")
        if state is not None:
            there = msgspec.structs.replace(theirs, state=state)
            stage.parts.state.create_session(there, plan=b"", config=b"", runs=(), report="")
        if clone:
            theirs = msgspec.structs.replace(theirs, clone=clone)
        assert isinstance(Claiming(stage.parts, theirs).take("fleet-other-w1-a1", "x", Scope.parse(["x"])), Taken)
        notes = reconcile(stage.parts, SESSION).notes
        assert [claim.session for claim in stage.parts.claims.live()] == ["other-abcdef"] * left
        assert [note for note in notes if "left a claim" in note] == [
            "dead instance fleet-other-w1-a1 left a claim on x"
        ] * (not left)


def test_a_claim_that_nobody_will_release_goes_between_two_waves_without_a_git_call(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_on(repo, task_of("a")) as stage:
        boundary = Boundary(stage.parts, stage.books)
        boundary.cross(1, over=False)
        gone = msgspec.structs.replace(stage.session, id="gone-abcdef")
        Claiming(stage.parts, gone).take("fleet-gone-w1-a1", "x", Scope.parse(["x"]))
        monkeypatch.setenv("PATH", "/nowhere")  # a call of git would fail
        boundary.cross(1, over=False)
        assert len(stage.parts.claims.live()) == 1
        boundary.cross(2, over=False)
        assert stage.parts.claims.live() == ()
        assert [event.message for event in stage.watcher.events] == ["dead instance fleet-gone-w1-a1 left a claim on x"]


def test_a_run_that_is_queued_again_says_nothing_of_its_last_end(repo: Repo) -> None:
    transport = Failure(source=FailureSource.TRANSPORT, code="prepare-failed", message="no space")
    with session_on(repo, task_of("a")) as stage:
        begun(stage, "a", RunState.FAILED, failure=transport)
        stage.books.move(SessionState.NEEDS_CONTINUE)
        run = reconcile(stage.parts, SESSION).runs["a"]
        assert (run.state, run.failure, run.receipt, run.handoff, run.conflicts) == (
            RunState.QUEUED,
            None,
            None,
            None,
            (),
        )
        assert len(run.attempts) == 1


def test_unfinished_writes_of_a_killed_coordinator_are_swept(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        layout = stage.parts.layout
        layout.claims.mkdir(parents=True, exist_ok=True)
        rows = layout.usage_of(SESSION, "i-a", 1).parent
        rows.mkdir(parents=True)
        torn = [layout.runs(SESSION) / ".tmp-1", layout.session(SESSION) / ".tmp-2", layout.claims / ".tmp-3"]
        torn.append(rows / ".tmp-4")
        for path in torn:
            path.write_bytes(b"{")
        reconcile(stage.parts, SESSION)
        assert [path for path in torn if path.exists()] == []


def test_a_blocked_mirror_of_the_state_is_said_and_stops_nothing(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        ref = f"refs/gitfleet/state/{SESSION}"
        if repo.git("for-each-ref", ref):
            repo.git("update-ref", "-d", ref)
        repo.git("update-ref", f"{ref}/in-the-way", "HEAD")
        stage.books.checkpoint("wave 1 started")
        assert [(event.kind, event.status) for event in stage.watcher.events] == [("error", "not-mirrored")]
        repo.git("update-ref", "-d", f"{ref}/in-the-way")
        stage.books.checkpoint("wave 1 started")
        assert repo.git("log", "-1", "--format=%s", ref) == f"gitfleet: {SESSION} wave 1 started"
