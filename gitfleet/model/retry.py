"""How often an attempt that failed through no fault of its task is made again, and after how long."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gitfleet.model.base import Document

MOST_ATTEMPTS = 100
LONGEST_BACKOFF = 86_400

Attempts = Annotated[int, Meta(ge=1, le=MOST_ATTEMPTS)]
Backoff = Annotated[float, Meta(ge=0, le=LONGEST_BACKOFF)]
Multiplier = Annotated[float, Meta(ge=1, le=100)]


class RetryConfig(Document, frozen=True, kw_only=True):
    """When a failed attempt is made again; only what the machine or gitfleet failed, and timeouts that others wait for.

    The wait before attempt n+1 is drawn from the upper half of ``initial * multiplier ** (n - 1)``, which
    ``max_backoff_seconds`` bounds.
    """

    max_attempts: Annotated[Attempts, Meta(description="Attempts that one task may take in all; 1 never retries.")] = 2
    initial_backoff_seconds: Annotated[Backoff, Meta(description="Longest wait before the second attempt.")] = 5
    max_backoff_seconds: Annotated[Backoff, Meta(description="Longest wait before any attempt.")] = 300
    backoff_multiplier: Annotated[
        Multiplier, Meta(description="How much longer each wait may be than the one before it.")
    ] = 2


class RetryPolicy(Document, frozen=True, kw_only=True):
    """What one task says of retries instead of the config's ``retry``; what it leaves out is as there."""

    max_attempts: Annotated[
        Attempts | None, Meta(description="Attempts that the task may take in all; 1 never retries.")
    ] = None
    initial_backoff_seconds: Annotated[Backoff | None, Meta(description="Longest wait before the second attempt.")] = (
        None
    )
    max_backoff_seconds: Annotated[Backoff | None, Meta(description="Longest wait before any attempt.")] = None
    backoff_multiplier: Annotated[
        Multiplier | None, Meta(description="How much longer each wait may be than the one before it.")
    ] = None

    def over(self, config: RetryConfig) -> RetryConfig:
        """The config's policy with what is said here."""
        return msgspec.structs.replace(config, **self._said())

    def under(self, other: RetryPolicy | None) -> RetryPolicy:
        """This policy where ``other``, which goes first, says nothing."""
        return self if other is None else msgspec.structs.replace(self, **other._said())  # noqa: SLF001 - its own kind

    def _said(self) -> dict[str, object]:
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in said.items() if value is not None}
