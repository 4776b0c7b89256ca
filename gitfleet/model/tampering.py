"""What an attempt tried to do to things that it shares with the person, or what became of them while it ran."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from gitfleet.model.base import Document


class TamperingOutcome(StrEnum):
    """What came of it."""

    REFUSED = "refused"
    CHANGED = "changed"
    UNCLEAR = "unclear"


class Tampering(Document, frozen=True, kw_only=True):
    """Something shared that an attempt tried to change, or that changed while it ran."""

    kind: Annotated[str, Meta(description="ref, stash, config, hook, push or repository.")]
    name: Annotated[str, Meta(description="Which one: a ref, a setting, a hook.")]
    outcome: Annotated[
        TamperingOutcome,
        Meta(description="refused: nothing changed. changed: it did. unclear: it changed; nothing says who did it."),
    ]
    by: Annotated[str, Meta(description="The command or hook at which it was refused.")] = ""
    before: Annotated[str, Meta(description="What it was; empty where there was nothing, or it may be a secret.")] = ""
    after: Annotated[str, Meta(description="What it would have become, or became.")] = ""
    restore: Annotated[str, Meta(description="The command that puts it back; empty where nothing changed.")] = ""
    others: Annotated[
        tuple[str, ...], Meta(description="Other agents that ran at the time; each of them may have done it.")
    ] = ()
