"""What reads, writes and walks the objects of a repository: the few calls that libgit2 and the git binary both answer.

An engine knows bytes and ids; what trees and commits say is read from them in ``objects``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class MissingObject(LookupError):  # noqa: N818 - reads as the sentence it is
    """An object that is not in the repository, or not of the expected kind."""


class Engine(Protocol):
    """What reads, writes and walks; a new engine is a class with these and a line in ``engines``."""

    name: str

    def read(self, oid: str) -> tuple[str, bytes]:
        """Kind (``blob``, ``tree``, ``commit``, ``tag``) and content; raises ``MissingObject``."""

    def write(self, kind: str, contents: Sequence[bytes]) -> list[str]:
        """Store objects of one kind and give their ids, in order."""

    def ref(self, name: str) -> str | None:
        """What a full ref name points at where that is known without a process; none says nothing."""

    def merge_base(self, a: str, b: str) -> str | None:
        """A best common ancestor of two commits, or none."""

    def is_ancestor(self, a: str, b: str) -> bool:
        """Whether commit ``a`` is reachable from ``b``; a commit is its own ancestor."""

    def walk(self, tip: str, hide: Iterable[str]) -> list[str]:
        """Commits reachable from ``tip`` and from none of ``hide``: topological, oldest first."""

    def move_private_ref(self, ref: str, new: str, old: str | None) -> bool:
        """Compare-and-swap a ref that only gitfleet writes; ``old`` none means it must not exist."""

    def close(self) -> None:
        """Release processes and descriptors."""
