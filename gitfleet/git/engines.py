"""Which engine a repository gets.

The choice reads the repository's own configuration file and asks git only when that file declares an extension, so
that the usual repository costs no process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gitfleet.git.engine_binary import BinaryEngine
from gitfleet.git.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.git.identity import Committer
    from gitfleet.git.repository import Repository

# Extensions of the repository format that libgit2 reads as git does; any other, and git does the reading.
_HARMLESS = frozenset({"extensions.worktreeconfig", "extensions.noop", "extensions.preciousobjects"})


def open_objects(
    repo: Repository, *, now: Callable[[], float] = time.time, committer: Committer | None = None
) -> Objects:
    """Open the object store with libgit2 where it can, and with the git binary where it cannot."""
    if not _foreign(repo):
        import pygit2  # noqa: PLC0415 - 60 ms that commands without objects do not pay

        from gitfleet.git.engine_pygit2 import LibgitEngine  # noqa: PLC0415

        try:
            return Objects(repo.git, LibgitEngine(repo.common_dir), now=now, committer=committer)
        except (pygit2.GitError, KeyError, OSError):
            pass
    return Objects(repo.git, BinaryEngine(repo.git), now=now, committer=committer)


def _foreign(repo: Repository) -> bool:
    return any(name not in _HARMLESS for name in _declared(repo))


def _declared(repo: Repository) -> set[str]:
    """Extensions and promisor remotes, as lower-case configuration names; none costs no process."""
    config = repo.common_dir / "config"
    try:
        text = config.read_bytes().lower()
    except OSError:
        return set()
    if b"extensions" not in text and b"promisor" not in text:
        return set()
    # Only the repository's own file counts for extensions; git ignores them anywhere else.
    done = repo.git.run("config", "--file", str(config), "-z", "--name-only", "--list")
    names = {name.decode("utf-8", "replace").lower() for name in done.stdout.split(b"\0")}
    return {name for name in names if name.startswith("extensions.") or name.endswith(".promisor")}
