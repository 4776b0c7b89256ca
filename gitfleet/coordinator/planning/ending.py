"""The end of a planner: nothing of it runs any more, and its tree is gone, after what it changed in there was kept."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from gitfleet.coordinator.accounts import give_back
from gitfleet.coordinator.attempt.attempts import handle_of, worktree_of
from gitfleet.coordinator.attempt.guarding import tampered
from gitfleet.coordinator.attempt.tampering import told as told_of
from gitfleet.coordinator.spending.rows import take_in
from gitfleet.coordinator.trains.integration_worktree import drop_worktree
from gitfleet.errors import GitfleetError
from gitfleet.git import worktrees
from gitfleet.git.command import GitFailed
from gitfleet.git.snapshots import Failed, Nothing, Taken
from gitfleet.model.evidence import WIP, Exit
from gitfleet.recovery.keeping import keep_tree
from gitfleet.store.files import rename_durable, sweep
from gitfleet.store.usage import UsageStore

if TYPE_CHECKING:
    from gitfleet.model.plan import Task
    from gitfleet.model.run import Run
    from gitfleet.parts import Parts

STOP_SECONDS = 60.0


def finish(parts: Parts, run: Run, task: Task) -> tuple[str, ...]:
    """End a planner: nothing of it runs any more, what it changed is kept, its tree is gone; gives notes for people.

    What its last call used is taken in where that did not happen; until it can be, the planner is not over. May be
    repeated.
    """
    ended = _end(parts, run)
    known, notes = True, []
    if run.attempts and run.attempts[-1].exit is None:
        known = _taken_in(parts, run, task, ended)
        notes = tampering(parts, run)
    # Of what stays anybody can see that it is dead.
    with suppress(GitfleetError, OSError):
        if any(attempt.account for attempt in run.attempts):
            give_back(parts, run.instance)
        UsageStore(parts.layout).sweep(run.session)
        sweep(parts.layout.planning(run.instance).parent)
        sweep(parts.layout.attempt(run.instance, len(run.attempts)))
    notes += _clear(parts, run, ended)
    if known:
        parts.layout.planning_stop(run.instance).unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # it ended before its first call, or is ended again
            rename_durable(parts.layout.planning(run.instance), parts.layout.planned(run.instance))
    return tuple(notes)


def _taken_in(parts: Parts, run: Run, task: Task, ended: Exit | None) -> bool:
    """Whether it is written down what the last call used, as far as anybody can say; false where it cannot be now."""
    try:
        take_in(parts, run, task, None, ended)
    except GitfleetError:
        return True
    except OSError:
        return False
    return True


def tampering(parts: Parts, run: Run) -> list[str]:
    """What its last call tried to do to things of the person's, or what became of them meanwhile."""
    with suppress(GitfleetError, GitFailed, OSError):
        found = tampered(parts, run)
        return [told_of("the planner", found)] if found else []
    return []


def _end(parts: Parts, run: Run) -> Exit | None:
    """Stop its last call where that still runs; gives its end, none where it does not end."""
    directory = parts.layout.attempt(run.instance, len(run.attempts))
    if not (directory / "spec.json").exists():
        return Exit(reason="spawn-failed", message="it was never started")
    handle = handle_of(parts, run)
    if parts.host.status(handle).alive:
        parts.host.stop(handle)
    ended = parts.host.wait_for(handle, STOP_SECONDS)
    if ended is not None:
        parts.host.clean_up(handle)
    return ended


def _clear(parts: Parts, run: Run, ended: Exit | None) -> list[str]:
    tree = worktree_of(parts, run)
    if worktrees.locate(parts.repository, tree) is None:
        return []
    if ended is None or ended.remaining:
        return [f"processes of the planner remain, so its worktree {tree} was left as it is"]
    try:
        outcome = keep_tree(parts, parts.objects, run, "the planner changed something")
    except (GitfleetError, GitFailed, OSError) as error:
        outcome = Failed(str(error))
    match outcome:
        case Nothing():
            notes = []
        case Taken() if outcome.whole:
            kept = outcome.ref.removeprefix(WIP)
            notes = [f"the planner changed files of its worktree; none of it counts: gitfleet rescue show {kept}"]
        case Taken():
            gaps = ", ".join((*outcome.nested, *outcome.gaps))
            return [f"the planner's worktree {tree} was left as it is: it holds the only copy of {gaps}"]
        case Failed(why):
            return [f"the planner's worktree {tree} was left as it is: {why}"]
        case _:
            assert_never(outcome)
    drop_worktree(parts, tree)
    return notes
