"""Worktrees of attempts: make them fast and safely, list them, take them away only when nothing is lost.

Git's own parallel creation races, so one lock is held around ``worktree add`` and the checkout happens outside it.
Nothing here prunes or removes a worktree that it was not given: somebody's may be on a disk that is not mounted.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import Git, GitFailed
from gitfleet.git.index import sync_directory
from gitfleet.git.refs import HEADS, Moved, Refs, Refused, Updated, short, zero

if TYPE_CHECKING:
    from gitfleet.git.repository import Repository

INSTANCE_FILE = ".fleet-instance-id"

Lock = AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class Worktree:
    """A linked worktree: its files and its administrative directory, which stays when the files are broken."""

    path: Path
    git_dir: Path

    def git(self, door: Git) -> Git:
        """A door that works on this worktree even when its ``.git`` file was damaged or deleted."""
        return door.at(self.path).having(GIT_DIR=str(self.git_dir), GIT_WORK_TREE=str(self.path))


@dataclass(frozen=True, slots=True)
class WorktreeEntry:
    """One line of ``git worktree list``; the first is the main one. ``branch`` is a full name."""

    path: Path
    head: str | None
    branch: str | None
    bare: bool = False
    locked: bool = False
    prunable: bool = False


@dataclass(frozen=True, slots=True)
class BranchTaken:
    """The task branch could not be made: it exists, or another ref stands where it must go."""

    ref: str
    why: str


def add(
    repo: Repository,
    path: Path,
    commit: str,
    branch: str | None,
    lock: Lock,
    *,
    instance: str | None = None,
    old: str | None = None,
    checkout: bool = True,
) -> Worktree | BranchTaken:
    """Make a worktree at a commit, on a new branch (short name) or detached, and check its files out.

    ``lock`` is held while git registers the worktree; adds may otherwise run at the same time. ``instance`` is written
    to ``.fleet-instance-id``. ``old`` is where an existing branch is known to be, to start it anew. Without
    ``checkout`` there is neither a file nor an index yet. Filters, LFS and attributes apply as in a checkout of
    the user's, sparse patterns do not; hooks do not run. Raises ``GitfleetError`` (``worktree-failed``) when git cannot
    make it or check it out; nothing is left behind then but the branch.
    """
    if branch is not None:
        taken = start_branch(repo, branch, commit, old)
        if taken is not None:
            return taken
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with lock:
            # On its branch at once, which exists by now: a process less than to detach first and move HEAD afterwards.
            # Forced, since the tree of an earlier attempt, which is kept, is on the same branch.
            where = ["--detach", str(path), commit] if branch is None else ["--force", str(path), branch]
            if instance is not None:
                # First: what can be refused is done before there is a tree that nobody would know of.
                exclude(repo.common_dir, INSTANCE_FILE)
            repo.git.run("worktree", "add", "--quiet", "--no-checkout", *where)
    except GitFailed as error:
        raise _failed(path, error) from error
    made = locate(repo, path)
    assert made is not None  # noqa: S101 - git has just registered it
    # git copies the user's sparse patterns into each new worktree. What a task may write would be missing there, an
    # agent that appends to such a file would replace it, and a check would pass on a part of the tree. Without patterns
    # git takes every path for wanted, whatever core.sparseCheckout says.
    (made.git_dir / "info" / "sparse-checkout").unlink(missing_ok=True)
    git = made.git(repo.git)
    try:
        # `reset --hard` is the checkout that never asks: an index is made, filters are applied.
        if checkout:
            git.having("submodule.recurse=false").run("reset", "--hard", "--quiet", "HEAD")
    except GitFailed as error:
        # Made a moment ago, by us, and half checked out: there is nobody's work in it. The lock may be of the kind that
        # can be taken only once, and forgetting one worktree does not need it.
        shutil.rmtree(path)
        _forget(repo, made)
        raise _failed(path, error) from error
    if instance is not None:
        write_instance(path, instance)
    return made


def entries(repo: Repository) -> list[WorktreeEntry]:
    """All worktrees of the repository, the main one first; of a bare repository, the first is the git directory."""
    found = []
    for block in repo.git.run("worktree", "list", "--porcelain", "-z").stdout.split(b"\0\0"):
        facts = dict(line.partition(b" ")[::2] for line in block.split(b"\0") if line)
        if b"worktree" not in facts:
            continue
        head = facts.get(b"HEAD", b"").decode("ascii")
        branch = facts.get(b"branch")
        found.append(
            WorktreeEntry(
                path=Path(os.fsdecode(facts[b"worktree"])),
                head=head if head.strip("0") else None,
                branch=os.fsdecode(branch) if branch is not None else None,
                bare=b"bare" in facts,
                locked=b"locked" in facts,
                prunable=b"prunable" in facts,
            )
        )
    return found


def registered(repo: Repository) -> dict[str, Path]:
    """Administrative directories of the linked worktrees, by the real path of their files (which may be gone)."""
    found = {}
    with suppress(FileNotFoundError):
        for place in (repo.common_dir / "worktrees").iterdir():
            root = _root_of(place)
            if root is not None:
                found[root] = place
    return found


def _root_of(place: Path) -> str | None:
    """The real path of the files that an administrative directory is for; none when it cannot be read."""
    try:
        pointer = os.fsdecode((place / "gitdir").read_bytes().removesuffix(b"\n"))
    except OSError:
        return None
    return os.path.realpath(os.path.dirname(place / pointer))  # noqa: PTH120 - a file name may hold any byte


def locate(repo: Repository, path: Path) -> Worktree | None:
    """The linked worktree at a path, whether or not its files still exist; none when git knows no such."""
    # Git names the directory after the path, with a number where that is taken: the usual case needs no look at all.
    usual = repo.common_dir / "worktrees" / path.name
    if _root_of(usual) == os.path.realpath(path):
        return Worktree(Path(path), usual)
    git_dir = registered(repo).get(os.path.realpath(path))
    return Worktree(Path(path), git_dir) if git_dir is not None else None


def retire(repo: Repository, worktree: Worktree, trash: Path, lock: Lock) -> Path | None:
    """Move a worktree's files to a new name in the trash and make git forget it; the caller has proved it pristine.

    ``trash`` must be on the same filesystem. May be called again after a crash in between. Gives the place in the
    trash, or none when the files were gone.
    """
    place: Path | None = None
    if worktree.path.exists():
        trash.mkdir(parents=True, exist_ok=True)
        number = 0
        while (free := trash / f"{worktree.path.name}.{number}").exists():
            number += 1
        worktree.path.rename(free)
        place = free
    with lock:
        _forget(repo, worktree)
    return place


def empty_trash(trash: Path) -> int:
    """Delete what is in the trash; gives the bytes freed. Symbolic links are deleted, never followed."""
    freed = 0
    with suppress(FileNotFoundError):
        for place in list(trash.iterdir()):
            for root, _, files in os.walk(place):
                for name in files:
                    with suppress(OSError):
                        freed += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 - any byte may be in a name
            shutil.rmtree(place)
    return freed


def exclude(common_dir: Path, name: str) -> None:
    """List a name at the root of every worktree in the shared ``info/exclude``, once; what people wrote stays.

    Durable. The caller holds a lock: two writers would lose one line.
    """
    path = Path(os.path.realpath(common_dir / "info" / "exclude"))
    line = b"/" + os.fsencode(name)
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        content, mode = b"", 0o644
    if line in content.splitlines():
        return
    if content and not content.endswith(b"\n"):
        content += b"\n"
    # Always the same name, so that what a killed writer left goes with the next.
    temporary = path.with_name(f"{path.name}.gitfleet")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content + line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def start_branch(repo: Repository, branch: str, commit: str, old: str | None) -> BranchTaken | None:
    """Make a task branch at a commit, or start the one at ``old`` anew."""
    ref = HEADS + branch
    outcome = Refs(repo.git).update(ref, commit, old or zero(commit), why="gitfleet: start a task")
    match outcome:
        case Updated():
            return None
        case Moved(actual):
            return BranchTaken(
                ref, f"the branch {branch} exists already, at {actual}" if actual else f"{branch} is gone"
            )
        case Refused(why, clash):
            return BranchTaken(ref, f"the branch {short(clash)} stands where {branch} must go" if clash else why)
        case _:
            assert_never(outcome)


def go_to(door: Git, worktree: Worktree, commit: str, *, old: str) -> None:
    """Move what HEAD names from one commit to another, and index and files with it, whatever is in the way.

    Whoever calls this has kept what the files hold. Begun again after a crash, it comes to the same end.
    """
    settings = ("core.fsync=reference", "submodule.recurse=false", "core.sparseCheckout=false")
    git = worktree.git(door).having(*settings)
    (worktree.git_dir / "index.lock").unlink(missing_ok=True)
    git.run("update-ref", "-m", "gitfleet: spill", "HEAD", commit, old)
    git.run("read-tree", "--reset", "-u", commit)


def _forget(repo: Repository, worktree: Worktree) -> None:
    """Make git forget a worktree whose files are gone."""
    if locate(repo, worktree.path) is not None:
        repo.git.run("worktree", "remove", "--force", "--force", "--", str(worktree.path))


def _failed(path: Path, error: GitFailed) -> GitfleetError:
    message = f"git could not make a worktree at {path}: {error.completed.error}"
    return GitfleetError(Kind.ENVIRONMENT, "worktree-failed", message)


def write_instance(path: Path, instance: str) -> None:
    """Write whose tree it is into it, for people and agents; a tracked file of that name is left as it is."""
    place = path / INSTANCE_FILE
    # A link that a hostile commit put there is not followed.
    with suppress(FileExistsError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(place, flags, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(instance + "\n")
