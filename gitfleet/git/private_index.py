"""Looking at a worktree through a private copy of its index, so that nothing that hides edits can hide them from us.

Works on the administrative directory rather than the ``.git`` file, because an agent may leave a held index lock, a
deleted ``.git``, a merge half done, a broken index, or bits in the index that hide edits.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.git.command import Git, GitFailed
from gitfleet.git.index_bits import may_hide
from gitfleet.git.refs import Refs
from gitfleet.git.status import Status, read_status, reveal_hidden

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.worktrees import Worktree

# Line endings and filters apply as in the agent's own `git add`; a warning about line endings must not stop us, and
# an edit that kept size and times must not hide.
SETTINGS = (
    "core.safecrlf=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "index.sparse=false",
    "advice.addEmbeddedRepo=false",
)

_OPERATIONS = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_START": "bisect",
}


def scratch_of(worktree: Worktree) -> tempfile.TemporaryDirectory[str]:
    """A directory for such a copy, below the worktree's own.

    Where something still writes into it when it is to go, it stays, and goes with the worktree: a coordinator that ends
    at once does not wait for the git calls of its threads.
    """
    return tempfile.TemporaryDirectory(prefix="gitfleet-index-", dir=worktree.git_dir, ignore_cleanup_errors=True)


def private_status(git: Git, worktree: Worktree, index: Path, *, ignored: bool = False) -> tuple[Git, Status]:
    """What differs in a worktree, and a door that uses ``index``, a copy of its index in which nothing is hidden.

    ``git`` is a door on the worktree with ``SETTINGS``. A missing or broken index counts as one of what HEAD holds.
    """
    private = git.having(GIT_INDEX_FILE=str(index))
    try:
        # With its times: git takes a file that is as young as the index for possibly changed, and would trust it if the
        # copy were younger.
        shutil.copy2(worktree.git_dir / "index", index)
        if may_hide(index.read_bytes()):
            reveal_hidden(private, worktree.path)
        return private, read_status(private, ignored=ignored)
    except (FileNotFoundError, GitFailed):
        # No index, or a broken one: what HEAD holds is what was there.
        index.unlink(missing_ok=True)
        private.run("read-tree", "--empty" if Refs(git).head().oid is None else "HEAD")
        return private, read_status(private, ignored=ignored)


def merge_heads(git_dir: Path) -> list[str]:
    """Parents of a merge that was begun and not committed, as `git commit` would record them."""
    with suppress(OSError):
        return (git_dir / "MERGE_HEAD").read_text("ascii").split()
    return []


def operation(git_dir: Path) -> str | None:
    """What is under way in a worktree (``merge``, ``rebase``, ...)."""
    return next((name for mark, name in _OPERATIONS.items() if (git_dir / mark).exists()), None)
