"""The composition root: a session's parts, built from a repository and a config."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gitfleet.git.engines import open_objects
from gitfleet.git.identity import Committer
from gitfleet.git.pool_root import pool_root
from gitfleet.git.refs import Refs
from gitfleet.parts import Parts
from gitfleet.pool.leasing import Pool
from gitfleet.runtime.hosts.local import LocalHost
from gitfleet.store.claims import Claims, clone_id
from gitfleet.store.journal import Journal
from gitfleet.store.state import State

if TYPE_CHECKING:
    from gitfleet.app.workspace import Workspace
    from gitfleet.model.config import Config
    from gitfleet.store.locks import SessionLock


def build(workspace: Workspace, config: Config, session: str, proof: SessionLock, *, fold: bool) -> Parts:
    """The parts of one session, whose lock ``proof`` holds.

    Every git call of the session inherits the lock's descriptor: when the lock is free, none of them is still writing.
    """
    git = replace(workspace.repository.git, inherit=(proof.fd,))
    repository = replace(workspace.repository, git=git)
    clone = clone_id(workspace.layout, lambda: secrets.token_hex(8))
    root = pool_root(repository, config.worktrees.root)
    open_store = partial(open_objects, repository, now=workspace.now, committer=Committer(git))
    return Parts(
        repository=repository,
        objects=open_store(),
        open_objects=open_store,
        refs=Refs(git),
        layout=workspace.layout,
        state=State(workspace.layout),
        claims=Claims(workspace.layout, clone),
        journal=Journal(workspace.layout, session, workspace.now),
        host=LocalHost(now=workspace.now),
        proof=proof,
        config=config,
        pool=root,
        trees=Pool(
            repository,
            workspace.layout,
            root,
            session,
            workspace.now,
            most=config.worktrees.most,
            keep=config.pool.keep,
        ),
        fold=fold,
        now=workspace.now,
        monotonic=time.monotonic,
        sleep=time.sleep,
        caller=dict(os.environ),
    )
