"""The composition root: a session's parts, built from a repository and a config."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gitfleet.git import worktrees
from gitfleet.git.objects import open_objects
from gitfleet.git.refs import Refs
from gitfleet.parts import Parts
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.store.claims import Claims
from gitfleet.store.journal import Journal
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.config import Config
    from gitfleet.store.locks import LockProof


def build(workspace: Workspace, config: Config, session: str, proof: LockProof, *, fold: bool) -> Parts:
    """The parts of one session, whose lock ``proof`` holds.

    Every git call of the session inherits the lock's descriptor: when the lock is free, none of them is still writing.
    """
    from dataclasses import replace  # noqa: PLC0415

    git = replace(workspace.repository.git, inherit=(proof.fd,))
    repository = replace(workspace.repository, git=git)
    return Parts(
        repository=repository,
        objects=open_objects(repository),
        refs=Refs(git),
        layout=workspace.layout,
        state=State(workspace.layout),
        claims=Claims(workspace.layout),
        journal=Journal(workspace.layout, session, workspace.now),
        host=LocalHost(workspace.layout),
        proof=proof,
        config=config,
        pool=worktrees.pool_root(repository, config.worktrees.root),
        fold=fold,
        now=workspace.now,
        monotonic=time.monotonic,
        caller=dict(os.environ),
        external_root=repository.worktree,
    )
