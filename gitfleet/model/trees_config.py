"""Where agents work, and what is in their worktrees and stays there."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from gitfleet.model.base import Document, PositiveInt


class WorktreesConfig(Document, frozen=True, kw_only=True):
    """Where agents work."""

    root: Annotated[
        str | None, Meta(description="Directory for worktrees; `<repository>.fleet` beside it unless given.")
    ] = None
    copied: Annotated[
        tuple[str, ...],
        Meta(
            description="Ignored files and directories of your checkout that each new tree gets a copy of.",
            examples=[[".env"]],
        ),
    ] = field(name="copy", default=())
    link: Annotated[
        tuple[str, ...],
        Meta(
            description="Ignored files and directories of your checkout that each tree gets a symbolic link to.",
            examples=[["node_modules"]],
        ),
    ] = ()
    setup: Annotated[
        tuple[str, ...],
        Meta(
            description="Shell commands that make a tree ready, run in it in this order before its agent starts.",
            examples=[["npm ci"]],
        ),
    ] = ()
    most: Annotated[
        PositiveInt | None,
        Meta(
            description="Most trees that attempts may have at once, over all sessions. When all are busy a task waits; "
            "when some only hold work that did not land, the oldest is snapshotted and used again.",
        ),
    ] = field(name="max", default=None)
    ports: Annotated[
        int,
        Meta(
            description="First port of the blocks exported as GITFLEET_PORT_BASE, ten ports an agent.",
            ge=1024,
            le=60000,
        ),
    ] = 20000


class PoolConfig(Document, frozen=True, kw_only=True):
    """What stays in a worktree that changes hands."""

    keep: Annotated[
        tuple[str, ...],
        Meta(
            description="Patterns of ignored files that the next attempt finds again, as git clean -e reads them.",
            examples=[["node_modules"]],
        ),
    ] = ()
