"""Finishing a landing that died: forward once the target moved, else as if it had never begun.

Whoever recovers holds the landing's directory, and the dead landing's git calls held it too: that it can be had proves
that none of them still runs. Recovery may itself die anywhere and be called again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitfleet.git import index as git_index
from gitfleet.integrate.landing import swap as ref
from gitfleet.integrate.landing.checkouts import Checkout, heads
from gitfleet.integrate.landing.follow import settle
from gitfleet.integrate.landing.intent import Intent, Workspace
from gitfleet.integrate.landing.outcome import POLL_SECONDS, Busy, InTheWay, Landed, NotLanded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitfleet.git.command import Git
    from gitfleet.git.index import IndexLock
    from gitfleet.integrate.landing.outcome import Obstacle, RecoveryOutcome


def recover(
    directory: Path,
    git: Git,
    common_dir: Path,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    wait: float = 5.0,
) -> RecoveryOutcome:
    """Finish or undo the landing whose directory this is (``pending`` lists them).

    ``wait`` is how long, in seconds, a person's index lock is waited for. With ``InTheWay`` or ``Busy`` the
    intent stays, everything else is written, and calling again after the paths were moved away finishes.
    """
    workspace = Workspace(directory)
    with workspace.held() as descriptor:
        if descriptor is None:
            return Busy(f"the landing {directory.name} is under way", "another gitfleet process", landed=True)
        git = replace(git, inherit=(*git.inherit, descriptor))
        return finish(workspace, git, common_dir, clock=clock, sleep=sleep, wait=wait)


def finish(
    workspace: Workspace,
    git: Git,
    common_dir: Path,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    wait: float,
) -> RecoveryOutcome:
    """Do what ``recover`` does, for a caller that holds the workspace."""
    intent = workspace.read()
    if intent is None:
        workspace.remove()
        return NotLanded()
    git = git.at(common_dir).having(GIT_DIR=str(common_dir))
    if not _moved(git, intent):
        return _forget(workspace, intent)
    ref.write_refs(git, intent.refs)
    deadline = clock() + wait
    followed: list[Path] = []
    left: list[Obstacle] = []
    for number, note in enumerate(intent.checkouts):
        checkout = note.checkout
        if not checkout.worktree.is_dir() or not checkout.git_dir.is_dir():
            # The working tree was removed since; nobody's files wait there.
            continue
        lock = workspace.lock(number, checkout)
        ours = lock.held()
        waiting = workspace.marker(number).exists() or bool(note.pending)
        if waiting and not _taken(lock, clock, sleep, deadline):
            return Busy(f"{lock.path} is held", lock.holder(), landed=True)
        if _concerned(git, common_dir, checkout, intent, ours=ours):
            intent, obstacles = _bring_along(git, workspace, intent, number)
            left += obstacles
            followed.append(checkout.worktree)
        workspace.marker(number).unlink(missing_ok=True)
        lock.release()
    if left:
        return InTheWay(tuple(left), landed=True)
    workspace.remove()
    return Landed(tuple(followed))


def _forget(workspace: Workspace, intent: Intent) -> NotLanded:
    for number, note in enumerate(intent.checkouts):
        workspace.lock(number, note.checkout).release()
    workspace.remove()
    return NotLanded()


def _taken(lock: IndexLock, clock: Callable[[], float], sleep: Callable[[float], None], deadline: float) -> bool:
    while not lock.acquire():
        if clock() >= deadline:
            return False
        sleep(POLL_SECONDS)
    return True


def _moved(git: Git, intent: Intent) -> bool:
    """Whether the target moved: it is at the new commit or past it, or its reflog says that it was there."""
    actual = ref.read(git, intent.target)
    if actual == intent.old and intent.old != intent.new:
        return False
    if actual is not None and git.run("merge-base", "--is-ancestor", intent.new, actual, ok=(0, 1, 128)).code == 0:
        return True
    told = git.run("log", "-g", "--format=%gs", intent.target, "--", ok=(0, 128)).text.split("\n")
    ours = (f"gitfleet: land {intent.id}", f"gitfleet: take back {intent.id}")
    return next((line for line in told if line in ours), "") == ours[0]


def _concerned(git: Git, common_dir: Path, checkout: Checkout, intent: Intent, *, ours: bool) -> bool:
    """Whether the checkout's files should be those of the new commit.

    Without our lock a person may have gone on; then only a HEAD that is exactly there still waits for its files.
    """
    head = heads(git, common_dir, checkout).of.get(checkout)
    if head is None:
        return False
    return head.oid == intent.new or (ours and head.branch == intent.target)


def _bring_along(git: Git, workspace: Workspace, intent: Intent, number: int) -> tuple[Intent, tuple[Obstacle, ...]]:
    first = workspace.marker(number).exists()
    again = intent.pending(number)
    checkout = intent.checkouts[number].checkout
    lock = workspace.lock(number, checkout)
    copy = workspace.scratch(f"roll-{number}")
    if not (first or again) or not git_index.copy_index(lock.index, copy):
        return intent, ()
    changes = git_index.changes(git, intent.old, intent.new)
    left = settle(git, checkout, workspace, intent.new, changes, copy, again=None if first else again)
    if left.paths or again:
        intent = intent.leaving(number, left.paths)
        workspace.write(intent)
    lock.replace_index(copy)
    return intent, left.obstacles
