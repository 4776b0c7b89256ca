"""Front matter of a brief: a handoff and the facts around it, compressed for the next wave."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document

BRIEF_SCHEMA = "gitfleet/brief/v1"


class BriefHeader(Document, frozen=True, kw_only=True, tag_field="schema", tag=BRIEF_SCHEMA):
    """Whose brief it is and how the run ended; the facts follow as Markdown."""

    session: str
    task: str
    instance: Annotated[str, Meta(description="Source of every fact in the brief.")] = ""
    outcome: Annotated[str, Meta(description="State of the run, with the failure's code where it has one.")]
