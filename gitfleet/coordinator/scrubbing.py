"""Keeping secrets of accounts out of the books, the journal, briefs and records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from gitfleet.parts import Parts

T = TypeVar("T")


def secrecy(parts: Parts) -> Redaction:
    """What takes the secrets that are known now out of what is written."""
    return Redaction({}, secret_values(parts.caller, parts.now))


class Scrubber:
    """Takes the secrets that are known now out of documents."""

    def __init__(self, parts: Parts) -> None:
        """Find out what they are."""
        self._redaction = secrecy(parts)

    def clean(self, value: T) -> T:
        """The same document, or tuple of documents, without them; what is no document stays as it is."""
        if isinstance(value, tuple):
            return type(value)(map(self.clean, value))
        return self._redaction.document(value) if isinstance(value, msgspec.Struct) else value
