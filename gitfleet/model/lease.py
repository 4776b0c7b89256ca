"""A lease: which instance has a slot of the worktree pool."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document
from gitfleet.model.paths import unquote_path

SET_ASIDE_SCHEMA = "gitfleet/set-aside/v1"
LEASE_SCHEMA = "gitfleet/lease/v1"


class Lease(Document, frozen=True, kw_only=True, tag_field="schema", tag=LEASE_SCHEMA):
    """Whose a slot is; it lasts until the tree is handed to another attempt or is free again."""

    slot: Annotated[str, Meta(description="Name of the tree in the pool, such as tree-1.")]
    path: Annotated[str, Meta(description="Absolute path of the tree, C-quoted where it is not plain text.")]
    instance: str
    session: str
    task: str
    attempt: Annotated[int, Meta(description="Number of the attempt that it was taken for.", ge=1)]
    since: Annotated[str, Meta(description="When, as an ISO 8601 instant.")]
    port_base: Annotated[int, Meta(description="First of the ten ports of who has it.")] = 0
    before: Annotated[
        str, Meta(description="Instance whose tree it was until then; what it holds is that one's until it is renewed.")
    ] = ""

    @property
    def place(self) -> str:
        """The path as the system knows it."""
        return _place(self.path)


class SetAside(Document, frozen=True, kw_only=True, tag_field="schema", tag=SET_ASIDE_SCHEMA):
    """A tree that was taken out of the pool because it may hold the only copy of something."""

    path: Annotated[str, Meta(description="Absolute path where it is now, C-quoted where it is not plain text.")]
    instance: Annotated[str, Meta(description="Whose work is in it; empty when that is not known.")] = ""
    why: Annotated[str, Meta(description="What kept it from being used again, as a clause.")]
    since: Annotated[str, Meta(description="When, as an ISO 8601 instant.")]

    @property
    def place(self) -> str:
        """The path as the system knows it."""
        return _place(self.path)

    @property
    def let_go(self) -> str:
        """The command that removes it, once somebody looked."""
        place = quoted(self.path)
        return f"git worktree unlock {place}; git worktree remove --force {place}"


def _place(path: str) -> str:
    return unquote_path(path).decode("utf-8", "surrogateescape")


def quoted(path: str) -> str:
    """A path as a word for a shell."""
    if path and all(char.isalnum() or char in "/._-+@%" for char in path):
        return path
    return "'" + path.replace("'", "'\\''") + "'"
