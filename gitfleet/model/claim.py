"""A claim: a live hold on a scope by an instance."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

CLAIM_SCHEMA = "gitfleet/claim/v1"


class Claim(Document, frozen=True, kw_only=True, tag_field="schema", tag=CLAIM_SCHEMA):
    """A live hold on a scope; it exists from dispatch until the run is sealed."""

    instance: str
    session: str
    task: str
    scope: Annotated[tuple[str, ...], Meta(description="Scope entries, after symlinks of the base are resolved.")]
    folded: Annotated[bool, Meta(description="Whether names are compared without case (NFC, casefold).")] = False
    acquired: Annotated[str, Meta(description="When, as an ISO 8601 instant.")]
    port_base: Annotated[int, Meta(description="First of the ten ports that belong to the instance.")] = 0
    clone: Annotated[str, Meta(description="Random id of the clone that holds it.")] = ""


class ExternalClaim(Document, frozen=True, kw_only=True):
    """A claim of another tool, read from ``.planning/coordination/claims`` and never written."""

    instance: str
    scope: tuple[str, ...]
    file: Annotated[str, Meta(description="Path of the claim file below the worktree.")]
