"""What must be known about a repository and a target before a session starts, and again before each landing.

Only looks. Where a person has something under way (a rebase, a bisect, a merge), the branch is theirs until they are
done, even while their HEAD is detached.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.command import GitFailed, TimedOut
from gitfleet.git.refs import HEADS, Refs, short, valid_branch
from gitfleet.git.worktrees import entries, registered

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.repository import Repository

FETCH_SECONDS = 300.0

_MARKS = (
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("MERGE_HEAD", "merge"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_START", "bisect"),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something a person has under way in a worktree; ``branches`` are full names of the branches it is about."""

    name: str
    worktree: Path
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The branch that a session lands on: its full name and commit.

    ``creates`` is the full name of the branch it starts from where the target does not exist yet.
    """

    ref: str
    oid: str
    creates: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """How a branch stands to its upstream; ``gone`` when the configured one no longer exists."""

    ref: str
    ahead: int
    behind: int
    gone: bool


def operations(repo: Repository) -> list[Operation]:
    """Every merge, rebase, cherry-pick, revert and bisect under way, in any worktree."""
    found = []
    linked = registered(repo)
    for entry in entries(repo):
        git_dir = linked.get(os.path.realpath(entry.path), repo.common_dir)
        names = [name for mark, name in _MARKS if (git_dir / mark).exists()]
        branches = {entry.branch} if entry.branch else set()
        branches |= {ref for place in _NAMED_IN if (ref := _branch_in(git_dir / place)) is not None}
        found += [Operation(name, entry.path, tuple(sorted(branches))) for name in dict.fromkeys(names)]
    return found


def operation_on(repo: Repository, ref: str) -> str | None:
    """What is under way on a branch, such as ``a rebase in /home/me/project``, or none."""
    for operation in operations(repo):
        if ref in operation.branches:
            return f"a {operation.name} in {operation.worktree}"
    return None


def choose_target(repo: Repository, requested: str | None, new_branch: str) -> Target:
    """Decide what a session lands on: the requested branch, or the current one.

    The current branch of somebody who is on the default branch of a remote is left alone: the target is then
    ``new_branch`` (a short name), which does not exist yet, from there. Raises ``GitfleetError``: ``no-commit-yet``,
    ``detached-head``, ``no-such-branch``, ``invalid-branch``, ``target-busy``.
    """
    refs = Refs(repo.git)
    if requested is not None:
        target = _requested(refs, requested)
    else:
        head = refs.head()
        if head.branch is None and head.oid is not None:
            here = [one for one in operations(repo) if one.worktree == repo.worktree and one.branches]
            if here:
                names = ", ".join(short(branch) for branch in here[0].branches)
                message = f"HEAD is detached here, in the middle of a {here[0].name} of {names}."
                hint = "Finish or abort it, or name another branch with --target."
                raise GitfleetError(Kind.NEEDS_PERSON, "target-busy", message, hint=hint)
            message = "HEAD is detached here, so there is no current branch to land on."
            raise GitfleetError(
                Kind.USAGE, "detached-head", message, hint="Name one with --target, or git switch to one."
            )
        if head.branch is None or head.oid is None:
            raise _no_commit(short(head.branch or "HEAD"))
        target = Target(head.branch, head.oid)
        if short(head.branch) in default_branches(refs):
            ref = HEADS + new_branch
            target = Target(ref, head.oid, creates=head.branch)
    if not target.ref.startswith(HEADS):
        message = f"{target.ref} is not a branch, so nothing can land on it."
        raise GitfleetError(Kind.USAGE, "invalid-branch", message, hint="Name a branch with --target.")
    busy = operation_on(repo, target.ref)
    if busy is not None:
        raise GitfleetError(
            Kind.NEEDS_PERSON,
            "target-busy",
            f"{short(target.ref)} is in {busy}.",
            hint="Finish or abort it, or name another branch with --target.",
        )
    return target


def default_branches(refs: Refs) -> set[str]:
    """Short names of the default branches of the repository's remotes, as far as this clone knows them.

    A remote whose HEAD was never fetched counts with ``main`` and ``master`` where it has them: better one branch too
    many than a commit on what everybody shares.
    """
    known: set[str] = set()
    headless: dict[str, set[str]] = {}
    with_head: set[str] = set()
    done = refs.git.run("for-each-ref", "--format=%(refname)%00%(symref)", "refs/remotes")
    for line in filter(None, done.text.split("\n")):  # a ref name may hold U+2028
        ref, symref = (name.removeprefix("refs/remotes/") for name in line.split("\0"))
        remote, _, branch = ref.rpartition("/")
        if symref and branch == "HEAD":
            known.add(symref.removeprefix(remote + "/"))
            with_head.add(remote)
        elif branch in ("main", "master"):
            headless.setdefault(remote, set()).add(branch)
    return known.union(*(names for remote, names in headless.items() if remote not in with_head))


def upstream(git: Git, ref: str) -> Upstream | None:
    """How far a branch and its upstream are apart, by what was last fetched; none without an upstream."""
    done = git.run("for-each-ref", "--format=%(upstream)%00%(upstream:track,nobracket)", ref)
    name, _, track = done.text.partition("\n")[0].partition("\0")
    if not name:
        return None
    counts = {"ahead": 0, "behind": 0}
    for part in track.split(", "):
        word, _, number = part.partition(" ")
        if word in counts and number.isdigit():
            counts[word] = int(number)
    return Upstream(name, counts["ahead"], counts["behind"], gone=track == "gone")


def fetch(git: Git, ref: str) -> None:
    """Fetch from the remote of a branch's upstream; no branch moves. Raises ``GitfleetError`` (``fetch-failed``)."""
    name = git.run("for-each-ref", "--format=%(upstream:remotename)", ref).text.partition("\n")[0]
    if not name:
        message = f"{short(ref)} has no upstream to fetch from."
        hint = f"git branch --set-upstream-to=<remote>/<branch> {short(ref)}"
        raise GitfleetError(Kind.USAGE, "no-upstream", message, hint=hint)
    try:
        options = ("--quiet", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
        git.run("fetch", *options, "--", name, timeout=FETCH_SECONDS)
    except (GitFailed, TimedOut) as error:
        why = error.completed.error if isinstance(error, GitFailed) else "it took too long"
        raise GitfleetError(Kind.ENVIRONMENT, "fetch-failed", f"git fetch {name} failed: {why}") from error


def folds_case(git: Git) -> bool:
    """Whether two spellings of a path mean one file here (``core.ignoreCase``, as git probed it)."""
    return git.run("config", "--type=bool", "--get", "core.ignoreCase", ok=(0, 1)).text == "true"


_NAMED_IN = ("rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START")


def _branch_in(path: Path) -> str | None:
    try:
        text = os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return None
    if text.startswith("refs/"):
        return text
    # BISECT_START holds a short branch name, or a commit when HEAD was detached; no branch has such a name by accident.
    return HEADS + text if valid_branch(text) else None


def _requested(refs: Refs, name: str) -> Target:
    branch = name.removeprefix(HEADS)
    if not valid_branch(branch):
        message = f"{name!r} is not a name that git takes for a branch."
        raise GitfleetError(Kind.USAGE, "invalid-branch", message, hint="--target takes a local branch, such as main.")
    ref = HEADS + branch
    # A branch may be another name for one (`git symbolic-ref`); the one that holds the commits is what lands.
    ref = refs.symbolic(ref) or ref
    oid = refs.read(ref)
    if oid is None:
        head = refs.head()
        if head.oid is None and head.branch == ref:
            raise _no_commit(branch)
        message = f"There is no branch {branch} here."
        raise GitfleetError(Kind.USAGE, "no-such-branch", message, hint=f"Make it: git branch {branch}")
    return Target(ref, oid)


def _no_commit(branch: str) -> GitfleetError:
    message = f"There is no commit on {branch} yet, and agents need one to start from."
    return GitfleetError(Kind.NEEDS_PERSON, "no-commit-yet", message, hint="git add -A && git commit")
