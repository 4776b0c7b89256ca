"""What a new tree gets from the person's checkout besides its commit: copies and links of files that git ignores.

Only what the config lists, only what git ignores in the tree as it is there (anything else would be committed as work),
and never through a symbolic link out of the checkout or out of the tree.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, NoReturn

from gitfleet.errors import GitfleetError, Kind
from gitfleet.git.worktrees import exclude

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitfleet.git.repository import Repository
    from gitfleet.git.worktrees import Lock, Worktree


def furnish(repo: Repository, worktree: Worktree, *, copied: Sequence[str], link: Sequence[str], lock: Lock) -> None:
    """Copy and link what is listed into a tree; may be repeated.

    ``lock`` is held while the shared list of excluded files is changed. Raises ``GitfleetError`` (``bootstrap-failed``)
    for what is not there, not ignored, or in the way.
    """
    if not copied and not link:
        return
    source = repo.worktree
    if source is None:
        _refuse("there is no checkout that files could come from", "Run gitfleet in a worktree.")
    for entry in (*copied, *link):
        origin = source / entry
        if not os.path.lexists(origin):
            _refuse(f"{entry} is not in {source}", "Make it, or take it off worktrees.copy and worktrees.link.")
        _inside(source, origin, entry)
        _inside(worktree.path, (worktree.path / entry).parent / "x", entry)
    _refuse_visible(repo, worktree, source, (*copied, *link))
    for entry in copied:
        _copy(source / entry, worktree.path / entry)
    for entry in link:
        _link(source / entry, worktree.path / entry, entry)
    _hide_links(repo, worktree, link, lock)


def _inside(root: Path, place: Path, entry: str) -> None:
    """Refuse a place that links lead out of the root."""
    real, top = os.path.realpath(place), os.path.realpath(root)
    if real != top and not real.startswith(top + os.sep):
        _refuse(f"{entry} leads out of {root} through a symbolic link", "List a file or directory of the checkout.")


def _refuse_visible(repo: Repository, worktree: Worktree, source: Path, entries: Sequence[str]) -> None:
    # What is a directory in the checkout is asked for as one, since it is not in the tree yet.
    asked = {entry: entry + "/" if (source / entry).is_dir() else entry for entry in dict.fromkeys(entries)}
    lines = b"".join(os.fsencode(name) + b"\0" for name in asked.values())
    git = worktree.git(repo.git)
    done = git.run("check-ignore", "-z", "--stdin", stdin=lines, ok=(0, 1))
    ignored = {os.fsdecode(name) for name in done.stdout.split(b"\0")}
    visible = [entry for entry, name in asked.items() if name not in ignored]
    if visible:
        names = ", ".join(visible)
        _refuse(f"git does not ignore {names}, so it would be committed", f"Add {names} to .gitignore first.")


def _copy(origin: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    mode = origin.lstat().st_mode
    if place.is_symlink() or (os.path.lexists(place) and place.is_dir() != stat.S_ISDIR(mode)):
        _away(place)
    if stat.S_ISLNK(mode):
        place.symlink_to(origin.readlink())
    elif stat.S_ISDIR(mode):
        place.mkdir(exist_ok=True)
        for child in origin.iterdir():
            _copy(child, place / child.name)
    elif stat.S_ISREG(mode):
        # A new file each time: one that stayed may be linked to another name.
        place.unlink(missing_ok=True)
        shutil.copy2(origin, place, follow_symlinks=False)
    # A pipe, a socket or a device is no file that could be copied.


def _link(origin: Path, place: Path, entry: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    elif os.path.lexists(place):
        _refuse(f"{entry} is in the tree already, where a link to {origin} must go", "Take it off worktrees.link.")
    place.symlink_to(origin)


def _hide_links(repo: Repository, worktree: Worktree, link: Sequence[str], lock: Lock) -> None:
    """Hide links to directories that are ignored as directories only (``node_modules/``): a link is none."""
    if not link:
        return
    lines = b"".join(os.fsencode(entry) + b"\0" for entry in link)
    done = worktree.git(repo.git).run("check-ignore", "-z", "--stdin", stdin=lines, ok=(0, 1))
    ignored = {os.fsdecode(name) for name in done.stdout.split(b"\0")}
    shown = [entry for entry in link if entry not in ignored]
    if shown:
        with lock:
            for entry in shown:
                exclude(repo.common_dir, entry)


def _away(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def _refuse(why: str, hint: str) -> NoReturn:
    message = f"what the config lists cannot be put there: {why}."
    raise GitfleetError(Kind.ENVIRONMENT, "bootstrap-failed", message, hint=hint)
