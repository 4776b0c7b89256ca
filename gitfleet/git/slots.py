"""A tree of the pool changes hands: renewed for its next attempt, emptied for nobody, or set aside.

Nothing of the attempt before may reach the next one: neither files nor what its administrative directory says (bits in
the index, sparse patterns, a merge under way, settings of its own). Files that the next attempt has as they are keep
inode and times, so that build tools take them for unchanged. Whoever calls this has proved that nothing is lost with
what the tree holds, and that no process works in it.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed
from gitfleet.git.index import sync_directory
from gitfleet.git.index_bits import may_hide
from gitfleet.git.private_index import SETTINGS
from gitfleet.git.worktrees import INSTANCE_FILE, Worktree, locate, start_branch, write_instance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.repository import Repository
    from gitfleet.git.worktrees import BranchTaken, Lock

QUARANTINE = ".quarantine"

# What git itself needs to know a worktree; with reftable the refs are in a directory of their own.
_KEPT = frozenset({"HEAD", "commondir", "gitdir", "index", "logs", "reftable", "refs"})


def usable(repo: Repository, path: Path) -> Worktree | None:
    """The tree at a path when it is a real directory that git knows; none for anything else that has the name.

    One that somebody locked is theirs to unlock.
    """
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            return None
    except OSError:
        return None
    found = locate(repo, path)
    if found is None or (found.git_dir / "locked").exists() or (path / ".git").is_dir() or (path / ".git").is_symlink():
        return None
    return found


def has_modules(worktree: Worktree) -> bool:
    """Whether submodules were filled in here: their git directories, and what was committed there, lie with it."""
    with suppress(OSError):
        return any((worktree.git_dir / "modules").iterdir())
    return False


def scrub(worktree: Worktree) -> None:
    """Let nothing but the bare facts stay in the administrative directory, and point the tree's ``.git`` at it."""
    for place in list(worktree.git_dir.iterdir()):
        if place.name in _KEPT:
            continue
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    # Refs of this worktree alone, such as those of a bisect; with reftable there is only a stub.
    refs = worktree.git_dir / "refs"
    if refs.is_dir() and not (worktree.git_dir / "reftable").exists():
        shutil.rmtree(refs)
    pointer, wanted = worktree.path / ".git", b"gitdir: " + os.fsencode(worktree.git_dir) + b"\n"
    with suppress(OSError):
        if not pointer.is_symlink() and pointer.read_bytes() == wanted:
            return
    pointer.unlink(missing_ok=True)
    pointer.write_bytes(wanted)


def renew(
    repo: Repository,
    worktree: Worktree,
    commit: str,
    branch: str,
    *,
    instance: str,
    old: str | None = None,
    keep: Sequence[str] = (),
) -> BranchTaken | None:
    """Give a tree to the next attempt, on its own branch at a commit; only files that differ are written.

    ``old`` is where an existing branch is known to be. ``keep`` are patterns of ignored files that stay, as
    ``git clean -e`` reads them. Raises ``GitFailed`` and ``OSError``; the tree is then nobody's.
    """
    taken = start_branch(repo, branch, commit, old)
    if taken is not None:
        return taken
    git = _scrubbed(repo, worktree)
    # Forced: what the attempt before left was kept. The branch may be checked out in a tree that was set aside.
    git.run("checkout", "--force", "--quiet", "--ignore-other-worktrees", "--no-guess", branch, "--")
    _clean(git, keep)
    write_instance(worktree.path, instance)
    return None


def empty(repo: Repository, worktree: Worktree, *, keep: Sequence[str] = ()) -> None:
    """Leave a tree to nobody: nothing in it but what its commit holds and what is kept, and no branch held by it."""
    git = _scrubbed(repo, worktree)
    git.run("checkout", "--force", "--quiet", "--detach", "--")
    _clean(git, keep)


def _scrubbed(repo: Repository, worktree: Worktree) -> Git:
    scrub(worktree)
    git = worktree.git(repo.git).having(*SETTINGS, "submodule.recurse=false", "core.sparseCheckout=false")
    index = worktree.git_dir / "index"
    try:
        plain = not may_hide(index.read_bytes())
    except OSError:
        plain = False
    if not plain:
        # Built again from HEAD without a word on any file: every one is then looked into, and those that are as HEAD
        # has them are left alone.
        index.unlink(missing_ok=True)
        git.run("read-tree", "HEAD")
        git.run("update-index", "-q", "--really-refresh", ok=(0, 1))
    return git


def _clean(git: Git, keep: Sequence[str]) -> None:
    """Take away what no commit holds, but for what is kept."""
    excluded = [word for pattern in keep for word in ("-e", pattern)]
    git.run("clean", "-ffdxq", *excluded)
    if keep:
        # What is kept must be ignored, or the next attempt would commit it.
        git.run("clean", "-ffdq")


def set_aside(repo: Repository, path: Path, name: str, reason: str, lock: Lock) -> Path:
    """Rename a tree out of the pool, for a person to look at; git is told where it is and never prunes it.

    Gives its place. ``name`` is what it will be called, with a number where that is taken.
    """
    shelf = path.parent / QUARANTINE
    shelf.mkdir(exist_ok=True)
    with lock:
        worktree = locate(repo, path)
        number = 0
        while os.path.lexists(place := shelf / (f"{name}.{number}" if number else name)):
            number += 1
        if worktree is not None:
            # Before the rename: from then on a `git worktree prune` of anybody would forget it.
            repo.git.run("worktree", "lock", "--reason", reason, "--", str(path), ok=(0, 128))
        path.rename(place)
        sync_directory(shelf)
        sync_directory(path.parent)
        if worktree is not None:
            _told(repo, worktree, place)
    return place


def mend_quarantine(repo: Repository, root: Path) -> None:
    """Tell git where set-aside trees are that a crash left between their rename and that."""
    with suppress(OSError):
        for place in (root / QUARANTINE).iterdir():
            if place.is_symlink() or not (place / ".git").is_file() or locate(repo, place) is not None:
                continue
            pointer = (place / ".git").read_bytes().removeprefix(b"gitdir: ").removesuffix(b"\n")
            git_dir = repo.common_dir / "worktrees" / os.path.basename(os.fsdecode(pointer))  # noqa: PTH119 - any byte
            known = git_dir / "gitdir"
            if known.is_file() and not os.path.lexists(os.fsdecode(known.read_bytes().removesuffix(b"\n"))):
                _told(repo, Worktree(place, git_dir), place)


def _told(repo: Repository, worktree: Worktree, place: Path) -> None:
    pointer = place / ".git"
    if pointer.is_file() and not pointer.is_symlink():
        with suppress(GitFailed):
            repo.git.run("worktree", "repair", "--", str(place))
    if locate(repo, place) is None:
        # Its own `.git` is damaged, so `repair` cannot tell which worktree it is.
        (worktree.git_dir / "gitdir").write_bytes(os.fsencode(pointer) + b"\n")


def debris(repo: Repository, path: Path) -> bool:
    """Take away a tree whose making was cut off before a file was in it; says whether the place is free now."""
    if os.path.lexists(path):
        try:
            names = {place.name for place in path.iterdir()}
        except OSError:
            return False
        if path.is_symlink() or not names <= {".git", INSTANCE_FILE} or (path / ".git").is_dir():
            return False
        for name in names:
            (path / name).unlink()
        path.rmdir()
    if locate(repo, path) is not None:
        repo.git.run("worktree", "remove", "--force", "--force", "--", str(path))
    return True
