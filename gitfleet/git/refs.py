"""Refs: read them exactly, move them only by compare-and-swap, durably.

Names come from plans, agents and people, so nothing here guesses: a ref is its full name, and a symbolic ref is never
followed when writing (an agent could point its branch at the user's).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitfleet.git.command import GitFailed

if TYPE_CHECKING:
    from gitfleet.git.command import Git

HEADS = "refs/heads/"

# git writes refs without fsync unless told; a second is longer than another process holds a ref's lock.
_DURABLE = ("core.fsync=reference", "core.filesRefLockTimeout=1000", "core.packedRefsTimeout=2000")

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Updated:
    """The ref is what was asked for."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The ref was not at the old value; ``actual`` is where it is, none when there is no such ref."""

    actual: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """git could not write the ref; ``clash`` is the ref that takes its place (``a`` against ``a/b``), if one does."""

    why: str
    clash: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a worktree is: ``branch`` is a full ref name, none when detached; ``oid`` is none before any commit."""

    branch: str | None
    oid: str | None


def zero(oid: str = "") -> str:
    """The id that means "no object", as long as this one."""
    return "0" * (len(oid) or 40)


def valid_branch(name: str) -> bool:
    """Whether git takes this as a branch name (the rules of ``check-ref-format --branch``, without its expansions)."""
    if not name or name in ("@", "HEAD") or name.startswith(("-", "/")) or name.endswith(("/", ".")):
        return False
    if ".." in name or "@{" in name or "//" in name or _FORBIDDEN.search(name):
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))


def short(ref: str) -> str:
    """What people call a branch; other refs keep their full name."""
    return ref.removeprefix(HEADS)


class Refs:
    """The refs of one repository."""

    def __init__(self, git: Git) -> None:
        """Work through this door; its directory decides whose HEAD is meant."""
        self.git = git

    def read(self, ref: str) -> str | None:
        """The object id a full ref name points at, symbolic refs followed, tags not; none when there is no such ref.

        Raises ``GitFailed`` for a broken one.
        """
        try:
            return self.git.run("show-ref", "--verify", "--hash", "--", ref).text
        except GitFailed as error:
            if "not a valid ref" in error.completed.error:
                return None
            raise

    def symbolic(self, ref: str) -> str | None:
        """What a symbolic ref names, or none when the ref is not symbolic."""
        return self.git.run("symbolic-ref", "--quiet", ref, ok=(0, 1, 128)).text or None

    def under(self, prefix: str) -> dict[str, str]:
        """Every ref below a prefix such as ``refs/gitfleet/``, or exactly it, with its object id; sorted by name."""
        done = self.git.run("for-each-ref", "--format=%(refname)%00%(objectname)", prefix)
        found: dict[str, str] = {}
        for line in filter(None, done.text.split("\n")):  # a ref name may hold U+2028
            ref, _, oid = line.partition("\0")
            found[ref] = oid
        return found

    def head(self) -> Head:
        """Branch and commit of the worktree that the door is in."""
        done = self.git.run("rev-parse", "--verify", "HEAD", "--symbolic-full-name", "HEAD", ok=(0, 1, 128))
        lines = done.text.split("\n")
        if done.code == 0 and len(lines) == 2 and lines[1]:
            return Head(lines[1] if lines[1] != "HEAD" else None, lines[0])
        # No commit yet, or a branch called HEAD makes the name ambiguous.
        branch = self.symbolic("HEAD")
        return Head(branch, self.read("HEAD") if branch is None else self.read(branch))

    def update(self, ref: str, new: str, old: str, *, why: str = "gitfleet") -> Updated | Moved | Refused:
        """Move a ref from ``old`` to ``new``, durably; ``old`` of zeros creates it. ``why`` goes to the reflog."""
        try:
            self.git.having(*_DURABLE).run("update-ref", "--no-deref", "-m", why, ref, new, old)
        except GitFailed as error:
            return self._explained(error, ref, old)
        return Updated()

    def delete(self, ref: str, old: str) -> Updated | Moved | Refused:
        """Delete a ref that is at ``old``; one that does not exist is ``Moved(None)``."""
        if self.read(ref) is None:
            return Moved(None)
        try:
            self.git.having(*_DURABLE).run("update-ref", "--no-deref", "-d", ref, old)
        except GitFailed as error:
            return self._explained(error, ref, old)
        return Updated()

    def _explained(self, error: GitFailed, ref: str, old: str) -> Moved | Refused:
        actual = self.read(ref)
        if (actual or zero(old)) != old:
            return Moved(actual)
        why = error.completed.error
        match = re.search(r"'(refs/[^']*)' exists; cannot create", why)
        return Refused(why, match.group(1) if match else None)


def head(git: Git) -> Head:
    """Branch and commit of the worktree that the door is in."""
    return Refs(git).head()
