"""A place for predictions: objects, copies of indexes and attributes that are thrown away.

``objects`` is an object directory with the repository's store as its alternate, so that nothing of a prediction is ever
written into the store. ``files`` stands in for a worktree whose attributes are those of the target: merges run there.
The place is held by a lock for the life of its owner; what a killed one left is removed by the next that comes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitfleet.errors import GitfleetError
from gitfleet.store.files import make_directory
from gitfleet.store.locks import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitfleet.git.command import Git, Leash
    from gitfleet.git.repository import Repository
    from gitfleet.store.layout import Layout

TIMEOUT = 60.0
"""Seconds that one git call of a prediction may take; a merge driver that hangs is ended with it."""

PREFIX = "scratch-"


@dataclass(slots=True)
class Scratch:
    """One owner's place; ``git`` works in ``files`` and writes objects into ``objects`` alone."""

    path: Path
    git: Git
    attributes_of: str = ""

    @property
    def files(self) -> Path:
        """What merges take for their worktree."""
        return self.path / "files"

    @property
    def indexes(self) -> Path:
        """Copies of the indexes of worktrees that are looked at."""
        return self.path / "indexes"

    def door(self, git: Git) -> Git:
        """Another door, such as one on a worktree, that writes its objects here."""
        return replace(git.having(**_store_of(self.git)), inherit=(), timeout=TIMEOUT, leash=self.git.leash)


@contextmanager
def open_scratch(repository: Repository, layout: Layout, leash: Leash | None = None) -> Iterator[Scratch]:
    """Make a place for the time of the context, and remove those whose owners are gone."""
    parent = layout.radar
    make_directory(parent)
    sweep(parent)
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    try:
        with hold(path / "lock", timeout=0.0, what="the place of a prediction"):
            for name in ("objects", "files", "indexes"):
                (path / name).mkdir()
            yield Scratch(path, _door(repository, path, leash))
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove places that nobody holds."""
    for left in sorted(parent.glob(f"{PREFIX}*")):
        # One that has just been made has no lock yet; its owner takes it within a moment.
        if not (left / "lock").exists() and not (left / "objects").exists():
            with suppress(OSError):
                left.rmdir()
            continue
        with suppress(GitfleetError, OSError), hold(left / "lock", timeout=0.0, what="the place of a prediction"):
            shutil.rmtree(left, ignore_errors=True)


def _door(repository: Repository, path: Path, leash: Leash | None) -> Git:
    store = {
        "GIT_OBJECT_DIRECTORY": str(path / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(repository.common_dir / "objects"),
        # Known from git 2.44 on: a prediction is not worth a fetch.
        "GIT_NO_LAZY_FETCH": "1",
    }
    places = {"GIT_DIR": str(repository.common_dir), "GIT_WORK_TREE": str(path / "files")}
    # The session lock's descriptor is not for these calls: nothing of a session depends on their end.
    git = replace(repository.git, inherit=(), timeout=TIMEOUT, leash=leash)
    return git.at(path / "files").having(**store, **places)


def _store_of(git: Git) -> dict[str, str]:
    names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NO_LAZY_FETCH")
    return {name: git.env[name] for name in names}


def _quoted(path: Path) -> str:
    """Write a path as one entry of a list that git splits at colons."""
    text = os.fspath(path)
    if not text.startswith('"') and ":" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
