"""A run's conflict with its target: for each path the kind, and for both sides what is there and who put it there."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from gitfleet.model.base import Document

if TYPE_CHECKING:
    from collections.abc import Iterable


class ConflictKind(StrEnum):
    """What stands against what; all but the last two are git's own words."""

    CONTENT = "content"
    ADD_ADD = "add/add"
    MODIFY_DELETE = "modify/delete"
    RENAME_RENAME = "rename/rename"
    RENAME_DELETE = "rename/delete"
    RENAME_ADD = "rename/add"
    DIRECTORY_RENAME = "directory-rename"
    FILE_DIRECTORY = "file/directory"
    DISTINCT_TYPES = "distinct-types"
    SUBMODULE = "submodule"
    OUTSIDE_SCOPE = "outside-scope"
    OTHER = "other"


class SideChange(Document, frozen=True, kw_only=True):
    """A commit that changed the path on one side."""

    commit: Annotated[str, Meta(description="Its whole id.")]
    subject: Annotated[str, Meta(description="First line of its message.")] = ""
    instance: Annotated[str, Meta(description="The run that it is from; empty for a person's commit.")] = ""


class ConflictSide(Document, frozen=True, kw_only=True):
    """What one side has at the path, and the last commits that changed it there."""

    blob: Annotated[str, Meta(description="Object id; empty where this side has nothing at the path.")] = ""
    mode: Annotated[str, Meta(description="Mode of git, such as 100644.")] = ""
    changes: Annotated[tuple[SideChange, ...], Meta(description="Newest first, at most five.")] = ()


class Conflict(Document, frozen=True, kw_only=True):
    """One path of a run that cannot be merged as it is."""

    path: str
    kind: Annotated[ConflictKind, Meta(description="What stands against what.")]
    message: Annotated[str, Meta(description="What git says of it.")] = ""
    base: Annotated[str, Meta(description="Blob that both sides changed; empty where there was none.")] = ""
    target: Annotated[ConflictSide, Meta(description="The side of the target, other runs of its batch included.")] = (
        ConflictSide()
    )
    run: Annotated[ConflictSide, Meta(description="The side of the run.")] = ConflictSide()

    @property
    def others(self) -> tuple[str, ...]:
        """Who changed the path on the target's side: instances, and short commits of people."""
        return tuple(dict.fromkeys(change.instance or change.commit[:12] for change in self.target.changes))


class Resolution(Document, frozen=True, kw_only=True):
    """A conflict that a person resolves with `gitfleet resolve`: the target merged into the run's branch."""

    tip: Annotated[str, Meta(description="Commit of the run that the merge began on.")]
    onto: Annotated[str, Meta(description="Commit of the target that is merged into it.")]
    since: Annotated[str, Meta(description="ISO 8601 instant at which it was begun.")]
    ready: Annotated[bool, Meta(description="Whether the merge stands in the worktree for the person.")] = False
    commit: Annotated[str, Meta(description="What the person made of it, once it was taken in.")] = ""


def described(conflict: Conflict) -> str:
    """A conflict on one line: path, kind, and who is on the other side."""
    others = f", with {', '.join(conflict.others)}" if conflict.others else ""
    return f"{conflict.path} ({conflict.kind}{others})"


def paths_of(conflicts: Iterable[Conflict]) -> tuple[str, ...]:
    """The paths of conflicts, each once."""
    return tuple(dict.fromkeys(conflict.path for conflict in conflicts))
