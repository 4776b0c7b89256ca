"""Snapshots for people: find them, look into one, bring its content back, and prune what is old.

The only way in which a snapshot is ever deleted is ``prune``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, assert_never

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git import rescuing
from gitfleet.git.command import GitFailed
from gitfleet.git.engine import MissingObject
from gitfleet.git.engines import open_objects
from gitfleet.git.refs import Moved, Refused, Updated, valid_branch
from gitfleet.model.base import instant
from gitfleet.model.evidence import WIP
from gitfleet.model.paths import quote_path
from gitfleet.model.reports import (
    RescueApplyReport,
    RescuePruneReport,
    RescueReport,
    RescueShowReport,
    Snapshot,
    SnapshotFile,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gitfleet.app.workspace import Workspace
    from gitfleet.git.objects import Objects
    from gitfleet.git.rescuing import Kept


def listed(workspace: Workspace, session: str | None = None) -> RescueReport:
    """Every snapshot, or those of one session."""
    rows = tuple(_row(workspace, kept) for kept in _of_session(rescuing.kept(workspace.repository), session))
    return RescueReport(snapshots=rows, bytes=sum(row.bytes or 0 for row in rows))


def show(workspace: Workspace, word: str, *, patch: bool) -> RescueShowReport:
    """What one snapshot holds; raises ``GitfleetError`` (``unknown-snapshot``, ``damaged-snapshot``)."""
    snapshot = find(workspace, word)
    with open_objects(workspace.repository, now=workspace.now) as objects:
        try:
            files = rescuing.files(workspace.repository, objects, snapshot)
            text = rescuing.patch(workspace.repository, objects, snapshot) if patch else None
        except (MissingObject, GitFailed) as error:
            raise _damaged(snapshot, error) from error
    return RescueShowReport(
        snapshot=_row(workspace, snapshot),
        files=tuple(SnapshotFile(path=quote_path(file.path), change=file.change, bytes=file.bytes) for file in files),
        patch=text.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode() if text is not None else None,
    )


def patch_of(workspace: Workspace, word: str) -> bytes:
    """The difference of a snapshot from its base, as git writes it, to the byte."""
    snapshot = find(workspace, word)
    with open_objects(workspace.repository, now=workspace.now) as objects:
        try:
            return rescuing.patch(workspace.repository, objects, snapshot)
        except (MissingObject, GitFailed) as error:
            raise _damaged(snapshot, error) from error


def apply(workspace: Workspace, word: str, *, branch: str | None, directory: Path | None) -> RescueApplyReport:
    """Bring a snapshot back: as a new branch, into a new or empty directory, or both.

    Raises ``GitfleetError``: as ``find``, and ``branch-exists``, ``invalid-branch``, ``directory-in-use``.
    """
    snapshot = find(workspace, word)
    if branch is not None and not valid_branch(branch):
        raise GitfleetError(Kind.USAGE, "invalid-branch", f"git takes no branch called {branch}.")
    if directory is not None:
        _check_free(workspace, directory)
    commit = None
    count = None
    with open_objects(workspace.repository, now=workspace.now) as objects:
        try:
            if branch is not None:
                commit = _branch(workspace, objects, snapshot, branch)
            if directory is not None:
                count = rescuing.write_into(workspace.repository, objects, snapshot, directory)
        except (MissingObject, GitFailed) as error:
            raise _damaged(snapshot, error) from error
    return RescueApplyReport(
        snapshot=_row(workspace, snapshot),
        branch=branch,
        commit=commit,
        directory=os.fspath(directory) if directory is not None else None,
        files=count,
    )


def old(workspace: Workspace, seconds: float, session: str | None = None) -> list[Kept]:
    """Snapshots that were taken more than so many seconds ago; one without a date counts as new."""
    now = workspace.now()
    every = _of_session(rescuing.kept(workspace.repository), session)
    return [kept for kept in every if kept.taken is not None and now - kept.taken > seconds]


def prune(workspace: Workspace, going: list[Kept], *, dry_run: bool) -> RescuePruneReport:
    """Delete these snapshots; one that changed since it was looked at stays."""
    total = len(rescuing.kept(workspace.repository))
    gone = [kept for kept in going if dry_run or rescuing.forget(workspace.repository, kept)]
    rows = tuple(_row(workspace, kept) for kept in gone)
    return RescuePruneReport(
        dry_run=dry_run, removed=rows, kept=total - len(gone), bytes=sum(row.bytes or 0 for row in rows)
    )


def find(workspace: Workspace, word: str) -> Kept:
    """The snapshot that a person names: an instance for its newest one, ``instance/n``, a task, or the ref itself.

    Raises ``GitfleetError`` (``unknown-snapshot``, ``ambiguous-snapshot``).
    """
    every = rescuing.kept(workspace.repository)
    name = word.removeprefix(WIP)
    head, slash, last = name.rpartition("/")
    number = int(last) if slash and last.isdecimal() else None
    instance = head if number is not None else name
    mine = [kept for kept in every if kept.instance == instance]
    if not mine:
        mine = [kept for kept in every if kept.facts.task == instance]
        owners = sorted({kept.instance for kept in mine})
        if len(owners) > 1:
            raise GitfleetError(
                Kind.USAGE,
                "ambiguous-snapshot",
                f"{len(owners)} instances of the task {instance} have snapshots.",
                hint="Name one: " + ", ".join(owners) + ".",
            )
    found = [kept for kept in mine if number is None or kept.number == number]
    if not found:
        there = f"it has {', '.join(str(kept.number) for kept in mine)}" if mine else "see `gitfleet rescue`"
        raise GitfleetError(Kind.USAGE, "unknown-snapshot", f"There is no snapshot {word} here.", hint=f"{there}.")
    return found[-1]


def _branch(workspace: Workspace, objects: Objects, snapshot: Kept, branch: str) -> str:
    commit = rescuing.commit_of(objects, snapshot)
    outcome = rescuing.start_branch(workspace.repository, branch, commit)
    match outcome:
        case Updated():
            return commit
        case Moved():
            raise GitfleetError(
                Kind.USAGE,
                "branch-exists",
                f"The branch {branch} exists already; it was not touched.",
                hint="Name a new one with --to, and merge or compare it with yours afterwards.",
            )
        case Refused(why, clash):
            stands = f"{clash} stands where it must go" if clash else why
            raise GitfleetError(Kind.USAGE, "invalid-branch", f"git cannot make the branch {branch}: {stands}.")
        case _:
            assert_never(outcome)


def _check_free(workspace: Workspace, directory: Path) -> None:
    """Refuse a place that holds something, and one inside a git directory."""
    real = os.path.realpath(directory)
    inside = os.path.realpath(workspace.repository.common_dir)
    if real == inside or real.startswith(inside + os.sep):
        raise GitfleetError(Kind.USAGE, "directory-in-use", f"{directory} is inside git's own directory.")
    if os.path.lexists(directory) and (directory.is_symlink() or not directory.is_dir() or any(directory.iterdir())):
        raise GitfleetError(
            Kind.USAGE,
            "directory-in-use",
            f"{directory} is there already and not an empty directory.",
            hint="Name a directory that does not exist yet; nothing is ever written over.",
        )


def _of_session(every: list[Kept], session: str | None) -> list[Kept]:
    def belongs(kept: Kept) -> bool:
        return kept.facts.session == session or kept.instance.startswith(f"fleet-{session}-w")

    return [kept for kept in every if session is None or belongs(kept)]


def _row(workspace: Workspace, kept: Kept) -> Snapshot:
    facts = kept.facts
    return Snapshot(
        instance=kept.instance,
        number=kept.number,
        ref=kept.ref,
        commit=kept.commit,
        session=facts.session,
        task=facts.task,
        attempt=facts.attempt,
        reason=facts.reason if kept.taken is not None else "damaged: it cannot be read",
        taken=instant(kept.taken) if kept.taken is not None else None,
        age_seconds=max(0.0, workspace.now() - kept.taken) if kept.taken is not None else None,
        base=facts.base,
        head=facts.head,
        files=facts.files,
        bytes=facts.bytes,
        cut=facts.cut,
        gaps=facts.gap,
        nested=facts.nested,
    )


def _damaged(snapshot: Kept, error: Exception) -> GitfleetError:
    return GitfleetError(
        Kind.ENVIRONMENT,
        "damaged-snapshot",
        f"The snapshot {snapshot.ref} cannot be brought back: {error}",
        hint="`git fsck` says what is missing; a clone or a backup may still have it.",
    )
