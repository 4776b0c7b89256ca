"""What an attempt left in its worktree, as one commit: nothing that it wrote may be missed or lost.

Works by plumbing on a copy of the index, on the administrative directory rather than the ``.git`` file, because an
agent may leave a held index lock, a deleted ``.git``, a merge half done, a detached HEAD, or bits in the index that
hide edits. Ignored files are not collected, and neither are nested repositories: those are named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.git.command import Git, GitFailed
from gitfleet.git.private_index import SETTINGS, merge_heads, operation, private_status, scratch_of
from gitfleet.git.refs import HEADS, Refs, Updated, zero
from gitfleet.git.worktrees import INSTANCE_FILE, Worktree
from gitfleet.model.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitfleet.git.objects import Objects
    from gitfleet.git.status import Status


_ELSEWHERE = frozenset({"rebase", "bisect"})
"""Operations that have HEAD on other commits while they are under way."""


@dataclass(frozen=True, slots=True)
class Collected:
    """All work of an attempt, reachable from ``tip``.

    ``committed`` says whether a commit had to be made for it. The attempt's branch points at ``tip``, unless the branch
    holds other commits: then ``kept`` names the ref that holds the tip. ``unmerged`` are the paths left with conflicts,
    ``nested`` the repositories inside the worktree, and submodules with uncommitted work, whose content is in no commit
    of this one.
    """

    tip: str
    committed: bool
    nested: tuple[bytes, ...] = ()
    unmerged: tuple[bytes, ...] = ()
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Uncollected:
    """git could not read or store what is there, or it is ``unfinished``; the worktree is as the attempt left it."""

    why: str
    unfinished: bool = False


def commit_work(
    objects: Objects,
    door: Git,
    worktree: Worktree,
    message: str,
    *,
    branch: str,
    keep: Callable[[str], str],
    half_staged: Callable[[], object] = lambda: None,
    whole: bool = False,
) -> Collected | Uncollected:
    """Commit what is uncommitted or untracked in an attempt's worktree, on top of its HEAD.

    ``branch`` is the attempt's branch (short name), which is moved to the result where it is an ancestor of it;
    otherwise ``keep`` puts it under a ref and names that, or raises ``OSError``. ``half_staged`` is called first where
    the index holds content that the files do not, which no commit of them has. With ``whole`` nothing is committed of
    what is half done: it would be taken for a result. The attempt's processes must be gone. Afterwards the worktree is
    at the result: running it again commits nothing.
    """
    git = worktree.git(door).having(*SETTINGS)
    try:
        with scratch_of(worktree) as scratch:
            index = Path(scratch) / "index"
            private, status = private_status(git, worktree, index)
            if whole and (left := _half_done(worktree, status)):
                return Uncollected(left, unfinished=True)
            if status.half_staged:
                half_staged()
            head = status.head
            tip, committed = head, False
            if head is None or status.anything:
                tree = _stage(private, status)
                parents = ([head] if head else []) + merge_heads(worktree.git_dir)
                if head is None or len(parents) > 1 or tree != objects.commit(head).tree:
                    tip, committed = objects.create_commit(tree, parents, message), True
            assert tip is not None  # noqa: S101 - without a HEAD there is always a commit to make
            kept = _attach(Refs(git), objects, status, HEADS + branch, tip, keep)
            if status.anything:
                # The worktree is the attempt's and nobody uses it any more: with the commit's index in place it reads
                # as clean. A lock that a killed git left guards nobody.
                (worktree.git_dir / "index.lock").unlink(missing_ok=True)
                os.replace(index, worktree.git_dir / "index")  # noqa: PTH105 - one rename, said as such
    except GitFailed as error:
        return Uncollected(str(error))
    except OSError as error:
        return Uncollected(f"{error.strerror}: {error.filename}")
    return Collected(
        tip=tip,
        committed=committed,
        nested=status.nested,
        unmerged=status.unmerged,
        kept=kept,
    )


@dataclass(frozen=True, slots=True)
class Remains:
    """What would be lost with a worktree, one clause each: ``work`` of somebody, and ``ignored`` files."""

    work: tuple[str, ...]
    ignored: tuple[str, ...]


def untidy(door: Git, worktree: Worktree, *, ignored: bool = True) -> tuple[str, ...]:
    """Why a worktree must not be taken away, one reason each; empty when nothing would be lost with it.

    Ignored files count unless told not to; see ``remains``.
    """
    found = remains(door, worktree)
    return (*found.work, *found.ignored) if ignored else found.work


def remains(door: Git, worktree: Worktree) -> Remains:
    """What would be lost with a worktree; one look.

    Work is uncommitted and untracked files, edits hidden by index bits, nested repositories, an operation under way,
    and a detached HEAD that no ref reaches.
    """
    git = worktree.git(door).having(*SETTINGS)
    with scratch_of(worktree) as scratch:
        _, status = private_status(git, worktree, Path(scratch) / "index", ignored=True)
    reasons = [f"uncommitted: {os.fsdecode(path)}" for path in (*status.unmerged, *status.changed)]
    reasons += [f"untracked: {os.fsdecode(path)}" for path in status.untracked]
    reasons += [f"nested repository: {os.fsdecode(path)}" for path in status.nested]
    under_way = operation(worktree.git_dir)
    if under_way is not None:
        reasons.append(f"a {under_way} is under way")
    if status.branch is None and status.head is not None:
        held = git.run("for-each-ref", "--count=1", "--contains", status.head)
        if not held.stdout:
            reasons.append(f"detached HEAD that no ref holds: {status.head}")
    own = os.fsencode(INSTANCE_FILE)
    return Remains(tuple(reasons), tuple(f"ignored: {os.fsdecode(path)}" for path in status.ignored if path != own))


def _stage(private: Git, status: Status) -> str:
    untracked = [path for path in status.untracked if path != os.fsencode(INSTANCE_FILE)]
    paths = [*status.unmerged, *status.unstaged, *untracked]
    if paths:
        lines = b"".join(path + b"\0" for path in paths)
        private.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=lines)
    return private.run("write-tree").text


def _half_done(worktree: Worktree, status: Status) -> str:
    """What an attempt began in git and did not end, as a clause; a merge without conflicts only lacks its commit."""
    if status.unmerged:
        return f"conflicts are not resolved in {', '.join(quote_path(path) for path in status.unmerged)}"
    under_way = operation(worktree.git_dir)
    return f"a {under_way} is under way" if under_way in _ELSEWHERE else ""


def _attach(refs: Refs, objects: Objects, status: Status, ref: str, tip: str, keep: Callable[[str], str]) -> str | None:
    """Make the tip reachable: from the attempt's branch where that loses nothing, else from the ref to keep it."""
    at = objects.resolve(ref)
    forward = at is None or objects.is_ancestor(at, tip)
    if forward and at != tip:
        forward = isinstance(refs.update(ref, tip, at or zero(tip), why="gitfleet: collect"), Updated)
    if forward:
        if status.branch != ref:
            refs.git.run("symbolic-ref", "HEAD", ref)
        return None
    kept = keep(tip)
    refs.git.run("update-ref", "--no-deref", "HEAD", tip)
    return kept
