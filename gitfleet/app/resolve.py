"""A held conflict opened for a person: the run's worktree, on its branch, with the merge of the target under way.

What was there is kept before anything is touched. Asked again it shows the same tree as it is: what a person did in it
is theirs until `continue` takes it in. Only where nothing is left of that, the merge is begun anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gitfleet.app.find import find_run
from gitfleet.app.sessions.resume import opened
from gitfleet.coordinator.attempt.resolving import merge_target
from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import GitFailed
from gitfleet.git.merging import unmerged
from gitfleet.git.private_index import merge_heads
from gitfleet.git.refs import short
from gitfleet.git.worktrees import BranchTaken, locate
from gitfleet.model.base import instant
from gitfleet.model.conflict import Resolution
from gitfleet.model.event import EventKind
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import ResolveReport
from gitfleet.model.run import RunState, record
from gitfleet.model.session import SessionState
from gitfleet.pool.bootstrap import furnish
from gitfleet.pool.leasing import AllBusy, lease
from gitfleet.recovery.keeping import tree_of
from gitfleet.recovery.reconcile import finish_verdicts
from gitfleet.recovery.slots import stand
from gitfleet.store.locks import worktrees_lock
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.git.command import Git
    from gitfleet.git.worktrees import Worktree
    from gitfleet.model.run import Run
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts


def resolve(workspace: Workspace, word: str, session_id: str | None = None) -> ResolveReport:
    """Open the conflict of the run that an instance or a task names.

    Raises ``GitfleetError``: usage (``not-held``) for a run that is not held in conflict, busy while a coordinator runs
    its session, environment where no tree can be had; and as ``find_run`` does.
    """
    session, run = find_run(State(workspace.layout), word, session_id)
    _check(session, run)
    with opened(workspace, session, command="gitfleet resolve") as here:
        parts = here.parts
        session = parts.state.read_session(session.id)
        runs = dict(parts.state.read_runs(session.id))
        finish_verdicts(parts, session.id, runs)
        run = runs[run.task]
        _check(session, run)
        worktree = locate(parts.repository, tree_of(parts, run))
        again = run.resolution is not None and run.resolution.ready
        if worktree is None or not again or not worktree.path.is_dir() or _is_given_up(parts, run, worktree):
            run, worktree = _begin(parts, session, run)
            again = False
        assert run.resolution is not None  # noqa: S101 - it was begun, now or before
        git = worktree.git(parts.repository.git)
        return ResolveReport(
            session=session.id,
            task=run.task,
            instance=run.instance,
            branch=run.branch,
            path=str(worktree.path),
            target=session.target,
            onto=run.resolution.onto,
            again=again,
            merging=bool(merge_heads(worktree.git_dir)),
            committed=_head(git) != run.resolution.tip,
            unmerged=tuple(quote_path(path) for path in unmerged(git)),
            conflicts=run.conflicts,
        )


def _check(session: Session, run: Run) -> None:
    if session.state is SessionState.COMPLETED:
        message = f"The session {session.id} of {run.task} is closed."
        raise GitfleetError(Kind.USAGE, "session-closed", message)
    if run.held:
        return
    if run.state is RunState.CONFLICTED:
        message = f"{run.task} is in conflict, and what becomes of it is not decided yet."
        raise GitfleetError(Kind.USAGE, "not-held", message, hint=f"`gitfleet continue {session.id}` decides it.")
    message = f"{run.task} is {run.state}: it has no conflict that waits for a person."
    raise GitfleetError(Kind.USAGE, "not-held", message)


def _is_given_up(parts: Parts, run: Run, worktree: Worktree) -> bool:
    """Whether the tree is as if nobody had ever merged there, such as after ``git merge --abort``."""
    git = worktree.git(parts.repository.git)
    if merge_heads(worktree.git_dir) or run.resolution is None or _head(git) != run.resolution.tip:
        return False
    return not git.run("status", "--porcelain", "--untracked-files=normal").stdout


def _head(git: Git) -> str:
    return git.run("rev-parse", "--verify", "HEAD^{commit}").text


def _begin(parts: Parts, session: Session, run: Run) -> tuple[Run, Worktree]:
    """Put the merge of the target into the run's tree; a crash on the way leaves one that is made anew."""
    onto = parts.refs.read(session.target)
    if onto is None:
        message = f"The target {session.target} does not exist any more."
        raise GitfleetError(Kind.NEEDS_PERSON, "target-gone", message)
    tip = run.tip
    if run.resolution is not None:
        # The tree that it stood in is gone. What was committed on the branch is the person's work, and goes on.
        at = parts.refs.read(f"refs/heads/{run.branch}")
        if run.resolution.ready and at is not None and parts.objects.is_ancestor(run.tip, at):
            tip = at
    number = len(run.attempts)
    held = parts.trees.leases.of(run.instance)
    port = held.port_base if held is not None else 0
    taken = lease(parts.trees, instance=run.instance, task=run.task, attempt=number, port_base=port)
    if isinstance(taken, AllBusy):
        message = f"All {taken.most} worktrees are in use (worktrees.max)."
        raise GitfleetError(Kind.ENVIRONMENT, "no-worktree", message)
    last = msgspec.structs.replace(run.attempts[-1], worktree=taken.slot)
    begun = Resolution(tip=tip, onto=onto, since=instant(parts.now()))
    run = record(run, tip=tip, resolution=begun, attempts=(*run.attempts[:-1], last))
    parts.state.write_run(parts.proof, run)
    try:
        made = stand(parts, run, tip)
        if isinstance(made, BranchTaken):
            raise GitfleetError(Kind.ENVIRONMENT, "branch-taken", f"The worktree cannot be made: {made.why}.")
        wanted = parts.config.worktrees
        lock = worktrees_lock(parts.layout)
        furnish(parts.repository, made.worktree, copied=wanted.copied, link=wanted.link, lock=lock)
        merge_target(parts, made.worktree, onto, remember=True)
    except (GitFailed, OSError) as error:
        raise GitfleetError(Kind.ENVIRONMENT, "resolve-failed", f"The merge could not be begun: {error}") from error
    run = record(run, resolution=Resolution(tip=tip, onto=onto, since=begun.since, ready=True))
    parts.state.write_run(parts.proof, run)
    for note in made.notes:
        parts.journal.event(EventKind.QUARANTINE, note, task=run.task, instance=run.instance, status="quarantined")
    parts.journal.event(
        EventKind.CONFLICT,
        f"{run.task} is being resolved in {taken.slot}: {short(session.target)} ({onto[:12]}) is merged into it",
        wave=run.wave,
        task=run.task,
        instance=run.instance,
        status="resolving",
    )
    return run, made.worktree
