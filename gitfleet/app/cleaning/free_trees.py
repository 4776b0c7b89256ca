"""Removing trees of the pool that nobody has, and notes on trees that are gone. What was set aside is never touched."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from gitfleet.app.cleaning.sizes import bytes_of
from gitfleet.model.reports import CleanItem
from gitfleet.store.leases import Leases
from gitfleet.store.locks import worktrees_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitfleet.app.workspace import Workspace


def free_trees(workspace: Workspace, *, dry_run: bool) -> Iterator[CleanItem]:
    """Take away the free trees, each by a rename into the trash, and then the trash."""
    from gitfleet.git.pool_root import pool_root, trash_of  # noqa: PLC0415 - asks git
    from gitfleet.git.worktrees import empty_trash  # noqa: PLC0415
    from gitfleet.pool.leasing import slots  # noqa: PLC0415

    root = pool_root(workspace.repository, workspace.config.worktrees.root)
    for slot in slots(root):
        with worktrees_lock(workspace.layout, command="gitfleet clean"):
            held = Leases(workspace.layout).live()
            # One that was leased meanwhile is not ours to take.
            item = None if slot in held else _free(workspace, root / slot, dry_run=dry_run)
        if item is not None:
            yield item
    with worktrees_lock(workspace.layout, command="gitfleet clean") as proof:
        for slot, lease in Leases(workspace.layout).live().items():
            over = lease is not None and not workspace.layout.session(lease.session).is_dir()
            if lease is not None and over and not dry_run and not os.path.lexists(lease.place):
                Leases(workspace.layout).drop(proof, slot)
    if not dry_run:
        empty_trash(trash_of(root))
    yield from _notes(workspace, dry_run=dry_run)


def _free(workspace: Workspace, path: Path, *, dry_run: bool) -> CleanItem | None:
    from gitfleet.git import collect, worktrees  # noqa: PLC0415
    from gitfleet.git.command import GitFailed  # noqa: PLC0415
    from gitfleet.git.pool_root import trash_of  # noqa: PLC0415
    from gitfleet.git.slots import has_modules, usable  # noqa: PLC0415
    from gitfleet.runtime.presence import working_in  # noqa: PLC0415

    repository = workspace.repository
    worktree = usable(repository, path)
    if worktree is None:
        return None  # `doctor` tells of what else has the name
    try:
        # What git ignores here is what `pool.keep` kept: a cache.
        reasons = collect.untidy(repository.git, worktree, ignored=False)
    except (GitFailed, OSError) as error:
        reasons = (str(error),)
    reasons += tuple(f"{process} works in it" for process in working_in(path))
    if has_modules(worktree):
        reasons += ("submodules were filled in",)
    if reasons:
        return CleanItem(kind="worktree", name=str(path), removed=False, reason="; ".join(reasons))
    size = bytes_of(path)
    if not dry_run:
        worktrees.retire(repository, worktree, trash_of(path.parent), nullcontext())
    return CleanItem(kind="worktree", name=str(path), bytes=size, removed=True, reason="free")


def _notes(workspace: Workspace, *, dry_run: bool) -> Iterator[CleanItem]:
    leases = Leases(workspace.layout)
    kept = leases.set_aside()
    for tree in kept.values():
        yield CleanItem(kind="worktree", name=tree.path, removed=False, reason=f"it was set aside: {tree.why}")
    try:
        notes = list(workspace.layout.set_aside.iterdir())
    except OSError:
        return
    for note in notes:
        if not dry_run and note.stem not in kept and note.suffix == ".json":
            note.unlink(missing_ok=True)
