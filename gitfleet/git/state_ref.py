"""A session's state as a commit, for clones to push and fetch.

The files under the common directory are the authority; this ref mirrors them at each boundary and may lag behind after
a crash. Built in memory: no index, no worktree, no process with libgit2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitfleet.git.trees import FILE, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitfleet.git.objects import Objects

_TRIES = 3


class StateRefBusy(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """Something else kept moving or blocking the ref."""


def commit_blobs(objects: Objects, ref: str, blobs: Mapping[bytes, str], message: str) -> str:
    """Commit exactly these stored files (path to blob) to a private ref, on top of what it holds; gives the commit.

    Unsigned. An unchanged tree makes no new commit. Raises ``StateRefBusy`` when the ref cannot be moved.
    """
    tree = objects.edit_tree(None, {path: TreeEntry(FILE, oid) for path, oid in blobs.items()})
    for _ in range(_TRIES):
        previous = objects.resolve(ref)
        if previous is not None and objects.commit(previous).tree == tree:
            return previous
        commit = objects.create_commit(tree, [previous] if previous else [], message, sign=False)
        if objects.move_private_ref(ref, commit, previous):
            return commit
    msg = f"{ref} could not be moved"
    raise StateRefBusy(msg)
