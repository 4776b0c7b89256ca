"""A lease: which instance has a slot of the worktree pool."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

LEASE_SCHEMA = "gitfleet/lease/v1"


class Lease(Document, frozen=True, kw_only=True, tag_field="schema", tag=LEASE_SCHEMA):
    """Whose a slot is; it lasts until the tree is handed to another attempt or is free again."""

    slot: Annotated[str, Meta(description="Name of the tree in the pool, such as tree-1.")]
    path: Annotated[str, Meta(description="Absolute path of the tree.")]
    instance: str
    session: str
    task: str
    attempt: Annotated[int, Meta(description="Number of the attempt that it was taken for.", ge=1)]
    since: Annotated[str, Meta(description="When, as an ISO 8601 instant.")]
    port_base: Annotated[int, Meta(description="First of the ten ports of who has it.")] = 0
    before: Annotated[
        str, Meta(description="Instance whose tree it was until then; what it holds is that one's until it is renewed.")
    ] = ""
