"""What agents used: tokens by sort, cost, and whether the figures are exact.

Every count means the same for every agent. ``input`` are tokens of the prompt that no cache answered and that were
written to none; ``cache_read`` and ``cache_write`` are the others. ``output`` is everything generated, ``reasoning``
included, which is told apart as well where the agent tells it. A figure that an agent does not report is none: unknown
is never zero.
"""

from __future__ import annotations

from enum import StrEnum
from functools import reduce
from typing import TYPE_CHECKING, Annotated, TypeVar

from msgspec import Meta

from gitfleet.model.base import Count, Document

if TYPE_CHECKING:
    from collections.abc import Iterable

USAGE_SCHEMA = "gitfleet/usage-rows/v1"

N = TypeVar("N", int, float)


class Truth(StrEnum):
    """Whether figures came from the source of truth and are complete."""

    EXACT = "exact"
    NOT_MEASURED = "not-measured"


class Tokens(Document, frozen=True, kw_only=True):
    """Tokens by sort, and what they cost."""

    input: Annotated[Count, Meta(description="Tokens of prompts, but for those below.")] = 0
    cache_read: Annotated[Count, Meta(description="Tokens of prompts that a cache answered.")] = 0
    cache_write: Annotated[Count, Meta(description="Tokens of prompts that were written to a cache.")] = 0
    output: Annotated[Count, Meta(description="Tokens generated, reasoning included.")] = 0
    reasoning: Annotated[Count | None, Meta(description="Tokens of reasoning; none where the agent does not say.")] = (
        None
    )
    cost_usd: Annotated[float | None, Meta(description="US dollars; none where the agent does not say.")] = None

    @property
    def total(self) -> int:
        """All tokens that were processed: what budgets count."""
        return self.input + self.cache_read + self.cache_write + self.output

    def plus(self, other: Tokens) -> Tokens:
        """The sum of both; a figure that neither gives stays none, and one that one gives is taken as it is."""
        return Tokens(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
            reasoning=_sum(self.reasoning, other.reasoning),
            cost_usd=_sum(self.cost_usd, other.cost_usd),
        )

    def beyond(self, part: Tokens) -> Tokens:
        """What these have beyond a part of them, never less than none, and what all of these cost."""
        return Tokens(
            input=max(0, self.input - part.input),
            cache_read=max(0, self.cache_read - part.cache_read),
            cache_write=max(0, self.cache_write - part.cache_write),
            output=max(0, self.output - part.output),
            reasoning=max(0, (self.reasoning or 0) - (part.reasoning or 0)),
            cost_usd=self.cost_usd,
        )


class UsageRow(Document, frozen=True, kw_only=True):
    """What one turn of one attempt used, helper turns included.

    A row is known by instance, attempt, CLI session and turn: the same log gives the same rows, however often it is
    read.
    """

    session: Annotated[str, Meta(description="Session id.")]
    task: Annotated[str, Meta(description="Id of the task.")]
    instance: Annotated[str, Meta(description="Instance id of the task's run.")]
    attempt: Annotated[int, Meta(ge=1, description="Number of the attempt, from 1.")]
    cli_session: Annotated[str, Meta(description="Session id of the agent's own program.")] = ""
    turn: Annotated[str, Meta(description="Turn in that session, as the agent's events name or number it.")]
    agent: Annotated[str, Meta(description="Name of the agent.")]
    account: Annotated[str, Meta(description="Account that it was used of; empty for none.")] = ""
    model: Annotated[str, Meta(description="Model that answered; empty where it is not told.")] = ""
    at: Annotated[str, Meta(description="When the attempt that it belongs to started.")] = ""
    tokens: Tokens = Tokens()
    tool_calls: Annotated[Count, Meta(description="Calls of tools.")] = 0
    helper: Annotated[bool, Meta(description="Whether a helper used it, such as a model that finds a title.")] = False
    truth: Truth = Truth.EXACT

    @property
    def key(self) -> str:
        """What makes it one row."""
        return f"{self.instance}/{self.attempt}/{self.cli_session}/{self.turn}"


class UsageRows(Document, frozen=True, kw_only=True, tag_field="schema", tag=USAGE_SCHEMA):
    """All rows of one attempt."""

    rows: tuple[UsageRow, ...] = ()
    truth: Annotated[
        Truth, Meta(description="exact: these are all; not-measured: some are missing, and no sum is one.")
    ] = Truth.EXACT


class UsageSummary(Document, frozen=True, kw_only=True):
    """What an attempt used altogether, for its record."""

    tokens: Tokens = Tokens()
    turns: Annotated[Count, Meta(description="Answers of the model, those of helpers left out.")] = 0
    tool_calls: Annotated[Count, Meta(description="Calls of tools.")] = 0
    truth: Truth = Truth.EXACT


class Figures(Document, frozen=True, kw_only=True):
    """What an attempt that runs told of so far."""

    turns: Count = 0
    tokens: Count | None = None
    tool_calls: Count = 0
    standing: Annotated[str, Meta(description="needs-person, rate-limited or retrying; empty while it works.")] = ""


class LiveFigures(Document, frozen=True, kw_only=True):
    """The figures of running attempts, by instance and number such as ``fleet-a-k3f9qm-w1-a1/2``.

    A coordinator leaves them for those who look from elsewhere; losing them loses nothing.
    """

    attempts: dict[str, Figures]


def added(parts: Iterable[Tokens]) -> Tokens:
    """Add tokens up."""
    return reduce(Tokens.plus, parts, Tokens())


def summary(rows: Iterable[UsageRow], truth: Truth) -> UsageSummary:
    """Add rows up."""
    rows = tuple(rows)
    return UsageSummary(
        tokens=added(row.tokens for row in rows),
        turns=sum(not row.helper for row in rows),
        tool_calls=sum(row.tool_calls for row in rows),
        truth=truth if all(row.truth is Truth.EXACT for row in rows) else Truth.NOT_MEASURED,
    )


def _sum(one: N | None, other: N | None) -> N | None:
    if one is None:
        return other
    return one if other is None else one + other
