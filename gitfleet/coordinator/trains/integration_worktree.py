"""The worktree in which a session's candidates are built and checked; nobody else's, and no agent's."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from gitfleet.coordinator.claiming import free_block, ports_in_use
from gitfleet.git import worktrees
from gitfleet.git.command import GitFailed
from gitfleet.git.pool_root import trash_of
from gitfleet.model.base import instant
from gitfleet.model.lease import Lease
from gitfleet.model.paths import quote_path
from gitfleet.pool.leasing import give_back
from gitfleet.store.locks import claims_lock, worktrees_lock

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.model.session import Session
    from gitfleet.parts import Parts


def integration_path(parts: Parts, session: Session) -> Path:
    """Where it stands."""
    return parts.pool / f"fleet-{session.id}-integration"


def open_integration(parts: Parts, session: Session) -> Git:
    """Git in it, made when it is not there."""
    tree = integration_path(parts, session)
    _lease(parts, session, tree)
    found = worktrees.locate(parts.repository, tree)
    if found is not None and not tree.exists():
        worktrees.retire(parts.repository, found, tree, worktrees_lock(parts.layout))
        found = None
    if found is None:
        lock = worktrees_lock(parts.layout)
        made = worktrees.add(parts.repository, tree, session.base, None, lock, instance=tree.name, checkout=False)
        if isinstance(made, worktrees.BranchTaken):
            raise AssertionError(made.why)
        found = made
    # It is this session's alone: a lock in it was left by a git that a check or a crash killed, and guards nobody.
    (found.git_dir / "index.lock").unlink(missing_ok=True)
    return found.git(parts.repository.git)


def _lease(parts: Parts, session: Session, tree: Path) -> None:
    """Say whose the tree is, and give it ports of its own: checks of candidates run beside agents."""
    if parts.trees.leases.live().get(tree.name) is not None:
        return
    with worktrees_lock(parts.layout) as proof, claims_lock(parts.layout):
        held = Lease(
            slot=tree.name,
            path=quote_path(os.fsencode(tree)),
            instance=tree.name,
            session=session.id,
            task="",
            attempt=1,
            since=instant(parts.now()),
            port_base=free_block(parts.config.worktrees.ports, ports_in_use(parts, tree.name)),
        )
        parts.trees.leases.write(proof, held)


def drop_worktree(parts: Parts, tree: Path) -> None:
    """Take away a tree that is ours alone: the integration worktree; and what a killed session left in the trash."""
    trash = trash_of(parts.pool)
    with contextlib.suppress(OSError, GitFailed):
        worktree = worktrees.locate(parts.repository, tree)
        if worktree is not None:
            worktrees.retire(parts.repository, worktree, trash, worktrees_lock(parts.layout))
        give_back(parts.trees, tree.name)
    with contextlib.suppress(OSError):  # somebody else may be emptying it
        worktrees.empty_trash(trash)
