"""The fast engine: libgit2 in this process.

libgit2 does not know every repository that git knows; ``engines.open_objects`` decides. It sees what the git binary
writes: a loose object at once, a pack when an object is not found otherwise. A pack that was repacked away under us is
an error of libgit2, so a failed read is tried once more on a freshly opened repository.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeVar

import pygit2
from pygit2.enums import ObjectType, RepositoryOpenFlag, SortMode

from gitfleet.errors import REFUSED_BY_MACHINE
from gitfleet.git.engine import MissingObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

T = TypeVar("T")

_KINDS = {
    ObjectType.BLOB: "blob",
    ObjectType.TREE: "tree",
    ObjectType.COMMIT: "commit",
    ObjectType.TAG: "tag",
}
OPEN_PACKS = 16
"""Most packs that libgit2 keeps open at the same time in this process."""

_TYPES = {name: kind for kind, name in _KINDS.items()}


class LibgitEngine:
    """Objects through libgit2."""

    name = "pygit2"

    def __init__(self, common_dir: Path) -> None:
        """Open the repository; raises ``pygit2.GitError`` where libgit2 cannot."""
        self._common_dir = common_dir
        # git itself has judged ownership (`safe.directory`) when the repository was discovered; libgit2 reads those
        # settings differently and would refuse repositories that git accepts.
        pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, 0)
        # A long session lands many small packs; unbounded, each would keep a descriptor for as long as we live.
        pygit2.option(pygit2.enums.Option.SET_MWINDOW_FILE_LIMIT, OPEN_PACKS)
        self._repo = self._open()

    def read(self, oid: str) -> tuple[str, bytes]:
        """See ``Engine``."""
        try:
            kind, data = self._retried(lambda: self._repo.odb.read(pygit2.Oid(hex=oid)))
        except (KeyError, ValueError, pygit2.GitError) as error:
            msg = f"{oid}: {error}"
            raise MissingObject(msg) from error
        return _KINDS[ObjectType(kind)], data

    def write(self, kind: str, contents: Sequence[bytes]) -> list[str]:
        """See ``Engine``."""
        try:
            return [str(self._repo.odb.write(_TYPES[kind], data)) for data in contents]
        except (OSError, pygit2.GitError) as error:
            # What a full disk and a directory without rights come to: the one or the other, as libgit2 has it.
            raise _numbered(error, self._common_dir / "objects") from error

    def merge_base(self, a: str, b: str) -> str | None:
        """See ``Engine``."""
        # The stubs leave out that there may be none.
        found: pygit2.Oid | None = self._retried(lambda: self._repo.merge_base(pygit2.Oid(hex=a), pygit2.Oid(hex=b)))
        return str(found) if found else None

    def is_ancestor(self, a: str, b: str) -> bool:
        """See ``Engine``."""
        return self._retried(lambda: self._repo.descendant_of(pygit2.Oid(hex=b), pygit2.Oid(hex=a)))

    def walk(self, tip: str, hide: Iterable[str]) -> list[str]:
        """See ``Engine``."""
        hidden = [pygit2.Oid(hex=oid) for oid in hide]

        def commits() -> list[str]:
            walker = self._repo.walk(pygit2.Oid(hex=tip), SortMode.TOPOLOGICAL | SortMode.REVERSE)
            for oid in hidden:
                walker.hide(oid)
            return [str(commit.id) for commit in walker]

        return self._retried(commits)

    def ref(self, name: str) -> str | None:
        """See ``Engine``."""
        try:
            return str(self._repo.lookup_reference(name).peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def move_private_ref(self, ref: str, new: str, old: str | None) -> bool:
        """See ``Engine``."""
        try:
            if old is None:
                self._repo.create_reference_direct(ref, pygit2.Oid(hex=new), force=False)
                return True
            # `set_target` swaps against what this lookup saw, under libgit2's lock of the ref.
            reference = self._repo.lookup_reference(ref)
            if str(reference.target) != old:
                return False
            reference.set_target(pygit2.Oid(hex=new))
        except (KeyError, ValueError, OSError, pygit2.GitError):
            return False
        return True

    def close(self) -> None:
        """See ``Engine``."""
        self._repo.free()

    def _open(self) -> pygit2.Repository:
        return pygit2.Repository(str(self._common_dir), RepositoryOpenFlag.NO_SEARCH)

    def _retried(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (KeyError, pygit2.GitError):
            self._repo = self._open()
            return action()


def _numbered(error: Exception, path: Path) -> OSError:
    """libgit2 says in words what refused it; the same with its number and its place, as the system would."""
    words = str(error)
    number = next((number for number in REFUSED_BY_MACHINE if os.strerror(number) in words), errno.EIO)
    return OSError(number, words, str(path))
