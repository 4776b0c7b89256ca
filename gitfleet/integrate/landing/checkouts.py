"""Which checkouts have a branch, and what a person is in the middle of there.

A branch counts as checked out where HEAD names it, and where a rebase or bisect will go back to it. Git's own list
does not know the place of a main checkout with a separate git directory, nor of a submodule's; those come from
``core.worktree`` or from the checkout in which the command runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.command import Git

# What a person is in the middle of while HEAD still names the branch; landing there would change what their next
# `--continue` or `--abort` does.
_OPERATIONS = (
    ("MERGE_HEAD", "a merge"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("sequencer/todo", "a cherry-pick or revert"),
    ("rebase-apply", "`git am` or a rebase"),
    ("rebase-merge", "a rebase"),
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A working tree and the git directory that holds its HEAD and index."""

    worktree: Path
    git_dir: Path

    def git(self, git: Git) -> Git:
        """The door for this checkout; both places are named, so that nothing is left to discovery."""
        return git.at(self.worktree).having(GIT_DIR=str(self.git_dir), GIT_WORK_TREE=str(self.worktree))


@dataclass(frozen=True, slots=True)
class Head:
    """Where a checkout's HEAD is: the branch it names, links between refs resolved, and its commit."""

    branch: str | None
    oid: str | None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The target is checked out where nothing can be brought along; ``why`` is a clause for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Occupied:
    """A person is in the middle of something with the target; ``why`` is a clause, ``who`` says where."""

    why: str
    who: str


@dataclass(frozen=True, slots=True)
class Heads:
    """Every checkout's HEAD at one moment."""

    of: dict[Checkout, Head]
    lost: dict[Path, Head]
    """Git directories whose working tree cannot be found, although it should be there."""

    def on(self, target: str) -> tuple[Checkout, ...]:
        """Checkouts whose HEAD names the target."""
        return tuple(checkout for checkout, head in self.of.items() if head.branch == target)


def heads(git: Git, common_dir: Path, known: Checkout | None) -> Heads:
    """Read every HEAD in one call; ``known`` is the checkout in which the command runs."""
    places = dict(_linked(common_dir))
    found: dict[Checkout, Head] = {}
    lost: dict[Path, Head] = {}
    records = git.at(common_dir).having(GIT_DIR=str(common_dir)).run("worktree", "list", "--porcelain", "-z").stdout
    for number, record in enumerate(_records(records)):
        if "bare" in record:
            continue
        oid = record.get("HEAD", "")
        head = Head(record.get("branch"), oid if oid.strip("0") else None)
        if number == 0:
            git_dir, worktree = common_dir, _main_worktree(git, common_dir, known)
        else:
            worktree = Path(record["worktree"])
            git_dir = places.get(worktree) or places.get(Path(os.path.realpath(worktree))) or common_dir
            if git_dir == common_dir:
                continue
        if worktree is not None and worktree.is_dir():
            found[Checkout(worktree, git_dir)] = head
        elif number == 0 or "locked" in record:
            # A working tree that is gone holds nobody's work, unless it was locked for being elsewhere for a while.
            lost[git_dir] = head
    return Heads(found, lost)


def occupied(common_dir: Path, target: str, current: Heads) -> Occupied | Unreachable | None:
    """What keeps the target from being moved now, if anything."""
    for git_dir, head in current.lost.items():
        if head.branch == target:
            return Unreachable(f"{target} is checked out in a working tree that cannot be found from {git_dir}")
    places = {checkout.git_dir: checkout.worktree for checkout in current.of}
    on = {checkout.git_dir for checkout in current.on(target)}
    for git_dir in (common_dir, *(path for _, path in _linked(common_dir))):
        where = f"in {places.get(git_dir, git_dir)}"
        if _rebased(git_dir, target):
            return Occupied(f"{target} is being rebased", where)
        if _word(git_dir / "BISECT_START") in {target, target.removeprefix("refs/heads/")}:
            return Occupied(f"{target} is being bisected", where)
        if git_dir in on:
            for name, what in _OPERATIONS:
                if (git_dir / name).exists():
                    return Occupied(f"{what} is under way on {target}", where)
    return None


def _rebased(git_dir: Path, target: str) -> bool:
    if target in {_word(git_dir / "rebase-merge/head-name"), _word(git_dir / "rebase-apply/head-name")}:
        return True
    return target in _text(git_dir / "rebase-merge/update-refs").split("\n")


def _main_worktree(git: Git, common_dir: Path, known: Checkout | None) -> Path | None:
    configured = git.at(common_dir).having(GIT_DIR=str(common_dir)).run("config", "-z", "core.worktree", ok=(0, 1))
    if configured.stdout:
        return Path(os.path.realpath(common_dir / os.fsdecode(configured.stdout.split(b"\0")[0])))
    if common_dir.name == ".git":
        return common_dir.parent
    if known is not None and known.git_dir == common_dir:
        return known.worktree
    return None


def _linked(common_dir: Path) -> Iterator[tuple[Path, Path]]:
    try:
        names = sorted((common_dir / "worktrees").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for git_dir in names:
        place = _word(git_dir / "gitdir")
        if place:
            # Git 2.48 may write a path relative to the git directory.
            yield Path(os.path.normpath(git_dir / place)).parent, git_dir


def _records(raw: bytes) -> Iterator[dict[str, str]]:
    for block in raw.split(b"\0\0"):
        lines = [os.fsdecode(line) for line in block.split(b"\0") if line]
        if lines:
            yield {name: value for name, _, value in (line.partition(" ") for line in lines)}


def _word(path: Path) -> str:
    return _text(path).rstrip("\n")


def _text(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return ""
