"""Kills the taking of a snapshot before and after every step that could leave something behind.

Run as a program of its own, so that it may fork: `python -m tests.crash.snapshot_driver REPOSITORY WORKTREE BASE`.
For k = 0, 1, 2, ... the child kills itself right before (even k) or right after (odd k) its (k // 2)-th step; a fresh
child then takes the snapshot again. Each round starts without snapshots; what the recovered ones are is printed, one a
line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gitfleet.git import snapshots
from gitfleet.git.command import Git
from gitfleet.git.engines import open_objects
from gitfleet.git.repository import discover
from gitfleet.git.snapshots import Origin, Taken
from gitfleet.git.worktrees import locate
from gitfleet.model.evidence import WIP
from tests.crash.landing_driver import STEPS, Bomb

INSTANCE = "fleet-s-abc123-w1-a1"


def take(repository: Path, worktree: Path, base: str, at: int | None) -> None:
    """Take one, with a bomb under it where a step is named."""
    found = discover(repository)
    place = locate(found, worktree)
    assert place is not None
    if at is not None:
        bomb = Bomb(at)
        for name in STEPS:
            setattr(os, name, bomb.around(getattr(os, name)))
        Git.run = bomb.around(Git.run)  # type: ignore[method-assign]
    with open_objects(found) as objects:
        outcome = snapshots.take(found, objects, place, Origin(INSTANCE, "test", base=base), ignored=lambda _: True)
    if not isinstance(outcome, Taken):
        sys.exit(str(outcome))


def forked(repository: Path, worktree: Path, base: str, at: int | None) -> int:
    """Take one in a child; gives how it ended."""
    pid = os.fork()
    if pid == 0:
        try:
            take(repository, worktree, base, at)
        except BaseException:  # noqa: BLE001 - the parent prints that it went wrong
            import traceback  # noqa: PLC0415

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


def main() -> None:
    """Go through all steps."""
    repository, worktree, base = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    git = Git(repository)
    ref = f"{WIP}{INSTANCE}"
    at = 0
    while True:
        git.run("update-ref", "--stdin", stdin=f"delete {ref}/1\ndelete {ref}/2\n".encode(), ok=(0, 128))
        status = forked(repository, worktree, base, at)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
            sys.exit(f"step {at} ended with {status}")
        finished = os.WIFEXITED(status)
        # What a killed git left locked is no concern of ours: a new number, or the same content, is.
        if forked(repository, worktree, base, None) != 0:
            sys.exit(f"after step {at} no snapshot could be taken")
        refs = git.run("for-each-ref", "--format=%(refname:lstrip=4) %(tree)", ref).text.replace("\n", ", ")
        sys.stdout.write(f"{at} {refs}\n")
        if finished:
            return
        at += 1


if __name__ == "__main__":
    main()
