"""What a run may change, decided for one change at a time: bytes are compared, and doubt is a violation.

On a repository that folds the case of names both spellings are asked: the exact one keeps to what was claimed, the
folded one to exclusions and protected paths in any spelling.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.index import GITLINK, SYMLINK
from gitfleet.model.paths import unquote_path
from gitfleet.planner.protection import Protection
from gitfleet.planner.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitfleet.git.index import Change

PLANNING = b".planning"
MODULES = b".gitmodules"

# Code points that HFS+ ignores in names, so that `.g<U+200C>it` is `.git` there (git's utf8.c, is_hfs_dotgit).
_IGNORABLE = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The scope of a run as it is now, the paths that its plan names literally, and what must be so named.

    ``named`` never holds what a claim grew by: a person named it or nobody did.
    """

    scope: Scope
    named: frozenset[bytes]
    protection: Protection
    fold: bool

    @classmethod
    def of(
        cls, scope: Scope, *, extended: Iterable[str] = (), protection: Protection | None = None, fold: bool = False
    ) -> Bounds:
        """The bounds of a task with this scope, whose run was ``extended`` by these entries."""
        return cls(widened(scope, extended), literal_paths(scope), protection or Protection(fold=fold), fold)

    def grown(self, entries: Iterable[str]) -> Bounds:
        """The same, with these entries in the scope."""
        return Bounds(widened(self.scope, entries), self.named, self.protection, self.fold)

    def why_outside(self, change: Change) -> str | None:
        """The reason why a run must not have made a change; none when it may."""
        path = change.path
        modes = {side.mode for side in (change.old, change.new) if side is not None}
        if is_planning(path, fold=self.fold):
            return "planning"
        if is_git_name(path):
            return "git-name"
        if path not in self.named:
            if GITLINK in modes or path == MODULES or (self.fold and _plain(path) == MODULES.decode()):
                return "submodule"
            if self.protection.holds(_seen(path) if self.fold else path, link=SYMLINK in modes):
                return "protected"
        if self.scope.is_empty:
            return "read-only"
        inside = self.scope.matches(path) and (not self.fold or self.scope.matches(path, fold=True))
        return None if inside else "out-of-scope"


def widened(scope: Scope, entries: Iterable[str]) -> Scope:
    """The scope with further entries; what it excludes stays excluded."""
    more = Scope.parse(entries).parsed
    return Scope.of((*scope.parsed, *more)) if more else scope


def literal_paths(scope: Scope) -> frozenset[bytes]:
    """The paths that entries of the scope name without a pattern."""
    found = (_literal(entry) for entry in scope.entries)
    return frozenset(path for path in found if path)


def is_planning(path: bytes, *, fold: bool) -> bool:
    """Whether a path is ``.planning`` or below it, in any spelling that a folding repository takes for it."""
    top = path.split(b"/", 1)[0]
    return top == PLANNING or (fold and _plain(top) == PLANNING.decode())


def is_git_name(path: bytes) -> bool:
    """Whether a component of a path is, or is taken by some file system for, ``.git`` or a step elsewhere."""
    for part in path.split(b"/"):
        if part in {b"", b".", b".."}:
            return True
        # NTFS drops trailing dots and spaces and takes what follows a colon for a stream; git~1 is a short name.
        if _plain(part).replace("\\", "/").split(":")[0].rstrip(". ") in {".git", "git~1"}:
            return True
    return False


def _literal(entry: str) -> bytes | None:
    """Read an entry back into the one path that it names; ``None`` for patterns and exclusions."""
    if entry.startswith("!"):
        return None
    text = unquote_path(entry).decode("utf-8", "surrogateescape")
    if re.search(r"(?<!\\)(?:\\\\)*[*?]", text):
        return None
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).rstrip("/").encode("utf-8", "surrogateescape")


def _plain(part: bytes) -> str:
    text = unicodedata.normalize("NFC", part.decode("utf-8", "surrogateescape").translate(_IGNORABLE))
    return text.casefold().rstrip(". ")


def _seen(path: bytes) -> bytes:
    """A path as a file system sees it that ignores some code points."""
    return path.decode("utf-8", "surrogateescape").translate(_IGNORABLE).encode("utf-8", "surrogateescape")
