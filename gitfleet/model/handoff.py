"""What an agent reports at its end, and the facts that are worth relaying."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

DISCOVERIES_SCHEMA = "gitfleet/discoveries/v1"


class Fact(Document, frozen=True, kw_only=True):
    """One durable fact as an agent reports it."""

    fact: Annotated[str, Meta(description="The fact in one sentence.", min_length=1)]
    paths: Annotated[tuple[str, ...], Meta(description="Files it is about.")] = ()
    kind: Annotated[str, Meta(description="Free word for the sort of fact, such as `api` or `pitfall`.")] = ""


class Handoff(Document, frozen=True, kw_only=True):
    """An agent's report; every list is in its own words, one item a line."""

    built: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    discoveries: tuple[Fact, ...] = ()
    remaining: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    no_change: Annotated[str, Meta(description="Why nothing had to change; makes an empty diff a success.")] = ""


class HandoffSource(StrEnum):
    """Where a handoff came from."""

    FILE = "file"
    OUTPUT = "output"
    NONE = "none"


class PinnedPath(Document, frozen=True, kw_only=True):
    """A file as it was when a fact was recorded; ``blob`` is empty when the file did not exist."""

    path: str
    blob: str = ""


class Discovery(Document, frozen=True, kw_only=True):
    """One durable fact, pinned to the files it is about."""

    fact: str
    source: Annotated[str, Meta(description="Instance that reported it.")]
    kind: Annotated[str, Meta(description="Free word for the sort of fact, as the agent gave it.")] = ""
    pins: tuple[PinnedPath, ...] = ()


class Discoveries(Document, frozen=True, kw_only=True, tag_field="schema", tag=DISCOVERIES_SCHEMA):
    """The discoveries of one task."""

    session: str
    task: str
    discoveries: tuple[Discovery, ...] = ()
