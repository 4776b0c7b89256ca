"""Worktrees of runs that landed go, also where a crash cut that off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.coordinator.attempt.attempts import worktree_of
from gitfleet.coordinator.claiming import Claiming
from gitfleet.coordinator.retrying import Retrying
from gitfleet.coordinator.settling import Settling
from gitfleet.coordinator.trains.integration_worktree import drop_worktree
from gitfleet.git import worktrees
from gitfleet.git.pool_root import trash_of
from gitfleet.model.evidence import Attempt
from gitfleet.model.lease import Lease
from gitfleet.model.run import RunState
from gitfleet.pool.leasing import lease
from gitfleet.store.locks import worktrees_lock
from tests.support.stage import SESSION, session_on, task_of

if TYPE_CHECKING:
    from tests.support.repo import Repo


def test_a_tree_that_was_half_taken_away_is_forgotten_by_git_too(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        parts, base = stage.parts, repo.oid()
        steps = (RunState.RUNNING, RunState.FINISHED, RunState.GATED, RunState.VERIFIED, RunState.LANDED)
        instance = f"fleet-{SESSION}-w1-a1"
        slot = lease(parts.trees, instance=instance, task="a", attempt=1)
        assert isinstance(slot, Lease)
        attempt = Attempt(number=1, base=base, started="2026-01-02T03:04:05.000Z", worktree=slot.slot)
        run = stage.books.advance("a", RunState.PREPARING, instance=instance, base=base, attempts=(attempt,))
        for step in steps:
            run = stage.books.advance("a", step)
        tree = worktree_of(parts, run)
        assert isinstance(
            worktrees.add(parts.repository, tree, base, None, worktrees_lock(parts.layout)), worktrees.Worktree
        )
        # Here the coordinator died: the files are in the trash, and git still lists them where they were.
        trash_of(parts.pool).mkdir()
        tree.rename(trash_of(parts.pool) / "half")
        settling = Settling(parts, stage.books, Claiming(parts, stage.session), Retrying(parts, stage.books))
        settling.finish()
        assert worktrees.registered(parts.repository) == {}
        assert parts.trees.leases.live() == {}


def test_what_a_killed_close_left_in_the_trash_goes_with_the_next(repo: Repo) -> None:
    with session_on(repo, task_of("a")) as stage:
        parts = stage.parts
        tree = parts.pool / f"fleet-{SESSION}-integration"
        assert isinstance(
            worktrees.add(parts.repository, tree, repo.oid(), None, worktrees_lock(parts.layout)), worktrees.Worktree
        )
        known = worktrees.locate(parts.repository, tree)
        assert known is not None
        # Here the coordinator died: git knows nothing of the tree any more, and its files are still there.
        worktrees.retire(parts.repository, known, trash_of(parts.pool), worktrees_lock(parts.layout))
        assert list(trash_of(parts.pool).iterdir())
        drop_worktree(parts, tree)
        assert not list(trash_of(parts.pool).iterdir())
