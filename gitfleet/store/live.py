"""``.planning/live``: a link in a worktree to the state, so that people and editors can watch.

Losing the link loses nothing. Whatever else has that name is left alone, and ``.planning`` is never followed when it
is a link itself: it could lead out of the worktree.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gitfleet.store.files import make_directory

EXCLUDE_LINE = b"/.planning/live"


def link_live(state: Path, worktree: Path, exclude_file: Path) -> str:
    """Make the link, listed in the shared ``info/exclude`` first; returns a note for people, empty when all is well.

    ``state`` is ``Layout.state``, ``worktree`` the root of a worktree. Running it again changes nothing.
    """
    planning = worktree / ".planning"
    target = _target(state, planning)
    with suppress(FileExistsError):
        planning.mkdir()
    try:
        directory = os.open(planning, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return f"{planning} is not a directory, so no link to the live state was made there"
    try:
        present = _read_link(directory)
        if present is None and _occupied(directory):
            return f"{planning / 'live'} exists and is not gitfleet's, so it was left alone"
        if present is not None and Path(present).parts[-2:] != state.parts[-2:]:
            return f"{planning / 'live'} leads to {present} and is not gitfleet's, so it was left alone"
        _exclude(exclude_file)
        if present == target:
            return ""
        if present is not None:
            # Ours, from before the repository was moved.
            os.unlink("live", dir_fd=directory)
        with suppress(FileExistsError):
            os.symlink(target, "live", dir_fd=directory)
    finally:
        os.close(directory)
    return ""


def _target(state: Path, planning: Path) -> str:
    """Relative where the state is inside the worktree, so that moving the repository keeps the link."""
    real_state, real_worktree = state.resolve(), planning.parent.resolve()
    if real_state.is_relative_to(real_worktree):
        return os.path.relpath(real_state, real_worktree / planning.name)
    return str(real_state)


def _read_link(directory: int) -> str | None:
    try:
        return os.readlink("live", dir_fd=directory)
    except OSError:
        return None


def _occupied(directory: int) -> bool:
    try:
        os.stat("live", dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _exclude(path: Path) -> None:
    make_directory(path.parent, mode=0o755)
    # Appended in place: people keep this file as a link to one of their own, which a rename would replace.
    with path.open("a+b") as file:
        file.seek(0)
        content = file.read()
        if EXCLUDE_LINE in content.splitlines():
            return
        file.write((b"" if not content or content.endswith(b"\n") else b"\n") + EXCLUDE_LINE + b"\n")
