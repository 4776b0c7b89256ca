"""Keeping secrets of accounts out of the books, the journal, briefs and records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from gitfleet.agents.accounts.secrecy import secret_values
from gitfleet.agents.accounts.store import Accounts
from gitfleet.errors import GitfleetError
from gitfleet.store.redaction import Redaction

if TYPE_CHECKING:
    from gitfleet.parts import Parts

T = TypeVar("T")


def known(parts: Parts) -> dict[str, str]:
    """Values to be replaced, and by what."""
    try:
        return secret_values(Accounts.of(parts.caller, parts.now))
    except GitfleetError:  # there is no home, and so no account
        return {}


class Scrubber:
    """Takes the secrets that are known now out of documents."""

    def __init__(self, parts: Parts) -> None:
        """Find out what they are."""
        self._redaction = Redaction({}, known(parts))

    def clean(self, value: T) -> T:
        """The same document, or tuple of documents, without them; what is no document stays as it is."""
        if isinstance(value, tuple):
            return type(value)(map(self.clean, value))
        return self._redaction.document(value) if isinstance(value, msgspec.Struct) else value
